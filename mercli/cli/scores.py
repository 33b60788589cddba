"""Scores, as tables for the terminal."""

import re
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from mercli.evaluation.sections import Section

_INTERVAL = re.compile(r"(\d\.\d+) \((\d\.\d+ to \d\.\d+)\)")


def show(console: Console, section: "Section") -> None:
    """Print a section: its title, its table, and what is to be said of it."""
    console.print(escape(section.title), style="bold")
    table = Table(box=box.SIMPLE)
    for i, heading in enumerate(section.headings):
        table.add_column(escape(heading), justify="right" if i else "left")
    for row in section.rows:
        table.add_row(*map(_cell, row))
    console.print(table)
    if section.note:
        console.print(escape(section.note) + "\n")


def _cell(text: str) -> str:
    """Put an interval below its rate, which a narrow terminal has room for."""
    return escape(_INTERVAL.sub(r"\1\n\2", text))
