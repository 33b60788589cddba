"""Where the time went, as a table on stderr."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mercli.profile import Profile


def show_profile(profile: "Profile") -> None:
    """Print the seconds of each stage, over all files of the run."""
    if not profile.n_files:
        typer.echo("no profile: nothing was read in this run", err=True)
        return
    from rich.console import Console
    from rich.table import Table

    from mercli.clock import Spent

    total = Spent()
    for spent in profile.totals.values():
        total.add(spent)
    table = Table("stage", box=None)
    for name in ("seconds", "of the processor", "ms a file", "share"):
        table.add_column(name, justify="right")
    for stage, spent in (*profile.totals.items(), ("all", total)):
        mean_ms = 1e3 * spent.wall_s / profile.n_files
        share = spent.wall_s / total.wall_s if total.wall_s else 0.0
        table.add_row(stage, f"{spent.wall_s:.3f}", f"{spent.cpu_s:.3f}", f"{mean_ms:.1f}", f"{share:.1%}")
    Console(stderr=True).print(table)
