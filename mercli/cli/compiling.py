"""What a run says that has to compile the audio kernels first."""

import typer


def say_what_is_compiled() -> None:
    """Say on stderr why the first file takes long, where it will."""
    from mercli import kernel_cache

    if not kernel_cache.can_be_kept():
        typer.echo(
            "compiling the audio kernels in every run: no place keeps them; set "
            f"{kernel_cache.named_by()} to a folder that can be written",
            err=True,
        )
    elif not kernel_cache.is_filled():
        typer.echo("compiling the audio kernels, once: this takes some 20 seconds", err=True)
