"""The documentation says what the program does."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from mercli.cli import app
from mercli.measurement import set_names
from mercli.setup import open_bundle
from mercli.tables import columns
from mercli_kernels.described import PATTERNS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def load_reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_has_a_page():
    commands, reference = set(get_command(app).commands), load_reference()
    assert commands == set(reference.COMMANDS)
    for command in commands:
        assert f"({reference.page_of(command)})" in read("docs/index.md")
        for below in getattr(get_command(app).commands[command], "commands", ()):
            assert f"Usage: mercli {command} {below} " in read(f"docs/{reference.page_of(command)}")


def test_what_is_made_of_the_pages_is_up_to_date():
    made = subprocess.run(
        [sys.executable, ROOT / "docs" / "reference.py", "--check"], check=False, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr


def test_every_feature_set_has_a_section_and_every_short_term_feature_a_line():
    page = read("docs/feature-sets.md")
    for name in set_names():
        section = re.search(rf"^## {name}$(.*?)(?=^## )", page, re.M | re.S)[1]
        for pattern in PATTERNS[name]:
            assert f"`{pattern.columns()[0].name}`" in section or f"`{pattern.general().name}`" in section, pattern


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    for target in targets:
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_column_is_documented():
    page = read("docs/predict.md")
    for name in columns(["x"]):
        assert re.search(rf"`{name.replace('_x', '_<class>')}`", page), name


def test_the_readme_has_exactly_two_set_up_commands():
    section = re.search(r"^## Two commands$(.*?)^## ", read("README.md"), re.M | re.S)[1]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)
    assert len(blocks) == 2
    assert all(len(block.strip().splitlines()) == 1 for block in blocks)


def test_the_scores_in_the_readme_are_those_of_the_shipped_bundle():
    scores = open_bundle()[1].training["scores"]
    rows = re.findall(
        r"^\| (voice|face|voice and face), (RAVDESS|Javanese)\b[^|]*\|(.*)\|$", read("README.md"), re.M
    )
    assert len(rows) == 4
    for what, corpus, cells in rows:
        score = scores[f"{'fusion' if 'and' in what else what}, {corpus}"]
        n, speakers, *rates = (cell.strip() for cell in cells.split("|"))
        assert (int(n), int(speakers)) == (score["n"], score["n_speakers"])
        for name, said in zip(("accuracy", "macro_f1", "uar"), rates, strict=True):
            measured = (score[name], *score["intervals_95"][name])
            assert [float(number) for number in re.findall(r"\.\d+", said)] == pytest.approx(measured, abs=6e-4)


def test_the_readme_says_what_the_numbers_do_not_mean():
    text = " ".join(read("README.md").split())
    assert "not what a person feels" in text
    assert "decisions about people" in text


@pytest.mark.parametrize(
    "example",
    re.findall(
        r"^\$ (mercli .*)$", "".join(map(read, ("docs/predict.md", "docs/fit.md", "docs/features.md"))), re.M
    ),
)
def test_the_options_in_examples_exist(example):
    command = get_command(app).commands[example.split()[1]]
    known = {option for parameter in command.params for option in parameter.opts}
    for word in example.split("|")[0].split():
        if word.startswith("-"):
            assert word in known, example


def test_every_test_that_a_promise_names_is_there() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", page)
    assert len(named) > 10
    assert [name for name in named if f"def {name}(" not in tests] == []
    assert [name for name in re.findall(r"`(tests/[\w.]+)`", page) if not (ROOT / name).is_file()] == []
