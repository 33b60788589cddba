"""What a run says that has to compile the audio kernels first."""

import typer


def say_what_is_compiled() -> None:
    """Say on stderr why the first file takes long, where it will."""
    from mercli import kernel_cache

    if notice := kernel_cache.notice():
        typer.echo(notice, err=True)
