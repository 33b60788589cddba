"""``mercli models``: public networks that mercli can use and does not ship."""

from typing import Annotated

import typer

from mercli.cli.guard import guarded
from mercli.cli.options import Debug

models = typer.Typer(
    name="models",
    help="Get public networks that mercli can use and does not ship.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@models.command(name="list")
@guarded
def list_networks(debug: Debug = False) -> None:
    """Name the networks that can be pulled, and say where those lie that were."""
    del debug
    from mercli import registry
    from mercli.cli import streams

    with streams.printing():
        for network in registry.NETWORKS.values():
            typer.echo(f"{network.name}  {network.size_bytes:,} bytes, {network.licence}; {network.use}")
            typer.echo(f"  {registry.place(network) if registry.is_pulled(network) else 'not pulled'}")


@models.command()
@guarded
def pull(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One that `mercli models list` names.")],
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where to get it, such as a mirror.", show_default="where it is published"
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Download a network, check it and print where it lies.

    It is kept in your cache folder, or in the folder that MERCLI_CACHE names. One that is there already is not
    downloaded again.
    """
    del debug
    from mercli import registry
    from mercli.cli import streams

    path = registry.pull(name, url)
    with streams.printing():
        typer.echo(str(path))
