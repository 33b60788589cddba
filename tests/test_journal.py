"""The journal of a run: what was kept is found again, and nothing that was not."""

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercli.errors import MercliError, UsageError
from mercli.fingerprint import fingerprint
from mercli.journal import Journal, Origin

ORIGIN = Origin("10-20-ab", "recipe", (None, 40.0))
CELLS: st.SearchStrategy[object] = st.one_of(
    st.none(), st.text(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)
)
STATUSES = st.sampled_from(["ok", "partial", "failed"])
COLUMNS = ("file", "status", "n")
SECONDS = ("file", "start_s", "p")
ROWS = st.tuples(st.text(), STATUSES, CELLS).map(lambda cells: dict(zip(COLUMNS, cells, strict=True)))
FILES = st.tuples(st.lists(ROWS, min_size=1, max_size=4), st.lists(st.tuples(CELLS, CELLS).map(list), max_size=4))


def row(status: str = "ok", n: object = None) -> dict[str, object]:
    return {"file": "a", "status": status, "n": n}


@given(st.dictionaries(st.text(), FILES, max_size=5))
@settings(max_examples=50)
def test_the_rows_and_seconds_of_files_come_back_as_they_went(
    tmp_path_factory: pytest.TempPathFactory,
    files: dict[str, tuple[list[dict[str, object]], list[list[object]]]],
) -> None:
    path = tmp_path_factory.mktemp("journal") / "out.csv.journal"
    with Journal(path, COLUMNS, SECONDS) as journal:
        for name, (rows, seconds) in files.items():
            journal.append(name, ORIGIN, rows, seconds)
    with Journal(path, COLUMNS, SECONDS) as journal:
        assert list(journal.rows(files)) == [line for rows, _ in files.values() for line in rows]
        assert list(journal.timeline(files)) == [
            dict(zip(SECONDS, (name, *cells), strict=True))
            for name, (_, seconds) in files.items()
            for cells in seconds
        ]
        assert all(journal.holds_good(name, ORIGIN) for name in files)
        assert [journal.status(name) for name in files] == [rows[0]["status"] for rows, _ in files.values()]


@given(st.data())
@settings(max_examples=150)
def test_a_journal_cut_off_anywhere_keeps_every_whole_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "out.csv.journal"
    names = [f"{i}.mp4" for i in range(6)]
    ends = []
    with Journal(path, COLUMNS) as journal:
        for name in names:
            journal.append(name, ORIGIN, [row(n=name)])
            ends.append(path.stat().st_size)
    cut = data.draw(st.integers(0, ends[-1]))
    os.truncate(path, cut)
    kept = [name for name, end in zip(names, ends, strict=True) if end <= cut]
    with Journal(path, COLUMNS) as journal:
        assert [name for name in names if journal.holds(name)] == kept
        journal.append("late.mp4", ORIGIN, [row(n="late")])
    with Journal(path, COLUMNS) as journal:
        assert [cells["n"] for cells in journal.rows([*kept, "late.mp4"])] == [*kept, "late"]


