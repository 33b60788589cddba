"""Which files a path stands for, and what they are called in the table."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mercli.errors import UsageError
from mercli.inputs import find


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(*paths: str) -> list[str]:
    return [item.name for item in find(paths)]


def names_for_anyone(folder: Path, *paths: str) -> list[str]:
    """What `names` gives a user who may not do everything, and who does not wait for ever."""
    code = (
        "import json, os, sys; from mercli.inputs import find; os.geteuid() or os.setuid(65534); "
        "print(json.dumps([item.name for item in find(sys.argv[1:])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *paths], cwd=folder, capture_output=True, check=True, timeout=60
    )
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every user may look into: pytest's own are closed to others."""
    if not hasattr(os, "setuid"):
        pytest.skip("this system has no such rights")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_walked_and_its_files_are_named_relative_to_it(here: Path) -> None:
    touch(here / "videos", "b.mp4", "a.mp4", "day 2/a.mp4", "day 2/deep/er/c.wav")
    expected = ["a.mp4", "b.mp4", "day 2/a.mp4", "day 2/deep/er/c.wav"]
    assert names("videos") == expected
    assert names("videos/") == expected
    assert names(str(here / "videos")) == expected
    assert names("./videos/../videos") == expected


def test_paths_lead_to_the_files(here: Path) -> None:
    touch(here / "videos", "a.mp4", "b/c.mp4")
    assert [item.path.resolve() for item in find(["videos"])] == [here / "videos/a.mp4", here / "videos/b/c.mp4"]


def test_the_order_does_not_depend_on_the_file_system(here: Path) -> None:
    touch(here / "v", *(f"{i:02}.mp4" for i in reversed(range(20))), "B.mp4", "a.mp4")
    assert names("v") == [*(f"{i:02}.mp4" for i in range(20)), "B.mp4", "a.mp4"]


def test_only_media_are_taken_from_a_folder_whatever_the_case_of_their_ending(here: Path) -> None:
    touch(here / "v", "a.MP4", "b.Wav", "c.txt", "d", "e.csv", "f.jpg", "mp4")
    assert names("v") == ["a.MP4", "b.Wav"]


def test_hidden_files_and_folders_are_left_out(here: Path) -> None:
    touch(here / "v", "a.mp4", ".b.mp4", "._a.mp4", ".git/c.mp4", "d/.e/f.mp4")
    assert names("v") == ["a.mp4"]


def test_a_hidden_file_or_folder_named_outright_is_taken(here: Path) -> None:
    touch(here, ".v/a.mp4", ".b.mp4")
    assert names(".v", ".b.mp4") == ["a.mp4", ".b.mp4"]


def test_a_file_named_outright_is_taken_whatever_its_name(here: Path) -> None:
    touch(here, "sub/notes.txt", "clip")
    assert names("sub/notes.txt", "clip") == ["sub/notes.txt", "clip"]


def test_a_pattern_stands_for_what_matches_it(here: Path) -> None:
    touch(here, "v/a1.mp4", "v/a2.mp4", "v/b.mp4", "w/a3.mp4", "w/x/a4.mp4")
    assert names("v/a*.mp4") == ["v/a1.mp4", "v/a2.mp4"]
    assert names("**/a*.mp4") == ["v/a1.mp4", "v/a2.mp4", "w/a3.mp4", "w/x/a4.mp4"]
    assert names("?/b.mp4") == ["v/b.mp4"]


def test_a_name_that_looks_like_a_pattern_is_a_name_if_it_exists(here: Path) -> None:
    touch(here, "a[1]*.mp4", "a1b.mp4", "v[2]/x.mp4")
    assert names("a[1]*.mp4") == ["a[1]*.mp4"]
    assert names("v[2]") == ["x.mp4"]


def test_equal_names_from_two_folders_keep_the_folder(here: Path) -> None:
    touch(here, "day1/a.mp4", "day1/b.mp4", "day2/a.mp4", "day2/c.mp4")
    assert names("day1", "day2") == ["day1/a.mp4", "b.mp4", "day2/a.mp4", "c.mp4"]


def test_equal_basenames_in_one_folder_are_told_apart(here: Path) -> None:
    touch(here, "v/x/a.mp4", "v/y/a.mp4", "v/a.mp4", "v/a.wav")
    assert names("v") == ["a.mp4", "a.wav", "x/a.mp4", "y/a.mp4"]


