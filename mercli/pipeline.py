"""One file in, one result out: what a worker does, and what it needs to start."""

import functools
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mercli_kernels
import mercli_models
from mercli import bundle as bundles
from mercli.bundle import Bundle
from mercli.errors import BundleError, MediaError, UsageError
from mercli.face.detect import HAAR, open_detector
from mercli.judge import Judge, Result
from mercli.observer import Evidence, Observer

MODALITIES = ("voice", "face")


@dataclass(frozen=True, slots=True)
class Setup:
    """Say what a worker needs to start: small, so that it travels with every task.

    Parameters
    ----------
    bundle : str
        The bundle's folder.
    digest : str
        The bundle as it was when the run began.
    modalities : tuple of str
        Which of `MODALITIES` to look at.
    detector : str
        ``"haar"`` or the path of a YuNet file.
    debug : bool
        Whether to show where an unforeseen error came from.
    """

    bundle: str
    digest: str
    modalities: tuple[str, ...]
    detector: str = HAAR
    debug: bool = False


def open_bundle(name: str | None = None) -> tuple[Path, Bundle]:
    """Read the bundle a user names.

    Parameters
    ----------
    name : str, optional
        A folder, or the name of a shipped bundle. Without it, the shipped one.

    Returns
    -------
    folder : Path
        Where it lies.
    bundle : Bundle
        The bundle, every hash checked.

    Raises
    ------
    BundleError
        If it is refused.
    """
    shipped = mercli_models.path(name or mercli_models.DEFAULT)
    folder = Path(name) if name and (Path(name).exists() or not shipped.is_dir()) else shipped
    return folder, bundles.load(folder)


def make_setup(
    folder: Path, bundle: Bundle, modalities: Sequence[str] | None, detector: str = HAAR, *, debug: bool = False
) -> Setup:
    """Check what the user asks for against what the bundle can do.

    Parameters
    ----------
    folder : Path
        The bundle's folder.
    bundle : Bundle
        The bundle.
    modalities : sequence of str or None
        The modalities asked for; None for all the bundle has.
    detector : str
        ``"haar"`` or the path of a YuNet file.
    debug : bool
        Whether to show where an unforeseen error came from.

    Returns
    -------
    Setup
        For the workers.

    Raises
    ------
    UsageError
        If a modality or the detector does not exist, or the bundle lacks the modality.
    BundleError
        If a part of the bundle does not fit the others.
    """
    wanted = bundle.modalities if modalities is None else tuple(dict.fromkeys(modalities))
    for name in wanted:
        if name not in MODALITIES:
            raise UsageError(f"no modality {name!r}; there are {' and '.join(MODALITIES)}")
        if name not in bundle.modalities:
            raise UsageError(f"bundle {bundle.name} has no {name} model; it knows {', '.join(bundle.modalities)}")
    if not wanted:
        raise UsageError(f"no modality given; there are {' and '.join(MODALITIES)}")
    if "face" in wanted:
        open_detector(detector)
    _check_fit(bundle)
    if "face" in wanted and detector != HAAR:
        detector = str(Path(detector).resolve())
    modalities = tuple(name for name in MODALITIES if name in wanted)
    return Setup(str(folder.resolve()), bundle.digest, modalities, detector, debug)


def observe_file(path: Path, setup: Setup) -> Evidence:
    """Measure one file in a worker.

    Parameters
    ----------
    path : Path
        The file.
    setup : Setup
        What to use; the models are opened once a worker.

    Returns
    -------
    Evidence
        Where the file cannot be read, of nothing but the reason.
    """
    observer, _ = _worker(setup)
    try:
        return observer.observe(path)
    except Exception as error:
        return Evidence(missing=(_sentence(error, setup),))


def predict_file(path: Path, setup: Setup) -> Result:
    """Give the result of one file in a worker; see `observe_file`."""
    observer, judge = _worker(setup)
    try:
        return judge.judge(observer.observe(path))
    except Exception as error:
        return Result("failed", Evidence(), error=_sentence(error, setup))


def warm_up(setup: Setup) -> None:
    """Compile what is compiled on first use, once, before workers start and all do it at once."""
    if "voice" in setup.modalities:
        mercli_kernels.warm_up()


@functools.lru_cache(maxsize=1)
def _worker(setup: Setup) -> tuple[Observer, Judge]:
    bundle = bundles.load(Path(setup.bundle))
    if bundle.digest != setup.digest:
        raise BundleError(f"bundle {setup.bundle} was changed while the run was going on")
    detector = open_detector(setup.detector) if "face" in setup.modalities else None
    return Observer(bundle, setup.modalities, detector), Judge(bundle)


def _sentence(error: Exception, setup: Setup) -> str:
    if isinstance(error, MediaError):
        return str(error)
    if setup.debug:
        traceback.print_exception(error)
    return f"unforeseen error, please report it: {type(error).__name__}: {error}"


def _check_fit(bundle: Bundle) -> None:
    """Open every part once, so that a bundle that does not fit together is refused before any file is read."""
    Judge(bundle)
    Observer(bundle, bundle.modalities, None)
