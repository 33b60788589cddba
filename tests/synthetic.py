"""Evidence without media: vectors drawn at random, with what a class and what a speaker add to them."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mercli import training
from mercli.bundle import Bundle, FacePart, Model, VoicePart
from mercli.emotions import FER2013
from mercli.evidence import Evidence
from mercli.face.frames import FaceFrames
from mercli.face.pooling import vector_names
from mercli.face.spec import FaceSpec
from mercli.table import Table
from mercli.voice.sets import feature_set
from mercli.voice.spec import VoiceSpec

THREE = ("angry", "happy", "sad")
FACE_PX = 16
N_VOICE, N_FACE = len(feature_set(VoiceSpec()).clip_names()), len(vector_names(FaceSpec(FER2013)))
N_FRAMES = 6
FACE_OFFSET = 3.0  # of classes, times that of the voice: of the frames, a few sums are left to tell them apart by


def frames_of(posteriors: NDArray[np.float32], *, step_s: float = 0.1) -> FaceFrames:
    """Frames of a face that stays where it is, of which a network says this."""
    n = len(posteriors)
    return FaceFrames(
        np.arange(n) * step_s, np.zeros((n, 4), np.float32), posteriors, np.empty((n, 0), np.float32)
    )


def seen(scores: NDArray[np.float64]) -> FaceFrames:
    """Frames [n, n_classes] whose posteriors are the softmax of scores."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return frames_of((raised / raised.sum(axis=1, keepdims=True)).astype(np.float32))


def onnx_model(
    weights: NDArray[np.float32],
    *,
    output: str = "probabilities",
    shape_in: Sequence[int | str] = (),
    after: str = "Softmax",
    type_in: int = TensorProto.FLOAT,
    more_inputs: bool = False,
) -> bytes:
    """A linear classifier: [n, features] @ weights, and one operator after it."""
    n_features, n_classes = weights.shape
    names = ["x", *(["y"] if more_inputs else [])]
    inputs = [helper.make_tensor_value_info(name, type_in, shape_in or ["n", n_features]) for name in names]
    nodes = [
        helper.make_node("Cast", ["x"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["real"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        helper.make_node(after, ["scores"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        inputs,
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", n_classes])],
        [numpy_helper.from_array(weights.astype(np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    content: bytes = model.SerializeToString()
    return content


def classifier(n_features: int, classes: Sequence[str], *, seed: int = 0, **how: Any) -> Model:
    """A classifier that was never trained."""
    weights = np.random.default_rng(seed).normal(size=(n_features, len(classes)))
    return Model(onnx_model(weights, **how), tuple(classes))


@cache
def front_end(classes: tuple[str, ...] = FER2013) -> Bundle:
    """A bundle to start training from: a face network, and a voice measured by the smallest feature set."""
    weights = np.random.default_rng(0).normal(scale=1e-2, size=(FACE_PX**2, len(classes)))
    network = onnx_model(weights, output="posteriors", shape_in=("n", 1, FACE_PX, FACE_PX))
    voice = VoicePart(VoiceSpec(), classifier(N_VOICE, classes))
    return Bundle("front-end", classes, voice=voice, face=FacePart(FaceSpec(classes, FACE_PX), network))


@cache
def small_bundle() -> Bundle:
    """A bundle with all its parts, trained on three classes."""
    return training.fit(clouds(), front_end(), name="small", seed=0)


def clouds(
    speakers: int = 4,
    clips: int = 4,
    classes: Sequence[str] = THREE,
    *,
    modalities: Sequence[str] = ("voice", "face"),
    class_offset: float = 1.0,
    speaker_offset: float = 1.0,
    relabel: Callable[[int, np.random.Generator], Sequence[str]] | None = None,
    seed: int = 0,
) -> Table:
    """Clips of every class by every speaker, around what the class and what the speaker is like.

    `relabel` gives each speaker's labels anew, so that they have nothing to do with the vectors.
    """
    rng = np.random.default_rng(seed)
    shapes = {"voice": (1, N_VOICE), "face": (N_FRAMES, len(FER2013))}
    apart = {"voice": class_offset, "face": FACE_OFFSET * class_offset}
    of_class = {m: apart[m] * rng.normal(size=(len(classes), *shapes[m])) for m in modalities}
    evidence, labels, names = [], [], []
    for speaker in range(speakers):
        own = {m: speaker_offset * rng.normal(size=shapes[m]) for m in modalities}
        for kind, label in enumerate(classes):
            for _ in range(clips):
                measured = {m: of_class[m][kind] + own[m] + rng.normal(size=shapes[m]) for m in modalities}
                heard, looks = measured.get("voice"), measured.get("face")
                evidence.append(
                    Evidence(
                        voice=None if heard is None else heard.astype(np.float32),
                        face=None if looks is None else seen(looks),
                    )
                )
                labels.append(label)
        if relabel is not None:
            labels[-clips * len(classes) :] = relabel(speaker, rng)
        names += [f"speaker-{speaker:02d}"] * (clips * len(classes))
    return Table(tuple(evidence), tuple(labels), tuple(names))
