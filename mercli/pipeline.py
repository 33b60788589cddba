"""One file in, one result out: what a worker does, and what it needs to start."""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mercli_kernels
import mercli_models
from mercli import bundle as bundles
from mercli.bundle import Bundle
from mercli.errors import BundleError, MediaError, UsageError, sentence
from mercli.face.detect import HAAR, open_detector
from mercli.judge import Judge, Result
from mercli.limits import Limits
from mercli.observer import Evidence, Observer
from mercli.soundness import check_sound

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
    limits : Limits
        What a file may cost.
    debug : bool
        Whether to show where an unforeseen error came from.
    """

    bundle: str
    digest: str
    modalities: tuple[str, ...]
    detector: str = HAAR
    limits: Limits = field(default_factory=Limits)
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
    UsageError
        If the name is empty.
    """
    if name is not None and not name.strip():
        raise UsageError("--bundle is empty; give the folder that `mercli fit` wrote, or leave it out")
    shipped = mercli_models.path(name or mercli_models.DEFAULT)
    # Methods of Path may raise where a name is too long.
    own = name and (os.path.exists(name) or not os.path.isdir(shipped))  # noqa: PTH110, PTH112
    folder = Path(name) if name and own else shipped
    return folder, bundles.load(folder)


def make_setup(
    folder: Path,
    bundle: Bundle,
    modalities: Sequence[str] | None,
    detector: str = HAAR,
    *,
    limits: Limits | None = None,
    debug: bool = False,
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
    limits : Limits, optional
        What a file may cost; without it the default limits.
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
    if "face" in wanted and detector != HAAR:
        detector = str(Path(detector).resolve())
    modalities = tuple(name for name in MODALITIES if name in wanted)
    return Setup(str(folder.resolve()), bundle.digest, modalities, detector, limits or Limits(), debug)


def start_worker(setup: Setup, first: bool) -> None:
    """Open the models in a worker before it is given a file.

    Parameters
    ----------
    setup : Setup
        What to open.
    first : bool
        Whether it is the first worker of a run: it compiles what all use, and checks what all trust.

    Raises
    ------
    BundleError
        If the bundle is refused.
    """
    if "voice" in setup.modalities:
        mercli_kernels.warm_up()
    if first:
        check_sound(bundles.load(Path(setup.bundle)))
    _worker(setup)


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
        return Evidence(missing=(sentence(error, debug=setup.debug),))


def predict_file(path: Path, setup: Setup) -> Result:
    """Give the result of one file in a worker; see `observe_file`."""
    observer, judge = _worker(setup)
    try:
        return judge.judge(observer.observe(path))
    except Exception as error:
        # What is wrong with a file stays wrong with it; anything else may be gone the next time.
        passing = not isinstance(error, MediaError)
        return Result("failed", Evidence(), error=sentence(error, debug=setup.debug), passing=passing)


@functools.lru_cache(maxsize=1)
def _worker(setup: Setup) -> tuple[Observer, Judge]:
    bundle = bundles.load(Path(setup.bundle))
    if bundle.digest != setup.digest:
        raise BundleError(f"bundle {setup.bundle} was changed while the run was going on")
    detector = open_detector(setup.detector) if "face" in setup.modalities else None
    limits = setup.limits
    observer = Observer(
        bundle,
        setup.modalities,
        detector,
        max_duration_s=limits.max_duration_s,
        max_pixels=limits.max_pixels,
    )
    return observer, Judge(bundle)
