"""The documentation says what the program does."""

import doctest
import importlib.util
import inspect
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from typer.main import get_command

import mercli
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


# Links


def prose(page: Path) -> str:
    """A page without its code, in which nothing is a link or a heading."""
    fenced = re.compile(r"^([ \t]*)(```+|~~~+).*?^\1\2[ \t]*$", re.M | re.S)
    return fenced.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Where a page leads to within the project, its pictures among them."""
    text = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", prose(page), flags=re.S)
    inline = re.findall(r"\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'(][^)]*)?\s*\)", text)
    labelled = re.findall(r"^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)", text, re.M)
    tags = re.findall(r"""<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=["']([^"']+)""", text)
    return [link for link in (*inline, *labelled, *tags) if not re.match(r"[a-z][a-z0-9+.-]*:", link)]


def anchors(page: Path) -> set[str]:
    """The names by which GitHub finds the headings of a page, and those that the page gives itself."""
    text = prose(page)
    found: set[str] = set(re.findall(r"""<a\b[^>]*?\b(?:id|name)=["']([^"']+)""", text))
    for heading in re.findall(r"^ {0,3}#{1,6}[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$", text, re.M):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
        found.add(next(name for name in (slug, *(f"{slug}-{n}" for n in range(1, 99))) if name not in found))
    return found


def lost(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    nowhere = []
    for link in links(page):
        target, _, anchor = link.partition("#")
        path = page.parent / target if target else page
        if not path.exists() or (anchor and (path.suffix != ".md" or anchor not in anchors(path))):
            nowhere.append(link)
    return nowhere


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_pages_headings_and_pictures_lead_somewhere(page):
    assert lost(page) == []


def test_every_page_is_reached_from_the_index():
    reached, left = set(), [ROOT / "docs" / "index.md"]
    while left:
        page = left.pop().resolve()
        if page not in reached and page.suffix == ".md" and page.exists():
            reached.add(page)
            left += [page.parent / link.partition("#")[0] for link in links(page) if link[0] != "#"]
    assert {page for page in (ROOT / "docs").glob("*.md") if page.resolve() not in reached} == set()


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("The first run", "the-first-run"),
        ("`mercli fit`, and what it *costs*", "mercli-fit-and-what-it-costs"),
        ("One [link](a.md#b) (two)", "one-link-two"),
        ("snake_case + and Grüße", "snake_case--and-grüße"),
        ("Closed ##", "closed"),
    ],
)
def test_headings_are_found_by_the_names_that_github_gives_them(tmp_path, heading, anchor):
    page = tmp_path / "a.md"
    page.write_text(f"# {heading}\n\n```sh\n# no heading\n```\n\n### {heading}\n", encoding="utf-8")
    assert anchors(page) == {anchor, f"{anchor}-1"}


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    (tmp_path / "b.md").write_text("# Here\n", encoding="utf-8")
    (tmp_path / "c.png").touch()
    good = "[a](b.md) [a](b.md#here 'title') ![a](c.png) [a](https://example.org/#x) [a](#top) `[a](no)`"
    bad = '[a](no.md) [a](b.md#there) ![a](no.png) <img src="no.svg"> [a](#bottom)'
    page = tmp_path / "a.md"
    page.write_text(f"# Top\n\n{good}\n\n{bad}\n\n[x]: lost.md\n\n```\n[a](no)\n```\n", encoding="utf-8")
    assert sorted(lost(page)) == ["#bottom", "b.md#there", "lost.md", "no.md", "no.png", "no.svg"]


# Examples in Python


def examples(page: Path) -> str:
    """The blocks of Python of a page, each on its own lines."""
    text = page.read_text(encoding="utf-8")
    kept = re.sub(r"^```python\n(.*?)^```$", r"\0\n\1\0", text, flags=re.M | re.S).split("\0")
    return "".join(part if place % 2 else "\n" * part.count("\n") for place, part in enumerate(kept))


def test_what_the_page_on_python_shows_is_what_happens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "python.md"
    test = doctest.DocTestParser().get_doctest(examples(page), {}, page.name, str(page), 0)
    assert len(test.examples) > 40
    assert len(re.findall("^```python\n>>> ", read("docs/python.md"), re.M)) == read("docs/python.md").count(
        "```python"
    )
    said: list[str] = []
    ran = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert ran.failed == 0, "".join(said)


def test_every_field_and_option_is_in_the_page_on_python():
    page = read("docs/python.md")
    names = [field.name for field in fields(mercli.Prediction)]
    names += [name for name in inspect.signature(mercli.predict).parameters if name != "paths"]
    assert [name for name in names if not re.search(rf"\b{name}\b", page)] == []


# The commands


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
    assert len(rows) == 6
    for what, corpus, cells in rows:
        score = scores[f"{'fusion' if 'and' in what else what}, {corpus}"]
        n, speakers, *rates = (cell.strip() for cell in cells.split("|"))
        assert (int(n), int(speakers)) == (score["n"], score["n_speakers"])
        for name, said in zip(("accuracy", "macro_f1", "uar"), rates, strict=True):
            spread = score["intervals_95"][name] if score["n_speakers"] > 1 else ()
            measured = (score[name], *spread)
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
