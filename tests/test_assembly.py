"""Long tables, put together from parts."""

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mercli import assembly
from mercli.assembly import Layout, Rows, assembly_for, columns_of
from mercli.errors import UsageError

LAYOUT = Layout(("file", "error"), ("start_s",), ("a", "b, c"))
ENDINGS = (".csv", ".parquet")


def pieces(part: int) -> Iterator[Rows]:
    """Part 0 has no rows, part n has n pieces of n rows."""
    draw = np.random.default_rng(part)
    for i in range(part):
        times_s = (part * i + np.arange(part))[:, np.newaxis] / 10
        yield times_s, draw.standard_normal((part, 2)).astype(np.float32) * np.float32(10.0 ** (i - 3))


def write(folder: Path, ending: str, n_parts: int, layout: Layout = LAYOUT) -> Path:
    kind = assembly_for(Path(f"x{ending}"))
    table = kind(folder / f"table{ending}", layout)
    for i in range(n_parts):
        kind.write_part(folder / "part", pieces(i), layout)
        table.add((f"{i}.wav", None if i % 2 else "=a\rb\n"), folder / "part")
    table.close()
    return folder / f"table{ending}"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("group_cells", "most_batches"), [(1 << 22, 256), (60, 256), (1 << 22, 3), (60, 3)])
def test_the_rows_of_all_parts_are_there_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, group_cells: int, most_batches: int
) -> None:
    monkeypatch.setattr(assembly, "_GROUP_CELLS", group_cells)
    monkeypatch.setattr(assembly, "_MOST_BATCHES", most_batches)
    path = write(tmp_path, ending, 6)
    expected = [
        [f"{part}.wav", None if part % 2 else "=a\rb\n", *map(float, times_s), *values.tolist()]
        for part in range(6)
        for rows in pieces(part)
        for times_s, values in zip(*rows, strict=True)
    ]
    if ending == ".parquet":
        assert (pq.ParquetFile(path).num_row_groups > 1) == (group_cells == 60)
        table = pq.read_table(path)
        assert [str(kind) for kind in table.schema.types] == ["string", "string", "double", "float", "float"]
        assert [list(row.values()) for row in table.to_pylist()] == expected
        return
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert header == list(LAYOUT.names)
    for line, row in zip(lines, expected, strict=True):
        # A formula is made harmless, and the end of a line that some readers see in a carriage return.
        assert line[:2] == [row[0], "" if row[1] is None else "'=a b\n"]
        assert [float(line[2]), *(float(np.float32(cell)) for cell in line[3:])] == row[2:]


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_no_number_is_a_missing_value(tmp_path: Path, ending: str) -> None:
    kind = assembly_for(Path(f"x{ending}"))
    table = kind(tmp_path / f"table{ending}", LAYOUT)
    rows = (np.array([[np.nan]]), np.array([[np.nan, 0.5]], np.float32))
    kind.write_part(tmp_path / "part", iter([rows]), LAYOUT)
    table.add(("a", None), tmp_path / "part")
    table.close()
    if ending == ".csv":
        assert (tmp_path / "table.csv").read_bytes() == b'file,error,start_s,a,"b, c"\na,,,,0.5\n'
    else:
        assert list(pq.read_table(tmp_path / "table.parquet").to_pylist()[0].values()) == [
            "a",
            None,
            None,
            None,
            0.5,
        ]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_without_rows_is_a_table_and_tells_its_columns(tmp_path: Path, ending: str) -> None:
    assert columns_of(write(tmp_path, ending, 1)) == LAYOUT.names


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_file_has_no_columns_and_what_is_no_table_has_none_to_tell(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    assert columns_of(path) is None
    path.write_bytes(b"")
    assert columns_of(path) == ()
    path.write_bytes(b"\xff\x00PAR1\n")
    assert columns_of(path) is None


def test_another_ending_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"end its name in \.csv or \.parquet"):
        assembly_for(Path("x.jsonl"))


SMALL = """
import sys
from pathlib import Path
import numpy as np
from mercli.assembly import Layout, assembly_for

path, layout = Path(sys.argv[1]), Layout(("file",), ("s",), tuple(map(str, range(140))))
kind = assembly_for(path)
kind.write_part(path.with_name("part"), [(np.ones((1, 1)), np.ones((1, 140), np.float32))], layout)
table = kind(path, layout)
for _ in range(int(sys.argv[2])):
    table.add(("a",), path.with_name("part"))
table.close()
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much is held")
def test_many_small_parts_need_no_more_memory_than_their_rows(tmp_path: Path) -> None:
    peaks = []
    for n in (10, 2500):
        command = [sys.executable, "-c", SMALL, str(tmp_path / "table.parquet"), str(n)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 30, f"{peaks[0]:.0f} MB, then {peaks[1]:.0f}"
