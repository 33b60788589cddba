"""Which bundles an earlier run found sound: to try one takes longer than to judge a clip by it."""

import contextlib
import hashlib
import os
from importlib import metadata
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
    if is_known(bundle):
        return
    from mercli.soundness import check_sound

    check_sound(bundle)
    mark = _mark(bundle)
    with contextlib.suppress(OSError):  # then it is tried again the next time
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def is_known(bundle: Bundle) -> bool:
    """Tell whether a bundle was found sound before."""
    return os.path.exists(_mark(bundle))  # noqa: PTH110 - Path.exists may raise


def _mark(bundle: Bundle) -> Path:
    """Say which file tells that a bundle is sound: its digest covers all its files."""
    known = f"{bundle.digest} {__version__} {_runtime()}"
    return cache_folder() / "sound" / hashlib.sha256(known.encode()).hexdigest()


def _runtime() -> str:
    """Name the ONNX Runtime that is installed, which takes long to import."""
    for name in ("onnxruntime", "onnxruntime-gpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return f"{name} {metadata.version(name)}"
    import onnxruntime  # of another name, such as that for another processor

    return f"onnxruntime {onnxruntime.__version__}"
