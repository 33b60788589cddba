"""``mercli models``: networks that mercli can use and does not ship."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mercli.cli.guard import guarded
from mercli.cli.options import Debug

if TYPE_CHECKING:
    from mercli.registry import KnownNetwork

models = typer.Typer(
    name="models",
    help="Get, add and check networks that mercli can use and does not ship.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="One that `mercli models list` names.")]


@models.command(name="list")
@guarded
def list_networks(debug: Debug = False) -> None:
    """Name the networks that can be pulled or were added, and say where those lie that are here."""
    del debug
    from mercli import registry
    from mercli.cli import streams

    with streams.printing():
        for name, network, problem in registry.states():
            if network is None:
                typer.echo(f"{name}\n  {problem}")
                continue
            typer.echo(f"{name}  {network.size_bytes:,} bytes, {_terms(network.licence)}; {network.use}")
            typer.echo(f"  {_state(network, problem)}")


@models.command()
@guarded
def show(name: Name, debug: Debug = False) -> None:
    """Say all that is known of a network: where it is from, where it lies, what it takes and gives."""
    del debug
    import json

    from mercli import registry
    from mercli.cli import streams

    network = registry.find(name)
    ((_, _, problem),) = registry.states([name])
    facts = {
        "name": network.name,
        "use": network.use,
        "state": _state(network, problem),
        "bytes": f"{network.size_bytes:,}",
        "sha256": network.sha256,
        "licence": _terms(network.licence),
        "url": network.url or "added on this machine",
    }
    contract = network.contract.to_json() if network.contract else {}
    with streams.printing():
        for key, value in facts.items():
            typer.echo(f"{key:8} {value}")
        for mirror in network.mirrors:
            typer.echo(f"{'or':8} {mirror}")
        if contract:
            typer.echo("contract")
        for key, value in contract.items():
            typer.echo(f"  {key:12} {json.dumps(value, ensure_ascii=False)}")


@models.command()
@guarded
def pull(
    name: Name,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where to get it, such as a mirror.", show_default="where it is published"
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not use the network; say what is missing.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Download a network, check it and print where it lies.

    It is kept in your cache folder, or in the folder that MERCLI_CACHE names. One that is there already is not
    downloaded again. A download that broke off is continued. Where MERCLI_OFFLINE is set, the network is not used.
    """
    del debug
    from mercli import registry
    from mercli.cli import streams

    path = registry.pull(name, url, offline=offline)
    with streams.printing():
        typer.echo(str(path))


@models.command()
@guarded
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX file that names emotions in faces.")],
    contract: Annotated[Path, typer.Option(metavar="FILE", help="A JSON file that says what it takes and gives.")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call it.", show_default="like the file")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another network of that name.")] = False,
    debug: Debug = False,
) -> None:
    """Try a face network by its contract, keep a copy of both and print its name.

    It can then be named wherever --face-network is taken. One that does not do as its contract says is refused.
    """
    del debug
    from mercli import face_networks
    from mercli.cli import streams

    known = face_networks.add(file, contract, name, overwrite=overwrite)
    with streams.printing():
        typer.echo(known.name)


@models.command()
@guarded
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Those to look at.", show_default="all that were pulled or added"
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Hash networks again, and say which are not what they were.

    Exits with 1 if one is missing or was changed.
    """
    del debug
    from mercli import registry
    from mercli.cli import streams
    from mercli.errors import MercliError

    bad, good = [], 0
    with streams.printing():
        for name, network, problem in registry.states(names or None):
            if problem is None:
                good += 1
                typer.echo(f"{name}  good")
            elif names or network is None or network.place.exists() or network.url is None:
                bad.append(problem)
    if bad:
        raise MercliError("; ".join(bad))
    if not good:
        typer.echo("no network was pulled or added", err=True)


@models.command()
@guarded
def remove(name: Name, debug: Debug = False) -> None:
    """Remove a network from the cache folder and print what is gone.

    The file that was added, and what lies anywhere else, stays.
    """
    del debug
    from mercli import registry
    from mercli.cli import streams

    gone = registry.remove(name)
    with streams.printing():
        for path in gone:
            typer.echo(f"removed {path}")


def _terms(licence: str | None) -> str:
    return licence or "terms not given"


def _state(network: "KnownNetwork", problem: str | None) -> str:
    if problem is None:
        return str(network.place)
    return "not pulled" if network.url and not network.place.exists() else problem
