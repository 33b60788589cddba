"""Write the reference part of each command's page, and the page on the feature sets; --check compares."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
COMMANDS = ("predict", "fit", "evaluate", "report", "annotate", "plot", "features", "corpus", "demo", "models")
PAGES = {"models": "models-command"}
"""The pages of commands that are not named like them."""
BEGIN, END = "<!-- reference: made by `make docs` -->\n", "<!-- end of reference -->"


def page_of(command: str) -> str:
    """Give the name of a command's page."""
    return f"{PAGES.get(command, command)}.md"


def help_of(command: str) -> str:
    """Give what ``mercli COMMAND --help`` prints on a terminal 80 columns wide, and that of its subcommands."""
    from typer.main import get_command
    from typer.testing import CliRunner

    from mercli.cli import app

    os.environ["COLUMNS"] = "80"
    below = getattr(get_command(app).commands[command], "commands", ())  # type: ignore[attr-defined]
    said = [
        CliRunner().invoke(app, [command, *words, "--help"], prog_name="mercli").stdout.strip()
        for words in ((), *((name,) for name in below))
    ]
    return "\n\n".join(said)


def with_reference(page: str, command: str) -> str:
    """Give a page with its reference part made anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n```text\n{help_of(command).strip()}\n```\n\n{END}{after}"


def pages() -> Iterator[tuple[Path, str]]:
    """Give every page that is made, in part or as a whole, as it should be."""
    import feature_sets  # the module beside this one

    for command in COMMANDS:
        path = DOCS / page_of(command)
        yield path, with_reference(path.read_text(encoding="utf-8"), command)
    yield DOCS / feature_sets.PAGE, feature_sets.page()


def main() -> None:
    """Write or check every page."""
    stale = []
    for path, fresh in pages():
        if not path.exists() or path.read_text(encoding="utf-8") != fresh:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(fresh, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"out of date: {', '.join(stale)}; run `make docs`")


if __name__ == "__main__":
    main()
