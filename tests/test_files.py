"""Files are written whole or not at all."""

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mercli.errors import UsageError
from mercli.files import (
    refuse_unwritable,
    refuse_unwritable_folder,
    replaced_file,
    replaced_folder,
    scratch_folder,
    sha256,
)


def entries(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def said_to_anyone(check: str, path: Path) -> str:
    """What the UsageError of a check says to a user who may not write everywhere."""
    code = (
        f"import os, pathlib, sys; from mercli.errors import UsageError; from mercli.files import {check}\n"
        "os.geteuid() or os.setuid(65534)\n"
        f"try: {check}(pathlib.Path(sys.argv[1]))\n"
        "except UsageError as error: print(error)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, check=True, text=True, timeout=60
    ).stdout


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every user may look into: pytest's own are closed to others."""
    if not hasattr(os, "setuid"):
        pytest.skip("this system has no such rights")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


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


@pytest.mark.parametrize("mode", [0o555, 0])
def test_a_folder_without_the_right_to_write_is_refused_before_the_work(reachable: Path, mode: int) -> None:
    (reachable / "closed").mkdir()
    (reachable / "closed").chmod(mode)
    out = reachable / "closed" / "out.csv"
    assert (
        said_to_anyone("refuse_unwritable", out)
        == f"cannot write {out}: Permission denied; choose another place with -o\n"
    )


def test_what_is_no_regular_file_is_refused_before_the_work_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the address of a socket must be short
    os.mkfifo(tmp_path / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listener:
        (tmp_path / "device.csv").symlink_to("/dev/null")
        listener.bind("socket.csv")
    for name in ("device.csv", "pipe.csv", "socket.csv"):
        with pytest.raises(UsageError, match=rf"cannot write .*{name}: it is not a regular file"):
            refuse_unwritable(tmp_path / name)
        with pytest.raises(UsageError, match="not a regular file"), replaced_file(tmp_path / name):
            pass
    assert entries(tmp_path) == ["device.csv", "pipe.csv", "socket.csv"]


def test_a_link_stays_and_the_file_behind_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "real.csv").write_text("old")
    (tmp_path / "near.csv").symlink_to("far/link.csv")
    (tmp_path / "far" / "link.csv").symlink_to("real.csv")
    refuse_unwritable(tmp_path / "near.csv")
    with replaced_file(tmp_path / "near.csv") as part:
        assert part.parent == tmp_path / "far"
        part.write_text("new")
    assert (tmp_path / "near.csv").readlink() == Path("far/link.csv")
    assert (tmp_path / "far" / "link.csv").readlink() == Path("real.csv")
    assert (tmp_path / "far" / "real.csv").read_text() == "new"
    assert entries(tmp_path / "far") == ["link.csv", "real.csv"]


def test_a_link_that_leads_nowhere_yet_leads_to_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("real.csv")
    refuse_unwritable(tmp_path / "link.csv")
    with replaced_file(tmp_path / "link.csv") as part:
        part.write_text("new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "new"
    assert entries(tmp_path) == ["link.csv", "real.csv"]


def test_a_link_to_where_nothing_can_be_written_is_refused_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "lost.csv").symlink_to("absent/real.csv")
    for name in ("loop.csv", "lost.csv"):
        with pytest.raises(UsageError, match=rf"cannot write .*{name}: .*-o"):
            refuse_unwritable(tmp_path / name)
        with pytest.raises(UsageError, match=rf"cannot write .*{name}: "), replaced_file(tmp_path / name):
            pass
    assert entries(tmp_path) == ["loop.csv", "lost.csv"]


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


@pytest.mark.parametrize("name", ["x" * 255, "日" * 85, "b" * 240 + ".v1"])
def test_a_folder_may_have_the_longest_name_there_is(tmp_path: Path, name: str) -> None:
    for content in ("old", "new"):
        refuse_unwritable_folder(tmp_path / name)
        with replaced_folder(tmp_path / name) as part:
            (part / content).touch()
        assert entries(tmp_path / name) == [content]
        assert entries(tmp_path) == [name]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), OSError(5, "Input/output error")])
