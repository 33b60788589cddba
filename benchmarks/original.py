r"""The student system that mercli started from, rebuilt to be compared with: how well it does and what it costs.

    python benchmarks/original.py --javanese DIR --json scores.json
    python benchmarks/original.py --network FILE.onnx --time CLIP

The picture: OpenCV reads every frame, its Haar cascade looks at the whole of it (scale 1.3, 5 neighbours), a
network trained on FER2013 judges the largest face, one at a time, and its posteriors are averaged over the video.
The voice: the 34 features of pyAudioAnalysis and their deltas, mean and deviation over each second, averaged over
the file, for an SVM. A random forest weighs the two.

Actors are left out one by one: the SVM and the forest are trained on the others, the forest on posteriors of SVMs
that did not know the speaker; the network is taken as it is. A clip without a face or without sound is not judged
by what needs it.
"""

import argparse
import contextlib
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

import mercli_models
from mercli import emotions, evaluation, files
from mercli.card import confusion_table, score_table
from mercli.emotions import FER2013
from mercli.errors import MediaError, MercliError, UsageError
from mercli.formats import SAMPLE_RATE_HZ
from mercli.inference import Network, to_posteriors
from mercli.media import Clip, Sound

sys.path.append(str(Path(__file__).parents[1] / "models" / "training"))
from javanese import read_javanese

with warnings.catch_warnings():
    # It imports names that scipy has deprecated, and a module that looks for ffmpeg.
    warnings.simplefilter("ignore")
    from pyAudioAnalysis import MidTermFeatures  # type: ignore[import-untyped]

SHIPPED = mercli_models.path() / "face-network.onnx"
N_VOICE = 136  # mean and deviation of 34 features and their deltas
STAGES = ("decode picture", "Haar cascade", "network", "decode sound", "pyAudioAnalysis")

_HAAR = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
_WINDOW = round(0.05 * SAMPLE_RATE_HZ)  # samples; one window after the other
_FEWEST_SPEAKERS = 4  # one tests, one is held out of the SVM, and its calibration divides the rest

Picture = NDArray[np.uint8]
Vector = NDArray[np.float64]


class Found(NamedTuple):
    """What is found in a clip: a face of each frame, if any; features of the voice [136], NaN without sound."""

    faces: list[Picture]
    n_frames: int
    voice: Vector


class Evidence(NamedTuple):
    """What models learn from: features of the voice [136], posteriors of the face [7]; NaN where there is none."""

    voice: Vector
    face: Vector


class FaceNetwork:
    """Judge one face at a time by an ONNX network trained on FER2013.

    Parameters
    ----------
    path : Path
        It takes grey faces, [n, 1, height, width] from 0 to 255, or [n, height, width, 1] from -1 to 1 as the
        XCEPTION networks of Arriaga and others (2017) do, and gives the classes of FER2013 in their order, as
        ``posteriors`` or as its first output.
    """

    def __init__(self, path: Path) -> None:
        self._what = f"the network {path}"
        if not path.is_file():
            raise UsageError(f"{self._what} is no file; give --network an ONNX file")
        content = path.read_bytes()
        self.sha256 = files.sha256(content)
        self._network = Network(content, self._what)
        outputs = self._network.output_shapes
        self._output = "posteriors" if "posteriors" in outputs else next(iter(outputs))
        match self._network.input_shape:
            case [_, 1, int(height), int(width)]:
                self._size, self._channels_last = (width, height), False
            case [_, int(height), int(width), 1]:
                self._size, self._channels_last = (width, height), True
            case shape:
                raise UsageError(f"{self._what} takes {shape}, not grey faces [n, 1, h, w] or [n, h, w, 1]")

    def posteriors(self, crop: Picture) -> Vector:
        """Give the posteriors [7] of a face, uint8 [height, width]."""
        face = np.asarray(cv2.resize(crop, self._size), np.float32)
        batch = (face[None, :, :, None] / 255 - 0.5) * 2 if self._channels_last else face[None, None]
        (said,) = self._network.run(batch.astype(np.float32, copy=False), {self._output: len(FER2013)})
        posteriors: Vector = to_posteriors(said, self._what)[0]
        return posteriors


class Session(NamedTuple):
    """What is opened once for all clips."""

    cascade: cv2.CascadeClassifier
    network: FaceNetwork


