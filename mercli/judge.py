"""What a bundle's classifiers say of the evidence from one file."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mercli.bundle import Bundle, Model
from mercli.face.frames import FaceFrames
from mercli.face.pooling import STEPS, pool, vector_names
from mercli.face.spec import RECURRENT
from mercli.fusion import JOINT, Layout, fuse, joint_vectors
from mercli.inference import Classifier, to_posteriors
from mercli.observer import Evidence
from mercli.voice.sets import feature_set


@dataclass(frozen=True, slots=True)
class Result:
    """Hold what is known of one file: a row of the table.

    Parameters
    ----------
    status : str
        ``"ok"``; ``"partial"``, an answer that rests on less than was wanted; ``"failed"``, no answer;
        ``"crashed"`` and ``"timeout"``, the worker did not live to give one.
    evidence : Evidence
        What was measured.
    fused, voice, face : np.ndarray or None
        Posteriors over the bundle's classes.
    error : str or None
        What was missing or went wrong.
    passing : bool
        Whether that may be gone the next time, because it does not lie in the file.
    """

    status: str
    evidence: Evidence
    fused: NDArray[np.float64] | None = None
    voice: NDArray[np.float64] | None = None
    face: NDArray[np.float64] | None = None
    error: str | None = None
    passing: bool = False


def layout_of(bundle: Bundle) -> Layout:
    """Say what a joint network behind a bundle's front end is given."""
    n_voice = len(feature_set(bundle.voice_spec).short_term_names())
    n_face = len(vector_names(replace(bundle.face.spec, pooling=RECURRENT))) // STEPS if bundle.face else 0
    return Layout(STEPS, n_voice, n_face)


class Judge:
    """Turn evidence into posteriors by a bundle's classifiers.

    Parameters
    ----------
    bundle : Bundle
        The classifiers.

    Raises
    ------
    BundleError
        If one does not fit the vectors or classes of the bundle.
    """

    def __init__(self, bundle: Bundle) -> None:
        n_classes = len(bundle.classes)

        def classifier(model: Model, n_features: int, what: str) -> Classifier:
            return Classifier(model.onnx, model.classes, bundle.classes, n_features, what)

        self._voice = self._face = self._fusion = None
        self._frame_columns: list[int] = []
        self._n_classes = n_classes
        if bundle.voice:
            names = feature_set(bundle.voice.spec).clip_names()
            self._voice = classifier(bundle.voice.model, len(names), "the voice model")
        if bundle.face and bundle.face.model:
            names = vector_names(bundle.face.spec)
            self._face_spec = bundle.face.spec
            self._face = classifier(bundle.face.model, len(names), "the face model")
        elif bundle.face:
            self._frame_columns = [bundle.classes.index(name) for name in bundle.face.spec.classes]
        self._layout = layout_of(bundle) if bundle.fusion and bundle.fusion.kind == JOINT else None
        if bundle.fusion:
            n_features = self._layout.n_features if self._layout else 2 * n_classes
            self._fusion = classifier(bundle.fusion.model, n_features, "the fusion model")
        self._sequence_spec = replace(bundle.face.spec, pooling=RECURRENT) if bundle.face else None

    def judge(self, evidence: Evidence) -> Result:
        """Give the result of one file from what was measured in it."""
        voice = self._voice_posterior(evidence.voice)
        face = self._face_posterior(evidence.face)
        fused = self._fused(evidence, voice, face)
        problems = [*evidence.missing, *([evidence.damage] if evidence.damage else [])]
        status = "failed" if fused is None else "partial" if problems else "ok"
        return Result(status, evidence, fused, voice, face, "; ".join(problems) or None)

    def _fused(
        self, evidence: Evidence, voice: NDArray[np.float64] | None, face: NDArray[np.float64] | None
    ) -> NDArray[np.float64] | None:
        if self._layout is None or self._fusion is None or self._sequence_spec is None:
            return fuse(voice, face, self._fusion)
        faces = None if evidence.face is None else pool(evidence.face, self._sequence_spec)
        rows = joint_vectors(evidence.voice_sequences, faces, self._layout)
        if not len(rows):
            return None
        mean: NDArray[np.float64] = self._fusion.posteriors(rows).mean(axis=0)
        return mean

    def _voice_posterior(self, views: NDArray[np.float32] | None) -> NDArray[np.float64] | None:
        if views is None or self._voice is None:
            return None
        mean: NDArray[np.float64] = self._voice.posteriors(views).mean(axis=0)
        return mean

    def _face_posterior(self, frames: FaceFrames | None) -> NDArray[np.float64] | None:
        if frames is None:
            return None
        if self._face is not None:
            row: NDArray[np.float64] = self._face.posteriors(pool(frames, self._face_spec)).mean(axis=0)
        elif self._frame_columns:
            # The original's answer: the frames' posteriors, averaged.
            row = np.zeros(self._n_classes)
            means = frames.posteriors.mean(axis=0, dtype=np.float64, keepdims=True)
            row[self._frame_columns] = to_posteriors(means, "the face network")[0]
        else:
            return None
        return row
