"""What benchmarks are given, and the table of all ratios at the end of a run."""

from pathlib import Path

import pytest
import story
from races import Ratios
from story import Figure

_RECORDED = pytest.StashKey[list[Figure]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mercli")
    group.addoption(
        "--story", type=Path, metavar="FILE", help="write the table as Markdown, into the marked block of a page"
    )
    group.addoption(
        "--recordings",
        type=Path,
        metavar="DIR",
        default=Path(__file__).parents[2] / "shared" / "data",
        help="where recordings are (default: shared/data beside the project)",
    )
    group.addoption(
        "--peers",
        type=Path,
        metavar="PYTHON",
        default=Path(__file__).parents[1] / ".venv-peers" / "bin" / "python",
        help="the Python of an environment with fer and deepface (default: that of `make peers`)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RECORDED] = []


@pytest.fixture(scope="session")
def ratios(pytestconfig: pytest.Config) -> Ratios:
    """Races, and other figures, that are printed in one table at the end of the run."""
    return Ratios(pytestconfig.stash[_RECORDED])


@pytest.fixture(scope="session")
def recordings(pytestconfig: pytest.Config) -> Path:
    """Where recordings are, if any."""
    folder: Path = pytestconfig.getoption("recordings")
    return folder


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    recorded = config.stash[_RECORDED]
    if not recorded:
        return
    terminalreporter.section("ratios: median of the turns (lowest to highest; processor time of one call)")
    for race in dict.fromkeys(figure.race for figure in recorded):
        terminalreporter.write_line(race)
        for figure in recorded:
            if figure.race == race:
                terminalreporter.write_line(f"  {figure}")
    # Each skipped test says (file, line, reason).
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    absent = [reason.removeprefix("Skipped: ") for reason in dict.fromkeys(reasons)]
    text = story.story(recorded, absent)
    terminalreporter.section("all of it")
    terminalreporter.write(text)
    if path := config.getoption("story"):
        story.write_story(path, text)
