"""Which bundles an earlier run found sound: to try one takes longer than to judge a clip by it."""

import contextlib
import hashlib
import os
from pathlib import Path

from mercli import __version__
from mercli.bundle import Bundle
from mercli.registry import cache_folder


def check_once(bundle: Bundle) -> None:
    """Try a bundle in a worker, unless this version of mercli did so before on this machine.

    Parameters
    ----------
    bundle : Bundle
        As it was loaded, every hash checked.

    Raises
    ------
    BundleError
        See `mercli.soundness.check_sound`.
    """
    mark = _mark(bundle)
    if os.path.exists(mark):  # noqa: PTH110 - Path.exists may raise
        return
    from mercli.soundness import check_sound

    check_sound(bundle)
    with contextlib.suppress(OSError):  # then it is tried again the next time
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _mark(bundle: Bundle) -> Path:
    """Say which file tells that a bundle is sound: its digest covers all its files."""
    import onnxruntime

    known = f"{bundle.digest} {__version__} {onnxruntime.__version__}"
    return cache_folder() / "sound" / hashlib.sha256(known.encode()).hexdigest()
