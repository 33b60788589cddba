"""What a notebook or a script calls: `mercli.predict` and `mercli.load_bundle`."""

import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mercli import batch, kernel_cache, prediction, tables
from mercli import bundle as bundles
from mercli import device as devices
from mercli.bundle import Bundle
from mercli.errors import BundleError, UsageError
from mercli.face.choice import HAAR
from mercli.face_networks import find
from mercli.formats import FRAME_RATE_HZ
from mercli.inputs import Input, find_some
from mercli.journal import Journal
from mercli.limits import read_limits
from mercli.predictions import Prediction, Predictions, timeline_of
from mercli.setup import Setup, make_setup, open_bundle

AnyPath = str | os.PathLike[str]


def load_bundle(name: AnyPath | None = None) -> Bundle:
    """Read a bundle, every hash checked.

    Parameters
    ----------
    name : path or str, optional
        The folder that `mercli fit` wrote, or the name of a shipped bundle. Without it, the shipped one.

    Returns
    -------
    Bundle
        With its classes, its card and what it was trained on; `folder` says where it is.

    Raises
    ------
    BundleError
        If it is missing, damaged, changed since it was written, or of a kind this version does not know.

    Examples
    --------
    >>> import mercli
    >>> bundle = mercli.load_bundle()
    >>> bundle.modalities, len(bundle.classes)
    (('voice', 'face', 'words'), 7)
    """
    return open_bundle(None if name is None else os.fspath(name))[1]


def predict(
    paths: AnyPath | Iterable[AnyPath],
    *,
    bundle: AnyPath | Bundle | None = None,
    modalities: str | Sequence[str] | None = None,
    jobs: int | None = None,
    faces: str = "main",
    timeline: bool = False,
    fps: float = FRAME_RATE_HZ,
    words: bool | None = None,
    transcribe: AnyPath | None = None,
    face_detector: AnyPath = HAAR,
    face_network: AnyPath | None = None,
    voice_encoder: AnyPath | None = None,
    device: str = "auto",
    timeout: float = 3600.0,
    max_memory: int | str | None = None,
    max_duration: float = 0.0,
    max_pixels: int = 40_000_000,
    progress: bool = False,
) -> Predictions:
    """Name the emotion in video and sound files: what `mercli predict` does, kept in memory.

    Files are read in worker processes. What is wrong with a file is said in its prediction, and costs no other.

    Parameters
    ----------
    paths : path or iterable of paths
        Folders, walked recursively; files; or glob patterns.
    bundle : path, str or Bundle, optional
        A folder or a name as for `load_bundle`, or what that gave. Without it, the shipped one.
    modalities : str or sequence of str, optional
        Some of ``"voice"``, ``"face"`` and ``"words"``; without it all the bundle knows, words as `words` says.
    jobs : int, optional
        Worker processes; without it one a processor.
    faces : str
        ``"main"``, or ``"all"`` to judge every face, each by itself.
    timeline : bool
        Whether to judge every second too.
    fps : float
        About how many frames a second to look at, from 0.1 to 1000.
    words : bool, optional
        Whether to read what is said too, from transcripts and subtitles. Without it, exactly when the bundle knows
        words and a transcript lies beside a file.
    transcribe : path, optional
        The folder of a Whisper model in CTranslate2's form, which hears the words of files without a transcript.
    face_detector : str or path
        ``"haar"``, ``"yunet"`` or a YuNet file.
    face_network : str or path, optional
        What judges faces in place of the bundle's own network: a name of `mercli models list`, or an ONNX file
        with its contract beside it.
    voice_encoder : path, optional
        The speech network that the bundle refers to; without it the one in the bundle's folder.
    device : str
        Where networks run: ``"auto"``, ``"cpu"`` or ``"cuda"``. A warning says why it is not there.
    timeout : float
        Give up on a file after so many seconds; 0 for never.
    max_memory : int or str, optional
        End a worker that holds more: bytes, or a size such as ``"2G"``; 0 for any. Without it, 80 % of the
        machine's memory, divided by the jobs.
    max_duration : float
        Refuse longer files, in seconds; 0 takes any length.
    max_pixels : int
        Do not decode pictures of more pixels; 0 takes any size.
    progress : bool
        Whether to show on stderr how far it is. Without it nothing is printed.

    Returns
    -------
    Predictions
        One a file, in the order of the table.

    Raises
    ------
    UsageError
        If a path stands for nothing, or the options make no sense.
    BundleError
        If the bundle is refused, or is no longer what was loaded.
    MercliError
        If no worker can start, or there is no room for the results.
    KeyboardInterrupt
        After a request to end, such as Ctrl-C; no worker is left then.

    Examples
    --------
    >>> import mercli, tempfile
    >>> from mercli.sample import write_sample_videos
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_sample_videos(folder)
    ...     said = mercli.predict(folder, jobs=1)
    >>> [each.file for each in said], said["angry-voice.wav"].status
    (['angry-voice.wav', 'happy.mp4', 'sad.mp4'], 'partial')
    """
    inputs = _find(paths)
    jobs = batch.default_jobs() if jobs is None else jobs
    batch.refuse_no_jobs(jobs)
    if faces not in ("main", "all"):
        raise UsageError(f"no faces {faces!r}; there are main and all")
    opened = _open(bundle)
    assert opened.folder is not None
    setup = make_setup(
        opened.folder,
        opened,
        [word.strip() for word in modalities.split(",")] if isinstance(modalities, str) else modalities,
        os.fspath(face_detector),
        limits=read_limits(
            jobs, timeout=timeout, max_memory=max_memory, max_duration=max_duration, max_pixels=max_pixels
        ),
        encoder=None if voice_encoder is None else Path(voice_encoder),
        all_faces=faces == "all",
        timeline=timeline,
        frame_rate_hz=fps,
        face_network=None if face_network is None else find(os.fspath(face_network)).within(opened),
        words=words,
        transcribe=None if transcribe is None else Path(transcribe),
        sources=[item.path for item in inputs],
    )
    with_words = "words" in setup.modalities
    schemas = (
        tables.columns(opened.classes, with_words=with_words),
        tables.timeline_columns(opened.classes, with_words=with_words),
    )
    with Journal(None, *schemas) as journal, devices.opened(device, warnings.warn) as server:
        _run(inputs, opened, replace(setup, server=server), journal, jobs, progress=progress)
        said = tuple(_read(item, opened.classes, journal, with_words=with_words) for item in inputs)
        return Predictions(opened.classes, said, with_words)


