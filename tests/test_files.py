"""Files are written whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from mercli.errors import UsageError
from mercli.files import refuse_unwritable, replaced_file, replaced_folder, sha256


def entries(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_hash_is_sha_256_in_hexadecimal() -> None:
    # FIPS 180-2, B.1
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_stands_only_when_it_is_whole(tmp_path: Path) -> None:
    with replaced_file(tmp_path / "out.csv") as part:
        part.write_text("half")
        assert not (tmp_path / "out.csv").exists()
        assert part.parent == tmp_path
        inode = part.stat().st_ino
    assert (tmp_path / "out.csv").stat().st_ino == inode  # moved in one step, not copied
    assert (tmp_path / "out.csv").read_text() == "half"
    assert entries(tmp_path) == ["out.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_what_goes_wrong_midway_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    def write_half() -> None:
        with replaced_file(tmp_path / "out.csv") as part:
            part.write_text("ne")
            raise error

    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(error):
        write_half()
    assert (tmp_path / "out.csv").read_text() == "old"
    assert entries(tmp_path) == ["out.csv"]


def test_a_written_file_may_be_read_by_those_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replaced_file(tmp_path / "out.csv") as part:
            part.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    "name", ["absent/out.csv", "file/out.csv", "folder", "x" * 300 + ".csv", "file/sub/out.csv"]
)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=r"cannot write .*-o"):
        refuse_unwritable(tmp_path / name)
    assert entries(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write_is_refused_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(UsageError, match="cannot write"):
            refuse_unwritable(tmp_path / "out.csv")
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize("name", ["out.csv", "x" * 251 + ".csv", "日" * 80 + ".csv", "-o.csv"])
def test_a_place_that_passes_the_check_can_be_written(tmp_path: Path, name: str) -> None:
    refuse_unwritable(tmp_path / name)
    assert entries(tmp_path) == []
    with replaced_file(tmp_path / name) as part:
        part.write_text("x")
    assert entries(tmp_path) == [name]
    refuse_unwritable(tmp_path / name)
    assert (tmp_path / name).read_text() == "x"


def test_an_output_in_the_folder_one_stands_in_is_written_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refuse_unwritable(Path("out.csv"))
    with replaced_file(Path("out.csv")) as part:
        part.write_text("x")
    assert entries(tmp_path) == ["out.csv"]


def test_a_folder_stands_only_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "old").touch()
    with replaced_folder(tmp_path / "bundle") as part:
        (part / "new").touch()
        assert entries(tmp_path / "bundle") == ["old"]
    assert entries(tmp_path / "bundle") == ["new"]
    assert entries(tmp_path) == ["bundle"]


def test_a_folder_that_fails_midway_leaves_what_was_there(tmp_path: Path) -> None:
    def fill_half() -> None:
        with replaced_folder(tmp_path / "bundle") as part:
            (part / "new").touch()
            raise RuntimeError

    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "old").touch()
    with pytest.raises(RuntimeError):
        fill_half()
    assert entries(tmp_path / "bundle") == ["old"]
    assert entries(tmp_path) == ["bundle"]


def test_a_folder_does_not_replace_a_file(tmp_path: Path) -> None:
    (tmp_path / "bundle").touch()
    with pytest.raises(UsageError, match="in the way"), replaced_folder(tmp_path / "bundle"):
        pass