class Clock:
    """Add up the processor seconds of stages, over all threads."""

    def __init__(self) -> None:
        self.spent_s: Counter[str] = Counter()

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what is done within as part of a stage."""
        start = time.process_time()
        yield
        self.spent_s[stage] += time.process_time() - start  # type: ignore[assignment]


def open_session(network: Path = SHIPPED) -> Session:
    """Open the cascade and the network, on one thread."""
    cv2.setNumThreads(1)
    return Session(cv2.CascadeClassifier(str(_HAAR)), FaceNetwork(network))


def observe(path: Path, session: Session, clock: Clock | None = None) -> Evidence:
    """Measure one clip; the clock gets the seconds of each stage."""
    clock = clock or Clock()
    return judge_faces(find(path, session.cascade, clock), session.network, clock)


def find(path: Path, cascade: cv2.CascadeClassifier, clock: Clock) -> Found:
    """Read all of a clip's picture and then its sound, as two programs would."""
    n_frames, faces = 0, []
    for grey in _frames(path, clock):
        n_frames += 1
        with clock("Haar cascade"):
            face = largest_face(grey, cascade)
        if face is not None:
            faces.append(face)
    with clock("decode sound"):
        samples = read_sound(path)
    with clock("pyAudioAnalysis"):
        voice = describe_sound(samples)
    return Found(faces, n_frames, voice)


def judge_faces(found: Found, network: FaceNetwork, clock: Clock) -> Evidence:
    """Average what the network says of the faces."""
    with clock("network"):
        said = [network.posteriors(face) for face in found.faces]
    return Evidence(found.voice, np.mean(said, axis=0) if said else np.full(len(FER2013), np.nan))


def _frames(path: Path, clock: Clock) -> Iterator[Picture]:
    with clock("decode picture"):
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while True:
        with clock("decode picture"):
            read, frame = capture.read()
            grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8) if read else None
        if grey is None:
            return capture.release()
        yield grey


def largest_face(grey: Picture, cascade: cv2.CascadeClassifier) -> Picture | None:
    """Cut out the largest face that the cascade finds in a whole frame."""
    boxes = cascade.detectMultiScale(grey, 1.3, 5)
    if not len(boxes):
        return None
    x, y, width, height = max(boxes, key=lambda box: box[2] * box[3])
    return grey[y : y + height, x : x + width].copy()


def read_sound(path: Path) -> NDArray[np.float32]:
    """Read the sound of a file, 16 kHz and mono; no samples where it has none."""
    try:
        with Clip(path, picture=False) as clip:
            blocks = [piece.samples for piece in clip if isinstance(piece, Sound)]
    except MediaError as error:
        raise MediaError(f"{path}: {error}") from error
    return np.concatenate([np.empty(0, np.float32), *blocks])


def describe_sound(samples: NDArray[np.float32]) -> Vector:
    """Measure a sound by pyAudioAnalysis, [136]; NaN if it is shorter than one window."""
    if len(samples) < _WINDOW:
        return np.full(N_VOICE, np.nan)
    mid_term, _, _ = MidTermFeatures.mid_feature_extraction(
        samples.astype(np.float64) * 2**15, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ, _WINDOW, _WINDOW
    )
    voice: Vector = mid_term.mean(axis=1)
    return voice


def find_all(paths: Sequence[Path], cascade: cv2.CascadeClassifier, cache: Path | None) -> Iterator[Found]:
    """Give what is found in each clip; a folder `cache` keeps it, by the content of the clip and of this file."""
    if cache is None:
        yield from (find(path, cascade, Clock()) for path in paths)
        return
    cache.mkdir(parents=True, exist_ok=True)
    made_by = Path(__file__).read_bytes()
    for path in paths:
        kept = cache / f"{files.sha256(made_by + path.read_bytes())}.npz"
        if not kept.exists():
            found = find(path, cascade, Clock())
            with files.replaced_file(kept) as part, part.open("wb") as file:
                np.savez(file, *found.faces, n_frames=found.n_frames, voice=found.voice)
        with np.load(kept) as arrays:
            faces = [arrays[f"arr_{index}"] for index in range(len(arrays.files) - 2)]
            yield Found(faces, int(arrays["n_frames"]), arrays["voice"])


