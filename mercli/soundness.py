"""Whether a bundle's models do what they have to: give posteriors, by weights that are numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli.bundle import Bundle
from mercli.errors import BundleError
from mercli.evidence import Evidence
from mercli.face.frames import FaceFrames
from mercli.face.spec import FaceSpec
from mercli.face.track import FaceNetwork
from mercli.fusion import JOINT
from mercli.inference import Classifier, messages, parse
from mercli.judge import Judge, layout_of
from mercli.voice.sets import feature_set
from mercli.words.cues import Words

_TEXTS = ("a", "Oh! What a day it was, and nobody knew what to say of it.")
_ROUNDING = 0.01  # of a sum that has to be 1: networks may count with 16 bits


def check_sound(bundle: Bundle) -> None:
    """Open every part of a bundle and try it, so that a bad one is refused before any file is read.

    Parameters
    ----------
    bundle : Bundle
        As it was loaded.

    Raises
    ------
    BundleError
        If a part cannot be opened, does not fit the others, holds a weight that is NaN, or does not give
        posteriors for every one of a batch.
    """
    judge = Judge(bundle)
    network = FaceNetwork(bundle.face.network, bundle.face.spec) if bundle.face else None
    # Only now: opening refused models that keep data in other files.
    for content, what in _models(bundle):
        _refuse_nan(content, what)
    silent = ramp = blank = plain = None
    if bundle.voice:
        n = len(feature_set(bundle.voice.spec).clip_names())
        silent, ramp = np.zeros((1, n), np.float32), np.linspace(-1, 1, n, dtype=np.float32)[np.newaxis]
    if bundle.face and network:
        blank, plain = _try_faces(network, bundle.face.spec)
        judge.judge(Evidence(face=blank))
    judge.judge(Evidence(voice=silent, face=blank))
    judge.judge(Evidence(voice=ramp, face=plain))
    if bundle.words:
        for text in _TEXTS:
            judge.judge(Evidence(words=Words((0.0,), (1.0,), (text,))))
    if bundle.fusion:
        tried = _try_fusion(bundle, bundle.fusion.kind)
        model = bundle.fusion.model
        fusion = Classifier(model.onnx, model.classes, bundle.classes, tried.shape[1], "the fusion model")
        fusion.posteriors(tried)


def check_face_network(model: bytes, spec: FaceSpec) -> None:
    """Open a face network from elsewhere and try it by its contract.

    Parameters
    ----------
    model : bytes
        The ONNX file's content.
    spec : FaceSpec
        With the contract.

    Raises
    ------
    BundleError
        If it cannot be opened, holds a weight that is NaN, or does not give what the contract says.
    """
    network = FaceNetwork(model, spec)
    _refuse_nan(model, "the face network", "it")
    if network.adapter is None:
        raise BundleError("the face network has no contract")
    said = np.concatenate([network.adapter.answer(crops) for crops in _crops(spec.input_px)])
    near = 1e-4 if network.adapter.gives_logits else _ROUNDING  # so close to 1 logits are not by chance
    are_probabilities = (said > -near).all() and np.allclose(said.sum(axis=1), 1, atol=near)
    if network.adapter.gives_logits and are_probabilities:
        raise BundleError("it gives probabilities where its contract says logits")
    if not network.adapter.gives_logits and not are_probabilities:
        raise BundleError("it gives what are no probabilities where its contract says so: are they logits?")
    _try_faces(network, spec)


def _try_fusion(bundle: Bundle, kind: str) -> NDArray[np.float32]:
    """Give vectors as the fusion has to take them, whatever the bundle's parts say or lack."""
    if kind != JOINT:
        n = len(bundle.classes)
        return np.stack([np.zeros(2 * n), np.full(2 * n, -np.log(n))]).astype(np.float32)
    flags = np.array([[1, 1], [1, 0], [0, 1]])
    nothing = np.zeros((len(flags), layout_of(bundle).n_features - flags.shape[1]))
    return np.concatenate((nothing, flags), axis=1).astype(np.float32)


def _models(bundle: Bundle) -> Iterator[tuple[bytes, str]]:
    if bundle.voice:
        yield bundle.voice.model.onnx, "the voice model"
    if bundle.face:
        yield bundle.face.network, "the face network"
        if bundle.face.model:
            yield bundle.face.model.onnx, "the face model"
    if bundle.fusion:
        yield bundle.fusion.model.onnx, "the fusion model"
    if bundle.words:
        yield bundle.words.model.onnx, "the words model"


def _refuse_nan(model: bytes, what: str, refused: str = "the bundle") -> None:
    for message in messages(parse(model, what)):
        try:
            broken = any(np.isnan(numbers).any() for numbers in _numbers(message))
        except Exception as error:  # onnx raises what numpy does, or its own
            raise BundleError(f"{what} holds a tensor that is not understood; {refused} is refused") from error
        if broken:
            raise BundleError(f"{what} holds a weight that is NaN; {refused} is refused")


def _numbers(message: Any) -> Iterator[NDArray[Any]]:
    """Give the numbers in a message that can be NaN: those of trees are in attributes, not tensors."""
    from onnx import TensorProto, numpy_helper

    if isinstance(message, TensorProto):
        if message.data_type != TensorProto.STRING:
            yield numpy_helper.to_array(message)
        return
    for field, value in message.ListFields():
        if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
            yield np.asarray(value)


def _try_faces(network: FaceNetwork, spec: FaceSpec) -> tuple[FaceFrames, FaceFrames]:
    """Give the frames of a clip with one black crop, and of one with a crop of black, of a ramp and of noise."""
    side = spec.input_px
    clips = []
    for seen in _crops(side):
        posteriors, embeddings = network.look(seen)
        if not np.allclose(posteriors.sum(axis=1), 1, atol=_ROUNDING):
            raise BundleError("the face network gives values that do not sum to 1, which are no posteriors")
        boxes = np.tile(np.array([0, 0, side, side], np.float32), (len(seen), 1))
        clips.append(FaceFrames(np.arange(len(seen)) / 10, boxes, posteriors, embeddings))
    return clips[0], clips[1]


def _crops(side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give a black crop, and three: black, a ramp and noise."""
    ramp = np.linspace(0, 255, side**2).reshape(side, side)
    noise = np.random.default_rng(0).integers(0, 256, (side, side))
    crops = np.stack([np.zeros((side, side)), ramp, noise]).astype(np.uint8)
    return crops[:1], crops