def test_no_two_rows_ever_share_a_name(here: Path) -> None:
    # p/x.mp4 is the long name of one file and the short name of another.
    touch(here, "p/x.mp4", "s/x.mp4", "r/p/x.mp4")
    assert names("p", "s", "r") == ["p/x.mp4", "s/x.mp4", "r/p/x.mp4"]


def test_a_file_that_several_paths_lead_to_is_taken_once(here: Path) -> None:
    touch(here, "v/a.mp4", "v/b.mp4")
    (here / "link.mp4").symlink_to("v/a.mp4")
    (here / "w").symlink_to("v")
    assert names("v/b.mp4", "v", "v", "v/*.mp4", "./v", "w", "link.mp4") == ["v/b.mp4", "a.mp4"]


def test_links_that_lead_nowhere_or_in_a_circle_do_not_end_the_run(here: Path) -> None:
    touch(here, "v/a.mp4")
    (here / "v/loop.mp4").symlink_to("loop.mp4")
    (here / "v/gone.mp4").symlink_to("nowhere.mp4")
    (here / "v/up").symlink_to(here / "v")
    assert names("v") == ["a.mp4", "gone.mp4", "loop.mp4"]


def test_a_pattern_of_any_depth_ends_where_links_lead_in_circles(reachable: Path) -> None:
    touch(reachable, "v/a.mp4", "v/d/b.mp4")
    for name in ("one", "two", "three", "d/four"):
        (reachable / "v" / name).symlink_to(reachable / "v")
    assert names_for_anyone(reachable, "v/**/*.mp4") == ["v/a.mp4", "v/d/b.mp4"]
    assert names_for_anyone(reachable, "**") == ["v/a.mp4", "v/d/b.mp4"]


def test_a_link_that_a_pattern_names_is_followed(here: Path) -> None:
    touch(here, "far/away/a.mp4", "v/b.mp4")
    (here / "v" / "link").symlink_to(here / "far")
    assert names("v/*/*/a.mp4") == ["v/link/away/a.mp4"]
    assert names("v/link/**/a.mp4") == ["v/link/away/a.mp4"]
    assert names("v/l*k/**/a.mp4") == ["v/link/away/a.mp4"]


def test_a_pattern_passes_hidden_names_over_unless_it_begins_with_a_dot(here: Path) -> None:
    touch(here, "v/a.mp4", "v/.b.mp4", "v/.d/c.mp4")
    assert names("v/*.mp4") == ["v/a.mp4"]
    assert names("v/**/*.mp4") == ["v/a.mp4"]
    assert names("v/.*.mp4", "v/.d/*") == ["v/.b.mp4", "v/.d/c.mp4"]


def test_a_pattern_goes_on_through_folders_only(here: Path) -> None:
    touch(here, "v/a.mp4", "v/d/b.mp4", "v/d/e/c.txt")
    assert names("v/*/**") == ["b.mp4", "v/d/e/c.txt"]
    assert names("v/d/**") == ["b.mp4", "v/d/e/c.txt"]


def test_a_pattern_that_ends_in_a_slash_stands_for_folders(here: Path) -> None:
    touch(here, "v/1/a.mp4", "v/2/b.mp4", "v/c.mp4")
    assert names("v/*/") == ["a.mp4", "b.mp4"]
    assert names(f"{here}/v/*/") == ["a.mp4", "b.mp4"]


def test_a_folder_that_cannot_be_looked_into_stands_for_what_is_in_it(reachable: Path) -> None:
    touch(reachable, "v/a.mp4", "v/day 2/deep/b.mp4", "v/day 3/c.mp4", "v/d.wav")
    (reachable / "v/day 2").chmod(0)
    expected = ["a.mp4", "d.wav", "day 2/", "day 3/c.mp4"]
    assert names_for_anyone(reachable, "v") == expected
    assert names_for_anyone(reachable, str(reachable / "v")) == expected
    assert names_for_anyone(reachable, "v/*/*.mp4") == ["v/day 2/", "v/day 3/c.mp4"]
    assert names_for_anyone(reachable, "v/**/*.mp4") == ["v/a.mp4", "v/day 2/", "v/day 3/c.mp4"]
    assert names_for_anyone(reachable, "v/day 2") == ["v/day 2/"]
    assert names_for_anyone(reachable, "./v/day 2/") == ["v/day 2/"]
    assert names_for_anyone(reachable, "v/day 2/*.mp4") == ["v/day 2/"]
    assert names_for_anyone(reachable / "v", "../v") == expected


