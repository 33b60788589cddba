"""The table: its columns and their order, and three formats that say the same."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mercli.emotions import ALL, FER2013
from mercli.errors import UsageError
from mercli.evidence import Evidence
from mercli.face.frames import FaceFrames
from mercli.result import Result, Timeline
from mercli.tables import Row, columns, is_table, row, seconds, timeline_columns, write, write_csv, writer_for
from mercli.tables import rows as rows_of

SCHEMA = columns(FER2013)


def posterior(*weights: float) -> np.ndarray:
    values = np.array(weights, np.float64)
    return values / values.sum()


def rows() -> list[Row]:
    seen = Evidence(duration_s=3.2366, n_frames=36, n_face_frames=12)
    both = Result(
        "ok",
        seen,
        fused=posterior(1, 2, 3, 9, 5, 6, 7),
        voice=posterior(9, 2, 3, 4, 5, 6, 7),
        face=posterior(1, 2, 3, 4, 5, 6, 70),
    )
    heard = Result(
        "partial",
        Evidence(duration_s=1.0),
        fused=posterior(0, 0, 0, 1, 0, 0, 0),
        voice=posterior(0, 0, 0, 1, 0, 0, 0),
        error="the file has no picture",
    )
    blank = Result("failed", Evidence(duration_s=2.0, n_frames=20, n_face_frames=0), error='odd, "quoted"\nreason')
    broken = Result("failed", Evidence(), error="not a media file that can be read")
    names = ("day 1/ü.mp4", "two\nlines, and a comma.wav", "1+1.mp4", "last.mp4")
    return [
        row(name, result, FER2013, "mercli-base@0123456789ab")
        for name, result in zip(names, (both, heard, blank, broken), strict=True)
    ]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def typed(cells: dict[str, str]) -> dict[str, object]:
    return {name: SCHEMA[name](cell) if cell else None for name, cell in cells.items()}


def test_the_columns_and_their_order_are_those_promised() -> None:
    assert list(SCHEMA) == [
        *("file", "status", "emotion", "confidence", "decided_by", "face"),
        *("p_angry", "p_disgust", "p_fear", "p_happy", "p_sad", "p_surprise", "p_neutral"),
        "voice_emotion",
        *(f"voice_p_{name}" for name in ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")),
        "face_emotion",
        *(f"face_p_{name}" for name in ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")),
        *("duration_s", "n_frames", "n_face_frames", "face_coverage", "error", "bundle"),
    ]


def test_a_bundle_with_calm_has_its_columns_at_the_end_of_each_group() -> None:
    assert [name for name in columns(ALL) if name.endswith("calm")] == ["p_calm", "voice_p_calm", "face_p_calm"]
    assert list(columns(ALL)).index("p_calm") == list(columns(ALL)).index("p_neutral") + 1


def test_every_row_has_every_column_in_order() -> None:
    for line in rows():
        assert list(line) == list(SCHEMA)


def test_probabilities_sum_to_one_and_the_emotion_is_the_likeliest() -> None:
    line = rows()[0]
    for prefix, named in (("p_", "emotion"), ("voice_p_", "voice_emotion"), ("face_p_", "face_emotion")):
        values = {name: float(str(line[prefix + name])) for name in FER2013}
        assert math.fsum(values.values()) == pytest.approx(1.0, abs=1e-5)
        assert line[named] == max(values, key=values.__getitem__)
    assert (line["emotion"], line["voice_emotion"], line["face_emotion"]) == ("happy", "angry", "neutral")
    assert line["confidence"] == line["p_happy"]


def test_what_is_unknown_is_missing_and_not_zero() -> None:
    _, heard, blank, broken = rows()
    assert [heard[name] for name in ("n_frames", "n_face_frames", "face_coverage", "face_emotion")] == [None] * 4
    assert all(heard[f"face_p_{name}"] is None for name in FER2013)
    assert heard["p_angry"] == 0.0
    assert [blank[name] for name in ("n_frames", "n_face_frames", "face_coverage")] == [20, 0, 0.0]
    known = {name for name, value in broken.items() if value is not None}
    assert known == {"file", "status", "error", "bundle"}


def test_no_frame_at_all_has_no_coverage() -> None:
    line = row("a", Result("failed", Evidence(n_frames=0, n_face_frames=0)), FER2013, "b")
    assert (line["n_frames"], line["n_face_frames"], line["face_coverage"]) == (0, 0, None)


def test_coverage_is_the_share_of_frames_with_a_face() -> None:
    assert rows()[0]["face_coverage"] == pytest.approx(12 / 36, abs=1e-6)


def test_csv_has_one_header_unix_line_ends_and_empty_cells_for_missing_values(tmp_path: Path) -> None:
    write(tmp_path / "out.csv", rows(), SCHEMA)
    data = (tmp_path / "out.csv").read_bytes()
    assert data.startswith(b"file,status,emotion,confidence,decided_by,face,p_angry,")
    assert b"\r" not in data
    assert data.endswith(b"\n")
    cells = read_csv(tmp_path / "out.csv")
    assert len(cells) == 4
    assert [name for name, cell in cells[3].items() if cell] == ["file", "status", "error", "bundle"]


@pytest.mark.parametrize("ending", [".csv", ".CSV"])
def test_csv_reads_back_as_what_was_written(tmp_path: Path, ending: str) -> None:
    write(tmp_path / f"out{ending}", rows(), SCHEMA)
    assert [typed(cells) for cells in read_csv(tmp_path / f"out{ending}")] == rows()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\ta", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20a"])
def test_a_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe_in_csv_only(
    tmp_path: Path, text: str
) -> None:
    table = [dict(rows()[0], error=text)]
    write(tmp_path / "out.csv", table, SCHEMA)
    assert read_csv(tmp_path / "out.csv")[0]["error"] == f"'{text}"
    write(tmp_path / "out.jsonl", table, SCHEMA)
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))["error"] == text


def test_a_carriage_return_does_not_break_a_line_of_csv(tmp_path: Path) -> None:
    write(tmp_path / "out.csv", [dict(rows()[0], error="a\rb")], SCHEMA)
    assert [cells["error"] for cells in read_csv(tmp_path / "out.csv")] == ["a b"]


def test_csv_to_an_open_file_is_the_same(tmp_path: Path) -> None:
    write(tmp_path / "out.csv", rows(), SCHEMA)
    file = io.StringIO(newline="")
    write_csv(file, rows(), SCHEMA)
    assert file.getvalue().encode() == (tmp_path / "out.csv").read_bytes()


def test_json_lines_and_parquet_hold_the_same_values(tmp_path: Path) -> None:
    write(tmp_path / "out.jsonl", rows(), SCHEMA)
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == rows()
    assert [list(json.loads(line)) for line in lines] == [list(SCHEMA)] * 4
    write(tmp_path / "out.parquet", rows(), SCHEMA)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == list(SCHEMA)
    assert table.to_pylist() == rows()


def test_parquet_columns_have_their_types_even_where_nothing_is_known(tmp_path: Path) -> None:
    write(tmp_path / "out.parquet", rows()[3:], SCHEMA)
    types = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "out.parquet")}
    assert types["face_emotion"] in ("string", "large_string")
    assert (types["p_happy"], types["n_frames"]) == ("double", "int64")


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_table_without_rows_is_still_a_table(tmp_path: Path, ending: str) -> None:
    write(tmp_path / f"out{ending}", [], SCHEMA)
    if ending == ".parquet":
        assert pq.read_table(tmp_path / "out.parquet").column_names == list(SCHEMA)
    else:
        assert (tmp_path / f"out{ending}").exists()


@pytest.mark.parametrize("name", ["out", "out.xlsx", "out.csv.gz", "csv", ".csv", "out."])
def test_another_ending_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match=r"\.csv, \.parquet or \.jsonl"):
        writer_for(Path(name))


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_table_that_fails_midway_leaves_nothing(tmp_path: Path, ending: str) -> None:
    def lines():
        yield rows()[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(tmp_path / f"out{ending}", lines(), SCHEMA)
    assert list(tmp_path.iterdir()) == []


# A face a row


def face(n_frames: int, track: int) -> FaceFrames:
    return FaceFrames(
        np.arange(n_frames) / 10,
        np.zeros((n_frames, 4), np.float32),
        np.full((n_frames, 7), 1 / 7, np.float32),
        np.empty((n_frames, 0), np.float32),
        track,
    )


def test_the_main_face_comes_first_and_every_other_has_a_row_of_its_own() -> None:
    others = tuple(
        Result("ok", Evidence(None, face(n, track), 2.0, 20, n), p, None, p)
        for n, track, p in ((5, 1, posterior(*range(1, 8))), (10, 4, posterior(*range(7, 0, -1))))
    )
    main = Result(
        "partial",
        Evidence(None, face(20, 2), 2.0, 20, 20),
        posterior(*range(7)),
        None,
        posterior(*range(7)),
        error="the sound is silent",
        others=others,
    )
    lines = rows_of("a.mp4", main, FER2013, "bundle")
    assert lines == [row("a.mp4", said, FER2013, "bundle") for said in (main, *others)]
    assert [(line["file"], line["face"], line["status"], line["n_face_frames"]) for line in lines] == [
        ("a.mp4", 2, "partial", 20),
        ("a.mp4", 1, "ok", 5),
        ("a.mp4", 4, "ok", 10),
    ]
    assert [line["face_coverage"] for line in lines] == [1.0, 0.25, 0.5]


def test_where_no_face_was_seen_the_row_names_none() -> None:
    assert [line["face"] for line in rows()] == [None] * 4


def test_what_decided_is_named_where_there_is_an_answer() -> None:
    assert [line["decided_by"] for line in rows()] == ["voice", "voice", None, None]


# The timeline


def timeline(n: int = 3) -> Timeline:
    said = np.random.default_rng(0).dirichlet(np.ones(7), (3, n))
    said[1, 0] = said[2, 1] = said[:, 2] = np.nan
    return Timeline(np.arange(n).astype(float), np.minimum(np.arange(1.0, n + 1), n - 0.5), *said)


def test_the_columns_of_a_timeline_are_those_promised() -> None:
    assert list(timeline_columns(("angry", "sad"))) == [
        *("file", "start_s", "end_s"),
        *("p_angry", "p_sad", "voice_angry", "voice_sad", "face_angry", "face_sad"),
    ]
    assert set(timeline_columns(FER2013).values()) == {str, float}


def test_a_second_has_a_cell_for_every_column_but_the_file_and_nothing_where_nothing_was_said() -> None:
    said = timeline()
    cells = seconds(said)
    names = list(timeline_columns(FER2013))[1:]
    lines = [dict(zip(names, line, strict=True)) for line in cells]
    assert [(line["start_s"], line["end_s"]) for line in lines] == [(0.0, 1.0), (1.0, 2.0), (2.0, 2.5)]
    for of, values in (("p", said.fused), ("voice", said.voice), ("face", said.face)):
        for line, posteriors in zip(lines, values, strict=True):
            told = [line[f"{of}_{name}"] for name in FER2013]
            expected = [None if np.isnan(p) else round(float(p), 6) for p in posteriors]
            assert told == expected
    assert json.loads(json.dumps(cells, allow_nan=False)) == cells
    assert seconds(None) == []


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_table_and_a_timeline_are_told_apart_and_from_what_is_neither(tmp_path: Path, ending: str) -> None:
    of_seconds = timeline_columns(FER2013)
    lines = [dict(zip(of_seconds, ("a.mp4", *cells), strict=True)) for cells in seconds(timeline())]
    table, over_time, other = (tmp_path / f"{name}{ending}" for name in ("table", "timeline", "other"))
    write(table, rows(), SCHEMA)
    write(over_time, lines, of_seconds)
    write(other, [{"file": "a", "start": 1.0}], {"file": str, "start": float})
    assert [is_table(path, columns(())) for path in (table, over_time, other)] == [True, False, False]
    assert [is_table(path, timeline_columns(())) for path in (table, over_time, other)] == [False, True, False]
    other.write_bytes(b"")
    assert is_table(other, timeline_columns(()))
    for content in (b"[1, 2, 3]\n", b"1\n", b"\xff\xfe\n", b'{"file": "a"', b"[" * 100_000):
        other.write_bytes(content)
        assert not is_table(other, timeline_columns(()))


def test_a_long_table_is_written_to_parquet_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mercli.tables._GROUP_ROWS", 3)
    lines = [dict(rows()[0], n_frames=i) for i in range(7)]
    write(tmp_path / "out.parquet", lines, SCHEMA)
    assert pq.read_metadata(tmp_path / "out.parquet").num_row_groups == 3
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == lines
