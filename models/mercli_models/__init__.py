"""The bundle that ships with mercli."""

from pathlib import Path

DEFAULT = "mercli-base"
"""The name of the shipped bundle."""


def path(name: str = DEFAULT) -> Path:
    """Give the folder of a shipped bundle.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    Path
        The folder; it need not exist.
    """
    return Path(__file__).parent / name