def _find(paths: AnyPath | Iterable[AnyPath]) -> list[Input]:
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    return find_some([os.fspath(path) for path in several])


def _open(bundle: AnyPath | Bundle | None) -> Bundle:
    """Give a bundle with a folder, which workers read for themselves."""
    if not isinstance(bundle, Bundle):
        return load_bundle(bundle)
    if bundle.folder is None:
        raise UsageError(f"bundle {bundle.name} lies in no folder; save it, and give what load_bundle reads there")
    if bundles.load(bundle.folder) != bundle:
        raise BundleError(f"bundle {bundle.folder} is no longer what was loaded; load it again")
    return bundle


def _run(
    inputs: Sequence[Input], bundle: Bundle, setup: Setup, journal: Journal, jobs: int, *, progress: bool
) -> None:
    if not progress:
        prediction.predict(inputs, bundle, setup, journal, jobs=jobs)
        return
    from mercli.progress import Display

    if "voice" in setup.modalities and (notice := kernel_cache.notice()):
        print(notice, file=sys.stderr)
    with Display("predict", len(inputs), quiet=False) as display:
        prediction.predict(
            inputs,
            bundle,
            setup,
            journal,
            jobs=jobs,
            on_result=lambda result: display.advance(result.evidence.duration_s, failed=result.fused is None),
        )


def _read(item: Input, classes: Sequence[str], journal: Journal, *, with_words: bool) -> Prediction:
    seconds = timeline_of(list(journal.timeline([item.name])), classes, with_words=with_words)
    # It stays that file wherever the program goes.
    path = item.path.absolute() if isinstance(item.path, Path) else item.path.url
    return Prediction.of_rows(list(journal.rows([item.name])), classes, path, seconds)