def test_two_closed_folders_of_one_name_keep_the_folder_in_front(reachable: Path) -> None:
    touch(reachable, "v/x/a.mp4", "w/x/a.mp4")
    (reachable / "v/x").chmod(0)
    (reachable / "w/x").chmod(0)
    assert names_for_anyone(reachable, "v", "w") == ["v/x/", "w/x/"]


def test_files_of_a_folder_that_may_only_be_listed_are_not_lost(reachable: Path) -> None:
    touch(reachable, "v/a.mp4", "v/d/b.mp4", "w/c.mp4")
    (reachable / "v").chmod(0o444)
    assert names_for_anyone(reachable, "v", "w") == ["a.mp4", "d/", "c.mp4"]
    assert names_for_anyone(reachable, "?/*.mp4") == ["v/a.mp4", "w/c.mp4"]
    assert names_for_anyone(reachable, "v/a.mp4", "w/c.mp4") == ["v/a.mp4", "w/c.mp4"]


def test_what_is_to_be_left_out_is_passed_over_unless_it_is_named_outright(here: Path) -> None:
    touch(here, "v/a.mp4", "v/out.mp4")
    (here / "link.mp4").symlink_to("v/out.mp4")

    def left(*paths: str) -> list[str]:
        return [item.name for item in find(paths, leave_out=[here / "link.mp4", here / "v/is to come.mp4"])]

    assert left("v") == ["a.mp4"]
    assert left("v/*.mp4") == ["v/a.mp4"]
    assert left("v/o*.mp4") == []
    assert left("v", "v/out.mp4") == ["a.mp4", "v/out.mp4"]
    assert left("link.mp4") == ["link.mp4"]


@pytest.mark.parametrize(
    "name",
    ["ümläut 日本.mp4", "two\nlines.mp4", "a,b;c.mp4", 'quo"te.mp4', " .mp4", "1-1.mp4", "a\\b.mp4", "a=b.mp4"],
)
def test_odd_names_are_kept_as_they_are(here: Path, name: str) -> None:
    touch(here / "v", name)
    assert names("v") == [name]
    assert names(f"v/{name}") == [f"v/{name}"]


@pytest.mark.parametrize(
    "name",
    [
        "-o.mp4",
        "--help.mp4",
        "=1+1.mp4",
        "+1.mp4",
        "@a.mp4",
        "\ta.mp4",
        "\uff1d1.mp4",
        "\uff0b1.mp4",
        "\uff0d1.mp4",
        "\uff20a.mp4",
    ],
)
def test_a_name_that_a_spreadsheet_would_run_begins_with_the_folder_it_is_in(here: Path, name: str) -> None:
    touch(here, f"v/{name}", f"w/{name}", name)
    assert names("v") == [f"./{name}"]
    assert names(name) == [f"./{name}"]
    assert names("v", "w", name) == [f"v/{name}", f"w/{name}", f"./{name}"]


def test_bytes_that_are_no_text_are_spelled_out(here: Path) -> None:
    try:
        touch(here / "v", os.fsdecode(b"caf\xe9.mp4"), "tab\rback.mp4")
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    assert names("v") == [r"caf\xe9.mp4", r"tab\x0dback.mp4"]
    assert all(item.path.exists() for item in find(["v"]))


def test_a_name_that_looks_spelled_out_is_told_from_one_that_is(here: Path) -> None:
    try:
        touch(here / "v", os.fsdecode(b"caf\xe9.mp4"), r"caf\xe9.mp4", r"caf\\xe9.mp4")
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    assert sorted(names("v")) == [r"caf\\\\xe9.mp4", r"caf\\xe9.mp4", r"caf\xe9.mp4"]


@pytest.mark.parametrize("text", ["nowhere", "nowhere/*.mp4", "", "v/[a-z].mp4"])
def test_a_path_that_stands_for_nothing_is_refused_by_name(here: Path, text: str) -> None:
    touch(here, "v/1.mp4")
    with pytest.raises(UsageError, match="no such file or folder: ") as caught:
        find(["v", text])
    assert text in str(caught.value)


def test_a_folder_without_media_gives_nothing(here: Path) -> None:
    touch(here, "v/readme.txt")
    assert find(["v"]) == []