def judge_held_out(
    evidence: Sequence[Evidence], labels: Sequence[str], speakers: Sequence[str]
) -> dict[str, tuple[Vector, tuple[str, ...]]]:
    """Judge speakers that no model knows.

    Parameters
    ----------
    evidence : sequence of Evidence
        One a clip.
    labels, speakers : sequence of str
        One each a clip; four speakers at least.

    Returns
    -------
    dict of str to (np.ndarray [shape=(n, n_classes)], tuple of str)
        Posteriors of voice, face, face among the classes that occur, and both, and the names of their columns.
        A clip that lacks what is needed has NaN.
    """
    classes = emotions.ordered(labels)
    X, face = np.array([each.voice for each in evidence]), np.array([each.face for each in evidence])
    truth, who = np.array([classes.index(label) for label in labels]), np.array(speakers)
    heard = ~np.isnan(X).any(axis=1)
    both = heard & ~np.isnan(face).any(axis=1)
    voice, fused, known = np.full((3, len(labels), len(classes)), np.nan)
    if len(np.unique(who[heard])) < _FEWEST_SPEAKERS:
        raise UsageError(f"clips with sound of at least {_FEWEST_SPEAKERS} actors are needed")
    for speaker in np.unique(who[heard]):
        test, train = heard & (who == speaker), heard & (who != speaker)
        voice[test] = fit_voice(X[train], truth[train], who[train]).predict_proba(X[test])
        for other in np.unique(who[train]):
            out, rest = train & (who == other), train & (who != other)
            known[out] = fit_voice(X[rest], truth[rest], who[rest]).predict_proba(X[out])
        forest = RandomForestClassifier(300, random_state=0)
        forest.fit(np.hstack([known, face])[train & both], truth[train & both])
        if (test & both).any():
            fused[test & both] = forest.predict_proba(np.hstack([voice, face])[test & both])
    occurring = face[:, [FER2013.index(name) for name in classes]]
    return {
        "voice": (voice, classes),
        "face": (face, FER2013),
        "face, classes that occur": (occurring / occurring.sum(axis=1, keepdims=True), classes),
        "voice and face": (fused, classes),
    }


def fit_voice(X: Vector, truth: NDArray[np.int_], speakers: NDArray[np.str_]) -> CalibratedClassifierCV:
    """Train the SVM, calibrated on speakers left out."""
    folds = list(LeaveOneGroupOut().split(X, truth, speakers))
    model = make_pipeline(StandardScaler(), SVC(C=10))
    return CalibratedClassifierCV(model, cv=folds, ensemble=False).fit(X, truth)


def time_stages(path: Path, session: Session, rounds: int = 3) -> dict[str, float]:
    """Give the processor seconds of each stage and of all for one clip: the cheapest of some rounds."""
    timed = []
    for _ in range(1 + rounds):
        clock = Clock()
        with clock("all"):
            observe(path, session, clock)
        timed.append(clock.spent_s)
    best = min(timed[1:], key=lambda spent_s: spent_s["all"])  # the first fills caches
    return {stage: best[stage] for stage in (*STAGES, "all")}


def score_javanese(folder: Path, session: Session, cache: Path | None) -> dict[str, Any]:
    """Print how well the system does on the Javanese clips, and give the same as JSON values."""
    examples = list(read_javanese(folder, ".mp4"))
    labels, speakers = [each.label for each in examples], [each.speaker for each in examples]
    evidence, n_frames, n_faces = [], 0, 0
    for found in find_all([each.path for each in examples], session.cascade, cache):
        evidence.append(judge_faces(found, session.network, Clock()))
        n_frames, n_faces = n_frames + found.n_frames, n_faces + len(found.faces)
    said = judge_held_out(evidence, labels, speakers)
    scores = {
        name: evaluation.score(posteriors, labels, speakers, classes)
        for name, (posteriors, classes) in said.items()
    }
    print(f"{n_faces} of {n_frames} frames with a face\n\n{score_table(scores)}")
    for name, score in scores.items():
        print(f"{name}\n\n{confusion_table(score)}")
    shown = {name: score.to_json() for name, score in scores.items()}
    return {"n_frames": n_frames, "n_frames_with_face": n_faces, "scores": shown}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the scores, or the seconds, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", type=Path, default=SHIPPED, help="a FER2013 network, ONNX")
    parser.add_argument("--javanese", type=Path, help="Javanese clips AA-SS-EE_RR.mp4, to be scored on")
    parser.add_argument("--time", type=Path, metavar="CLIP", help="a video, to be timed on")
    parser.add_argument("--cache", type=Path, help="a folder that keeps what is found, for other networks")
    parser.add_argument("--json", type=Path, help="a file to write the same to")
    options = parser.parse_args(arguments)
    if not (options.javanese or options.time):
        parser.error("give --javanese DIR or --time CLIP")
    try:
        with threadpool_limits(1):
            session = open_session(options.network)
            result: dict[str, Any] = {"network": options.network.name, "network_sha256": session.network.sha256}
            if options.javanese:
                result |= score_javanese(options.javanese, session, options.cache)
            if options.time:
                result["cpu_s"] = time_stages(options.time, session)
                print("\n".join(f"{stage:16} {spent_s:7.3f} s" for stage, spent_s in result["cpu_s"].items()))
        if options.json:
            with files.replaced_file(options.json) as part:
                part.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    except MercliError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
