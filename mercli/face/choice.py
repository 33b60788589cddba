"""Which face detector a name stands for; nothing is opened."""

from pathlib import Path

from mercli import registry

HAAR, YUNET = "haar", "yunet"


def kind_of(name: str) -> str:
    """Give the kind of detector that a name stands for: ``"haar"`` or ``"yunet"``."""
    return HAAR if name == HAAR else YUNET


def locate(name: str) -> Path | None:
    """Give the file of the detector that the user typed: the one that was pulled for ``"yunet"``, None for Haar.

    Raises
    ------
    UsageError
        If ``"yunet"`` was not pulled, or what was pulled has changed.
    """
    if name == HAAR:
        return None
    return registry.pulled(YUNET) if name == YUNET else Path(name)