@given(at=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
@settings(max_examples=150)
def test_a_damaged_line_costs_itself_and_no_more(
    tmp_path_factory: pytest.TempPathFactory, at: float, byte: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "out.csv.journal"
    names = [f"{i}.mp4" for i in range(20)]
    with Journal(path, COLUMNS) as journal:
        for name in names:
            journal.append(name, ORIGIN, [row(n=name)])
    data = bytearray(path.read_bytes())
    header = data.index(b"\n") + 1
    data[header + int(at * (len(data) - header))] = byte
    path.write_bytes(data)
    with Journal(path, COLUMNS) as journal:
        kept = [name for name in names if journal.holds(name)]
        assert len(kept) >= len(names) - 2  # a line break that goes or comes joins or parts two lines
        assert [cells["n"] for cells in journal.rows(kept)] == kept


def test_the_last_row_of_a_name_counts(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", COLUMNS) as journal:
        journal.append("a", ORIGIN, [row("failed")])
        journal.append("a", ORIGIN, [row("ok")])
    with Journal(tmp_path / "j", COLUMNS) as journal:
        assert journal.status("a") == "ok"


@pytest.mark.parametrize(
    ("now", "status", "holds"),
    [
        (ORIGIN, "ok", True),
        (ORIGIN, "failed", True),
        (Origin("10-21-ab", "recipe", (None, 40.0)), "ok", False),
        (Origin("10-20-ab", "other", (None, 40.0)), "ok", False),
        (Origin(None, "recipe", (None, 40.0)), "ok", False),
        (Origin("10-20-ab", "recipe", (None, 50.0)), "ok", True),
        (Origin("10-20-ab", "recipe", (None, 30.0)), "ok", False),
        (Origin("10-20-ab", "recipe", (60.0, 40.0)), "ok", False),
        (Origin("10-20-ab", "recipe", (None, None)), "ok", True),
        (Origin("10-20-ab", "recipe", (None, 50.0)), "failed", False),
        (Origin("10-20-ab", "recipe", (None, 50.0)), "partial", False),
    ],
)
def test_a_row_holds_as_long_as_it_would_be_made_the_same(
    tmp_path: Path, now: Origin, status: str, holds: bool
) -> None:
    with Journal(tmp_path / "j", COLUMNS) as journal:
        journal.append("a", ORIGIN, [row(status)])
    with Journal(tmp_path / "j", COLUMNS) as journal:
        assert journal.holds_good("a", now) is holds


def test_a_row_without_a_fingerprint_never_holds(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", COLUMNS) as journal:
        journal.append("a", Origin(None, "recipe"), [row("crashed")])
        assert journal.holds("a")
        assert not journal.holds_good("a", Origin(None, "recipe"))


@pytest.mark.parametrize(
    "change",
    [
        {"rows": None},
        {"rows": []},
        {"rows": ["ok"]},
        {"rows": {"file": "a", "status": "ok", "n": 1}},
        {"rows": [{"status": "ok"}]},
        {"rows": [{"file": "a", "status": None, "n": None}]},
        {"rows": [{"file": "a", "status": "ok", "n": []}]},
        {"rows": [{"file": "a", "status": "ok", "n": 1, "more": 1}]},
        {"rows": [{"file": "a", "n": 1}]},
        {"rows": [row(), "ok"]},
        {"rows": [row(), {"file": "a", "status": "ok"}]},
        {"rows": [row(), {"file": "a", "status": "ok", "n": {}}]},
        {"timeline": None},
        {"timeline": [1]},
        {"timeline": ["ab"]},
        {"timeline": [{"start_s": 1, "p": 1}]},
        {"timeline": [[0, 0.5], [1]]},
        {"timeline": [[0, 0.5], [1, []]]},
        {"timeline": [[0, 0.5, 1]]},
        {"file": None},
        {"file": ["a"]},
        {"origin": None},
        {"origin": {"fingerprint": 1, "recipe": "", "limits": []}},
        {"origin": {"fingerprint": "", "recipe": "", "limits": None}},
        {"origin": {"fingerprint": "10-20-ab", "recipe": "recipe", "limits": ["a", "b"]}},
        {"origin": {"fingerprint": "10-20-ab", "recipe": "recipe", "limits": [1]}},
    ],
)
def test_a_line_that_something_else_wrote_is_forgotten(tmp_path: Path, change: dict[str, object]) -> None:
    with Journal(tmp_path / "j", COLUMNS, SECONDS) as journal:
        journal.append("a", ORIGIN, [row()])
    header, line = (tmp_path / "j").read_bytes().splitlines()
    entry = {key: value for key, value in json.loads(line).items() if key != "crc32"} | change
    entry["crc32"] = zlib.crc32(json.dumps(entry).encode() + b"\n")
    (tmp_path / "j").write_bytes(header + b"\n" + json.dumps(entry).encode() + b"\n")
    with Journal(tmp_path / "j", COLUMNS, SECONDS) as journal:
        assert not journal.holds_good("a", ORIGIN)


def test_rows_of_other_columns_are_forgotten(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", COLUMNS) as journal:
        journal.append("a", ORIGIN, [row()])
    with Journal(tmp_path / "j", (*COLUMNS, "more")) as journal:
        assert not journal.holds("a")


def test_seconds_of_other_columns_are_forgotten(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", COLUMNS, SECONDS) as journal:
        journal.append("a", ORIGIN, [row()], [[0.0, 0.5]])
        journal.append("b", ORIGIN, [row()])
    with Journal(tmp_path / "j", COLUMNS, (*SECONDS, "more")) as journal:
        assert (journal.holds("a"), journal.holds("b")) == (False, True)


def test_the_status_of_a_file_is_that_of_its_first_row(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", COLUMNS) as journal:
        journal.append("a", ORIGIN, [row("partial"), row("ok")])
        assert journal.status("a") == "partial"
    with Journal(tmp_path / "j", COLUMNS) as journal:
        assert journal.status("a") == "partial"


def test_a_day_second_by_second_and_the_file_after_it_are_found_again(tmp_path: Path) -> None:
    day = [[float(second), 0.123456] for second in range(86_400)]
    with Journal(tmp_path / "j", COLUMNS, SECONDS) as journal:
        journal.append("a", ORIGIN, [row()], day)
        journal.append("b", ORIGIN, [row()])
    with Journal(tmp_path / "j", COLUMNS, SECONDS) as journal:
        assert journal.holds("b")
        assert sum(1 for _ in journal.timeline(["a", "b"])) == len(day)


def test_a_journal_that_is_moved_or_spoilt_while_it_is_in_use_is_said_to_be(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", COLUMNS) as journal:
        journal.append("a", ORIGIN, [row()])
        assert journal.is_in_place()
        (tmp_path / "j").rename(tmp_path / "k")
        (tmp_path / "j").touch()
        assert not journal.is_in_place()
        with pytest.raises(MercliError, match="was moved or removed"):
            journal.append("b", ORIGIN, [row()])
    with Journal(tmp_path / "k", COLUMNS) as journal:
        os.truncate(tmp_path / "k", 100)
        with pytest.raises(MercliError, match="was changed by something else"):
            list(journal.rows(["a"]))


def test_what_was_made_or_found_to_hold_is_counted(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", COLUMNS) as journal:
        journal.append("a", ORIGIN, [row()])
        journal.append("b", ORIGIN, [row()])
    with Journal(tmp_path / "j", COLUMNS) as journal:
        assert journal.n_good == 0
        journal.holds_good("a", ORIGIN)
        journal.holds_good("b", Origin("other", "recipe"))
        journal.append("c", ORIGIN, [row()])
        assert journal.n_good == 2


def test_to_overwrite_forgets_what_was_kept(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", COLUMNS) as journal:
        journal.append("a", ORIGIN, [row()])
    with Journal(tmp_path / "j", COLUMNS, overwrite=True) as journal:
        assert not journal.holds("a")
    with Journal(tmp_path / "j", COLUMNS) as journal:
        assert not journal.holds("a")


@pytest.mark.parametrize("overwrite", [False, True])
def test_one_run_at_a_time(tmp_path: Path, overwrite: bool) -> None:
    with Journal(tmp_path / "j", COLUMNS) as journal:
        journal.append("a", ORIGIN, [row()])
        with pytest.raises(UsageError, match="another run is writing there"):
            Journal(tmp_path / "j", COLUMNS, overwrite=overwrite)
    with Journal(tmp_path / "j", COLUMNS) as journal:
        assert journal.holds("a")


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from mercli.journal import Journal;"
        "journal = Journal(Path(sys.argv[1]), ()); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "j")], check=False)
    Journal(tmp_path / "j", COLUMNS).close()


@pytest.mark.parametrize(
    "content",
    [b"hello\n", b"{}\n", b'{"format": "other"}\n', b"\x89PNG\r\n\x1a\n", b"[1]\n" * 3, b"\n\n", b"x" * 3_000_000],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes, overwrite: bool) -> None:
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(UsageError, match="is not a journal of mercli"):
        Journal(tmp_path / "j", COLUMNS, overwrite=overwrite)
    assert (tmp_path / "j").read_bytes() == content


@pytest.mark.parametrize("version", [1, 3])
def test_the_journal_of_another_version_is_refused(tmp_path: Path, version: int) -> None:
    (tmp_path / "j").write_text(json.dumps({"format": "mercli-journal", "format_version": version}) + "\n")
    with pytest.raises(UsageError, match="another version"):
        Journal(tmp_path / "j", COLUMNS)


@pytest.mark.parametrize("kind", ["folder", "pipe", "absent folder", "long name"])
def test_a_place_that_takes_no_journal_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "j"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "absent folder":
        path = tmp_path / "absent" / "j"
    else:
        path = tmp_path / ("n" * 300)
    with pytest.raises(UsageError, match=path.name[:20]):
        Journal(path, COLUMNS)


def test_a_nameless_journal_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Journal(None, COLUMNS) as journal:
        journal.append("a", ORIGIN, [row()])
        assert next(iter(journal.rows(["a"]))) == row()
    assert list(tmp_path.iterdir()) == []


# Fingerprints


def test_a_fingerprint_tells_states_of_a_file_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(1_000_000))
    os.utime(path, ns=(5, 5))
    before = fingerprint(path)
    assert before == fingerprint(path)
    for at in (0, 500_000, 999_999):  # the beginning, the middle, the end
        data = bytearray(1_000_000)
        data[at] = 1
        path.write_bytes(data)
        os.utime(path, ns=(5, 5))
        assert fingerprint(path) != before
    path.write_bytes(bytes(1_000_001))
    os.utime(path, ns=(5, 5))
    assert fingerprint(path) != before
    path.write_bytes(bytes(1_000_000))
    os.utime(path, ns=(6, 6))
    assert fingerprint(path) != before


def test_what_cannot_be_read_has_no_fingerprint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "absent", tmp_path / "pipe", tmp_path / "loop", Path("n" * 5000)):
        assert fingerprint(path) is None
    (tmp_path / "empty").touch()
    assert fingerprint(tmp_path / "empty") is not None


def test_a_journal_that_may_lag_holds_every_file_even_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    confirmed: list[int] = []
    fsync = os.fsync

    def count(descriptor: int) -> None:
        confirmed.append(descriptor)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", count)
    path = tmp_path / "journal"
    with Journal(path, ["status"], lag_s=3600) as journal:
        before = len(confirmed)
        for i in range(20):
            journal.append(f"{i}", Origin("1", "recipe"), [{"status": "ok"}])
        assert len(confirmed) == before, "the disk need not confirm each"
        assert path.read_bytes().count(b"\n") == 21, "and each is written: a process that is killed costs none"
    assert len(confirmed) == before + 1
    with Journal(path, ["status"]) as journal:
        assert all(journal.holds(f"{i}") for i in range(20))
