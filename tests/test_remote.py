"""Files behind URLs: listed, told apart, fetched with their transcripts, and gone afterwards."""

import functools
import http.server
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mercli import inputs, remote, sources, urls
from mercli.cli.continuing import saying_how_to_continue
from mercli.errors import MercliError, UsageError
from mercli.journal import Journal
from mercli.words import beside

pytest.importorskip("fsspec")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "clips"
    (place / "day 2").mkdir(parents=True)
    (place / "a.mp4").write_bytes(b"a")
    (place / "a.en.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    (place / "a.de.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHallo\n")
    (place / "a b.mp4").write_bytes(b"ab")
    (place / "day 2" / "a.mp4").write_bytes(b"a2")
    (place / "notes.txt").write_text("no clip")
    return place


def test_a_folder_is_walked_and_media_named_within_it(folder: Path) -> None:
    found = inputs.find([folder.as_uri()])
    assert [item.name for item in found] == ["a b.mp4", "a.mp4", "day 2/a.mp4"]
    (folder / ".trash").mkdir()
    (folder / ".trash" / "a.mp4").touch()
    (folder / "._a.mp4").touch()
    assert inputs.find([folder.as_uri()]) == found
    assert all(isinstance(item.path, remote.RemoteFile) for item in found)


def test_a_pattern_and_a_file_are_named_as_they_are(folder: Path) -> None:
    (item,) = inputs.find([f"{folder.as_uri()}/a.mp4"])
    assert item.name == f"{folder.as_uri()}/a.mp4"
    matched = inputs.find([f"file://{folder}/day*/*.mp4"])
    assert [item.name for item in matched] == [f"file://{folder}/day 2/a.mp4"]


def test_a_file_within_an_archive_is_read(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "clips.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(folder / "a.mp4", "in/a.mp4")
    (item,) = inputs.find([f"zip://in/*.mp4::file://{archive}"])
    with sources.local(item.path) as path:
        assert path.read_bytes() == b"a"
        assert path.suffix == ".mp4"


def test_what_is_fetched_has_its_transcript_beside_it_and_is_gone_afterwards(folder: Path) -> None:
    by_name = {item.name: item.path for item in inputs.find([folder.as_uri()])}
    assert beside.has(by_name["a.mp4"], "en")
    assert not beside.has(by_name["a b.mp4"], "en")
    assert not beside.has(by_name["day 2/a.mp4"], "en")
    with sources.local(by_name["a.mp4"]) as path:
        assert path.read_bytes() == b"a"
        assert beside.find(path, "en") is None, "it is fetched where words are wanted, and not before"
        assert beside.fetch(by_name["a.mp4"], path, "en") is None
        found = beside.find(path, "en")
        assert found is not None
        assert "Hello" in found.read_text()
    assert not path.parent.exists()


@pytest.mark.parametrize("what", ["a.mp4", "*.mp4"])
def test_a_file_and_a_pattern_find_the_transcript_too(what: str, folder: Path) -> None:
    by_name = {remote_name(item): item.path for item in inputs.find([f"file://{folder}/{what}"])}
    assert beside.has(by_name["a.mp4"], "en")


def remote_name(item: inputs.Input) -> str:
    assert isinstance(item.path, remote.RemoteFile)
    return item.path.name


def test_a_transcript_that_is_gone_or_too_long_costs_nothing_else(folder: Path, tmp_path: Path) -> None:
    (found,) = [item.path for item in inputs.find([folder.as_uri()]) if item.name == "a.mp4"]
    assert isinstance(found, remote.RemoteFile)
    (folder / "a.en.srt").unlink()
    with sources.local(found) as path:
        assert "the transcript a.en.srt cannot be fetched" in str(beside.fetch(found, path, "en"))
    long = replace(found, beside=tuple(replace(each, size_bytes=1 << 30) for each in found.beside))
    assert "is over 16 MB" in str(beside.fetch(long, tmp_path / "file.mp4", "en"))


def test_signs_of_the_web_are_letters_elsewhere(tmp_path: Path) -> None:
    names = ["t#1.mp4", "t#2.mp4", "g?h.mp4", "50%.mp4"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    found = {item.name: item.path for item in inputs.find([f"file://{tmp_path}"])}
    assert sorted(found) == sorted(names)
    for name, source in found.items():
        with sources.local(source) as path:
            assert path.read_bytes() == name.encode()


def test_names_from_the_web_are_as_people_read_them(folder: Path) -> None:
    pytest.importorskip("aiohttp")
    pages = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = inputs.find([f"http://127.0.0.1:{server.server_port}/"])
        assert [item.name for item in found] == ["a b.mp4", "a.mp4", "day 2/a.mp4"]
        with sources.local(found[2].path) as path:
            assert path.read_bytes() == b"a2"
        server.shutdown()


def test_a_name_that_fsspec_takes_apart_has_its_row(tmp_path: Path) -> None:
    (tmp_path / "m::n.mp4").write_bytes(b"")
    (item,) = inputs.find([f"file://{tmp_path}"])
    assert item.name == "m::n.mp4"
    with pytest.raises(MercliError), sources.local(item.path):
        pass


def test_a_pattern_walks_the_folders_that_it_matches(folder: Path) -> None:
    (folder / "day 2" / "notes.txt").touch()
    (folder / "day 2" / "._a.mp4").touch()
    local, there = inputs.find([f"{folder}/day*"]), inputs.find([f"file://{folder}/day*"])
    assert [item.name for item in there] == [item.name for item in local] == ["a.mp4"]


def test_urls_that_differ_in_secrets_only_are_told_apart_without_them() -> None:
    one, other = urls.distinct("https://h/a.mp4?sig=SECRET1"), urls.distinct("https://h/a.mp4?sig=SECRET2")
    assert one != other
    assert "SECRET" not in one + other
    assert urls.distinct("https://h/a.mp4") == "https://h/a.mp4"


@pytest.mark.parametrize(
    "url", ["http://me:SECRET@127.0.0.1:9/a.mp4?k=SECRET", "zip://*::http://me:SECRET@127.0.0.1:9/x.zip"]
)
def test_what_goes_wrong_tells_no_secret(url: str) -> None:
    pytest.importorskip("aiohttp")
    with pytest.raises(UsageError, match="cannot read") as refused:
        inputs.find([url])
    assert "SECRET" not in str(refused.value)


def test_a_file_and_its_transcript_change_their_state(folder: Path) -> None:
    def states() -> tuple[str | None, str]:
        path = {item.name: item.path for item in inputs.find([folder.as_uri()])}["a.mp4"]
        return sources.state_of(path), beside.state(path, "en")

    before = states()
    assert before == states()
    assert before[0] is not None
    os.utime(folder / "a.en.srt", (1, 1))
    middle = states()
    assert middle[0] == before[0]
    assert middle[1] != before[1]
    (folder / "a.mp4").write_bytes(b"another")
    assert states()[0] != before[0]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///nowhere/at/all", "nothing is there"),
        ("nosuch://bucket/a.mp4", "nosuch"),
        ("zip://a.mp4::file:///nowhere.zip", "nothing is there"),
    ],
)
def test_what_cannot_be_listed_is_said_in_a_sentence(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        inputs.find([url])


def test_what_cannot_be_fetched_is_said_as_a_phrase(folder: Path) -> None:
    (item,) = inputs.find([f"{folder.as_uri()}/a.mp4"])
    (folder / "a.mp4").unlink()
    with pytest.raises(MercliError, match="nothing is there"), sources.local(item.path):
        pass
    assert not list(Path(tempfile.gettempdir()).glob(f"mercli-fetched-{os.getpid()}-*"))


HOLD = """
import sys
from mercli import remote
with remote._scratch() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_fetched_is_swept_up_and_what_another_fetches_is_not(folder: Path) -> None:
    (item,) = inputs.find([f"{folder.as_uri()}/a.mp4"])
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().decode().strip())
        os.utime(held, (0, 0))
        with sources.local(item.path):
            assert held.exists()
        process.kill()
    os.utime(held, (0, 0))
    with sources.local(item.path):
        assert not held.exists()


def test_no_room_to_fetch_to_is_said_as_a_phrase(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (item,) = inputs.find([f"{folder.as_uri()}/a.mp4"])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(MercliError, match=r"cannot fetch it to .*gone: No such file"), sources.local(item.path):
        pass


def test_without_fsspec_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(UsageError, match=r'python -m pip install "mercli\[urls\]"'):
        inputs.find(["s3://bucket/clips"])


def test_secrets_are_in_no_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "find", lambda *_, **__: [])
    with pytest.raises(UsageError, match=r"no video or sound file in http://host/a/, clips\?$"):
        inputs.find_some(["http://me:SECRET@host/a/?sig=SECRET", "clips?"])
    monkeypatch.setattr(sys, "argv", ["mercli", "predict", "http://me:SECRET@host/a.mp4", "-o", "a.csv"])
    with (
        Journal(folder / "journal", ["status"]) as journal,
        pytest.raises(KeyboardInterrupt) as ended,
        saying_how_to_continue(3, journal),
    ):
        raise KeyboardInterrupt
    assert str(ended.value).endswith("To continue: the same command")


def test_secrets_are_in_no_name() -> None:
    assert urls.shown("HTTPS://me:word@host/a.mp4?token=1") == "HTTPS://host/a.mp4"
    assert urls.shown("abfs://clips@account.dfs.core.windows.net/a.mp4?sig=1") == (
        "abfs://account.dfs.core.windows.net/a.mp4"
    )
    assert urls.shown("clips/what?.mp4") == "clips/what?.mp4"
    assert urls.shown("https://me:word@host/a.mp4?token=1#x") == "https://host/a.mp4"
    assert urls.shown("zip://a.mp4::https://me:word@host/x.zip?t=1") == "zip://a.mp4::https://host/x.zip"


@given(st.text() | st.text("htp:/[]@?#*%", max_size=12).map("http://{}".format))
@example("http://[")
def test_any_text_is_a_url_or_none(text: str) -> None:
    if urls.is_url(text):
        assert ":" in text
        assert not urls.shown(text).startswith("http") or "?" not in urls.shown(text)
        remote.RemoteFile(text).name  # noqa: B018


def test_a_folder_whose_name_looks_like_a_url_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s3:" / "clips").mkdir(parents=True)
    (tmp_path / "s3:" / "clips" / "a.mp4").write_bytes(b"a")
    monkeypatch.chdir(tmp_path)
    (item,) = inputs.find(["s3://clips"])
    assert isinstance(item.path, Path)