def test_what_comes_between_the_two_moves_does_not_cost_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    rename = Path.rename

    def fail_between(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            assert not (tmp_path / "bundle").exists()
            raise error
        return rename(self, target)

    def replace_it() -> None:
        with replaced_folder(tmp_path / "bundle") as part:
            (part / "new").touch()

    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "old").touch()
    monkeypatch.setattr(Path, "rename", fail_between)
    with pytest.raises(UsageError if isinstance(error, OSError) else type(error)):
        replace_it()
    assert entries(tmp_path / "bundle") == ["old"]
    assert entries(tmp_path) == ["bundle"]


def test_an_old_folder_that_cannot_be_put_back_is_kept_and_said_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def be_overtaken(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            (tmp_path / "bundle").mkdir()
            (tmp_path / "bundle" / "another's").touch()
        return rename(self, target)

    def replace_it() -> None:
        with replaced_folder(tmp_path / "bundle") as part:
            (part / "new").touch()

    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "old").touch()
    monkeypatch.setattr(Path, "rename", be_overtaken)
    with pytest.raises(UsageError, match=r"what stood there is now .*\.old$") as caught:
        replace_it()
    assert entries(tmp_path / "bundle") == ["another's"]
    assert entries(Path(str(caught.value).rpartition(" is now ")[2])) == ["old"]


@pytest.mark.parametrize("name", ["bundle", "a/b/c", "x" * 255, "a/" + "x" * 255, "link", "there", "there/bundle"])
def test_a_place_that_passes_the_check_takes_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to("nowhere yet/bundle")
    (tmp_path / "there").mkdir()
    refuse_unwritable_folder(tmp_path / name)
    assert entries(tmp_path) == ["link", "there"]
    assert entries(tmp_path / "there") == []
    with replaced_folder((tmp_path / name).resolve()) as part:
        (part / "new").touch()
    assert entries(tmp_path / name) == ["new"]


_IN_PROC = pytest.param("/proc/x", marks=pytest.mark.skipif(sys.platform != "linux", reason="needs /proc"))


@pytest.mark.parametrize(
    "name", ["x" * 256, "日" * 86, "a/" + "x" * 256 + "/b", "x/" * 3000, "loop", "loop/b", "file/b", _IN_PROC]
)
def test_a_place_that_takes_no_folder_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match=r"^cannot write .*; choose another place with -o$"):
        refuse_unwritable_folder(tmp_path / name)
    assert entries(tmp_path) == ["file", "loop"]


@pytest.mark.parametrize("mode", [0o555, 0o444, 0])
@pytest.mark.parametrize("name", ["bundle", "a/bundle"])
def test_a_place_without_the_right_to_write_takes_no_folder(reachable: Path, name: str, mode: int) -> None:
    closed = reachable / "closed"
    closed.mkdir()
    closed.chmod(mode)
    assert said_to_anyone("refuse_unwritable_folder", closed / name) == (
        f"cannot write {closed / name}: {closed} takes no new folder (Permission denied); "
        "choose another place with -o\n"
    )


# A folder for what is on its way to a file


def test_a_scratch_folder_is_hidden_beside_its_file_and_gone_afterwards(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "out.csv") as folder:
        (folder / "part").write_text("x")
        assert folder.parent == tmp_path
        assert folder.name.startswith(".out.csv.")
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_folder_lies_beside_the_file_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "there" / "out.csv")
    with scratch_folder(tmp_path / "link.csv") as folder:
        assert folder.parent == tmp_path / "there"


def test_a_scratch_folder_for_no_file_lies_where_temporary_files_do() -> None:
    with scratch_folder(None) as folder:
        assert folder.parent == Path(tempfile.gettempdir())
    assert not folder.exists()


def test_a_scratch_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"), scratch_folder(tmp_path / "absent" / "out.csv"):
        pass
