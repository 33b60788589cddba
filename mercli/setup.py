"""What a worker needs to start, checked by its parent before there is any."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mercli_models
from mercli import bundle as bundles
from mercli import encoders
from mercli.bundle import MODALITIES, Bundle, WordsPart
from mercli.errors import UsageError
from mercli.face.choice import HAAR, locate
from mercli.face_networks import OutsideNetwork
from mercli.formats import FRAME_RATE_HZ
from mercli.limits import Limits
from mercli.serving.link import Address
from mercli.sources import Source
from mercli.voice.spec import VoiceSpec

_LEAST_HZ, _MOST_HZ = 0.1, 1000  # frames a second to look at


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
    profile : bool
        Whether to say what each stage took.
    frame_rate_hz : float
        About how many frames a second to look at.
    face_network : OutsideNetwork or None
        What judges faces in place of the bundle's own.
    server : Address or None
        What runs the networks of faces and voices in place of the workers themselves.
    device : str
        One of `mercli.device.DEVICES`: where that is to be, for machines that have to start one themselves.
    words_wanted : bool
        Whether a file without words lacks something; subtitles in a file are read only then.
    language : str
        Of the words that the bundle knows.
    transcribe : str or None
        The folder of the speech recognition that hears words where no transcript is.
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
    profile: bool = False
    frame_rate_hz: float = FRAME_RATE_HZ
    face_network: OutsideNetwork | None = None
    server: Address | None = None
    device: str = "cpu"
    words_wanted: bool = False
    language: str = ""
    transcribe: str | None = None


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
    profile: bool = False,
    frame_rate_hz: float = FRAME_RATE_HZ,
    face_network: OutsideNetwork | None = None,
    words: bool | None = None,
    transcribe: Path | None = None,
    sources: Iterable[Source] = (),
) -> Setup:
    """Check what the user asks for against what the bundle can do.

    Parameters
    ----------
    folder : Path
        The bundle's folder.
    bundle : Bundle
        The bundle.
    modalities : sequence of str or None
        The modalities asked for; None for all the bundle has, but words only as `words` and `paths` say.
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
    profile : bool
        Whether to say what each stage took.
    frame_rate_hz : float
        About how many frames a second to look at.
    face_network : OutsideNetwork, optional
        What judges faces in place of the bundle's own.
    words : bool or None
        Whether to read what is said, too. None for exactly when the bundle knows words and a transcript lies
        beside one of `sources`: a file without one then lacks nothing.
    transcribe : Path, optional
        The folder of a speech recognition that hears words where there is no transcript.
    sources : iterable of Path or RemoteFile
        The files that will be looked at.

    Returns
    -------
    Setup
        For the workers.

    Raises
    ------
    UsageError
        If a modality, the detector or the speech recognition does not exist, or the bundle lacks the modality; if
        the encoder that is needed is not there or is another one, or one is given that nothing needs; if all faces
        are asked for where none is looked at; if the rate of frames is out of bounds.
    """
    given = {"voice": voice, "face": face_network}
    known = tuple(name for name in MODALITIES if name in bundle.modalities or given.get(name))
    there = f"there are {', '.join(MODALITIES[:-1])} and {MODALITIES[-1]}"
    wanted = [name for name in known if name != "words"] if modalities is None else list(dict.fromkeys(modalities))
    words_wanted = bool(words or transcribe or "words" in wanted)
    if words is False and words_wanted:
        raise UsageError("--no-words leaves out what --modalities or --transcribe asks for; give one of them")
    if words_wanted or (
        words is None and modalities is None and bundle.words and _are_beside(sources, bundle.words)
    ):
        wanted.append("words")
    for name in wanted:
        if name not in MODALITIES:
            raise UsageError(f"no modality {name!r}; {there}")
        if name not in known:
            raise UsageError(f"bundle {bundle.name} has no {name} model; it knows {', '.join(bundle.modalities)}")
    if not wanted:
        raise UsageError(f"no modality given; {there}")
    if transcribe is not None:
        from mercli.words.recognition import check

        check(transcribe)
    if detector != HAAR and "face" not in wanted:
        raise UsageError("--face-detector is for the face, which is not looked at here")
    if all_faces and "face" not in wanted:
        raise UsageError("--faces all is for the face, which is not looked at here")
    if face_network and "face" not in wanted:
        raise UsageError("--face-network is for the face, which --modalities leaves out")
    if "face" in wanted and (found := locate(detector)):
        from mercli.face.detect import open_detector

        open_detector(detector)
        detector = str(found.resolve())
    if not _LEAST_HZ <= frame_rate_hz <= _MOST_HZ:  # NaN is neither
        raise UsageError(f"--fps {frame_rate_hz:g} is no such rate; give one from {_LEAST_HZ} to {_MOST_HZ}")
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
        profile=profile,
        frame_rate_hz=frame_rate_hz,
        face_network=face_network,
        words_wanted=words_wanted,
        language=bundle.words.spec.language if bundle.words and "words" in modalities else "",
        transcribe=None if transcribe is None else str(transcribe.resolve()),
    )


def _are_beside(sources: Iterable[Source], part: WordsPart) -> bool:
    from mercli.words import beside

    return any(beside.has(source, part.spec.language) for source in sources)


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
