"""One file in, one result out: what a worker does, and what it needs to start."""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import mercli_kernels
import mercli_models
from mercli import bundle as bundles
from mercli import encoders
from mercli.bundle import Bundle
from mercli.errors import BundleError, MediaError, UsageError, sentence
from mercli.face.detect import HAAR, locate, open_detector
from mercli.judge import Judge, Result
from mercli.limits import Limits
from mercli.moments import moments
from mercli.observer import Evidence, Observer
from mercli.soundness import check_sound
from mercli.voice.encoder import Encoder
from mercli.voice.sets import FeatureSet, feature_set
from mercli.voice.spec import VoiceSpec

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
    voice : VoiceSpec or None
        How to measure the voice, where that is not how the bundle does.
    encoder : str or None
        The file of the speech network that measures it, where one does.
    altered, sequences : bool
        Whether to measure altered copies of the sound, and the sequences of a joint network, to train on.
    all_faces : bool
        Whether to judge every face, each by itself, beside the main one.
    timeline : bool
        Whether to judge every second too.
    """

    bundle: str
    digest: str
    modalities: tuple[str, ...]
    detector: str = HAAR
    limits: Limits = field(default_factory=Limits)
    debug: bool = False
    voice: VoiceSpec | None = None
    encoder: str | None = None
    altered: bool = False
    sequences: bool = False
    all_faces: bool = False
    timeline: bool = False


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
    voice: VoiceSpec | None = None,
    encoder: Path | None = None,
    all_faces: bool = False,
    timeline: bool = False,
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
        ``"haar"``, ``"yunet"`` or the path of a YuNet file.
    limits : Limits, optional
        What a file may cost; without it the default limits.
    debug : bool
        Whether to show where an unforeseen error came from.
    voice : VoiceSpec, optional
        How to measure the voice, where that is not how the bundle does.
    encoder : Path, optional
        The file of the speech network that measures it. Without it the one in the bundle's folder is taken.
    all_faces : bool
        Whether to judge every face, each by itself, beside the main one.
    timeline : bool
        Whether to judge every second too.

    Returns
    -------
    Setup
        For the workers.

    Raises
    ------
    UsageError
        If a modality or the detector does not exist, or the bundle lacks the modality; if the encoder that is
        needed is not there or is another one, or one is given that nothing needs; if all faces are asked for where
        none is looked at.
    """
    known = tuple(name for name in MODALITIES if name in bundle.modalities or (name == "voice" and voice))
    wanted = known if modalities is None else tuple(dict.fromkeys(modalities))
    for name in wanted:
        if name not in MODALITIES:
            raise UsageError(f"no modality {name!r}; there are {' and '.join(MODALITIES)}")
        if name not in known:
            raise UsageError(f"bundle {bundle.name} has no {name} model; it knows {', '.join(bundle.modalities)}")
    if not wanted:
        raise UsageError(f"no modality given; there are {' and '.join(MODALITIES)}")
    if all_faces and "face" not in wanted:
        raise UsageError("--faces all is for the face, which is not looked at here")
    if "face" in wanted:
        open_detector(detector)
    if "face" in wanted and (found := locate(detector)):
        detector = str(found.resolve())
    modalities = tuple(name for name in MODALITIES if name in wanted)
    network = _find_encoder(folder, bundle, modalities, voice, encoder)
    return Setup(
        str(folder.resolve()),
        bundle.digest,
        modalities,
        detector,
        limits or Limits(),
        debug,
        voice,
        network,
        all_faces=all_faces,
        timeline=timeline,
    )


def _find_encoder(
    folder: Path, bundle: Bundle, modalities: tuple[str, ...], voice: VoiceSpec | None, given: Path | None
) -> str | None:
    spec = voice or (bundle.voice.spec if bundle.voice else None)
    if spec and spec.encoder and "voice" in modalities:
        return str(encoders.find(folder, bundle.name, spec.encoder, given).resolve())
    if given is not None and "voice" not in modalities:
        raise UsageError("--voice-encoder is for the voice, which --modalities leaves out")
    if given is not None:
        raise UsageError(f"bundle {bundle.name} measures the voice without an encoder; leave --voice-encoder out")
    return None


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
        with observer.observing(path) as (evidence, voice):
            result = _row_of(judge.judge(evidence))
            if setup.timeline:
                result = replace(result, timeline=judge.over_time(moments(evidence, voice)))
            return result
    except Exception as error:
        # What is wrong with a file stays wrong with it; anything else may be gone the next time.
        passing = not isinstance(error, MediaError)
        return Result("failed", Evidence(), error=sentence(error, debug=setup.debug), passing=passing)


def _row_of(result: Result) -> Result:
    """Leave behind what no row tells: the frames of an hour of film are megabytes to send."""
    seen = result.evidence.face
    evidence = replace(
        result.evidence,
        voice=None,
        voice_sequences=None,
        face=None if seen is None else seen.take(slice(0)),  # which face it is stays
        other_faces=(),
    )
    return replace(result, evidence=evidence, others=tuple(map(_row_of, result.others)))


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
        voice=open_features(bundle, setup) if "voice" in setup.modalities else None,
        altered=setup.altered,
        sequences=setup.sequences,
        all_faces=setup.all_faces,
    )
    return observer, Judge(bundle)


def open_features(bundle: Bundle, setup: Setup) -> FeatureSet:
    """Give what measures the voice, its speech network open where it has one.

    Parameters
    ----------
    bundle : Bundle
        The bundle of the setup.
    setup : Setup
        Says how to measure, and where the network is.

    Returns
    -------
    FeatureSet
        Ready to measure.

    Raises
    ------
    BundleError
        If the network was changed, or does not do what it has to.
    """
    spec = setup.voice or bundle.voice_spec
    if spec.encoder is None or setup.encoder is None:
        return feature_set(spec)
    return Encoder(spec, encoders.load(Path(setup.encoder), spec.encoder))
