"""What a bundle's classifiers say of the evidence from one file."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mercli.bundle import Bundle, Model
from mercli.face.frames import FaceFrames
from mercli.face.pooling import STEPS, pool, vector_names
from mercli.face.spec import RECURRENT
from mercli.fusion import JOINT, Layout, fuse, joint_vectors
from mercli.inference import Classifier, to_posteriors
from mercli.moments import Moment
from mercli.observer import Evidence
from mercli.voice.sets import feature_set

PROBABILITY_DIGITS = 6
"""Decimals to which a probability is told: further ones depend on the machine."""


def likeliest(posterior: NDArray[np.float64]) -> int:
    """Give the index of the likeliest class, the first of those that are told to be equally likely."""
    told = _told(posterior)
    return told.index(max(told))


@dataclass(frozen=True, slots=True)
class Timeline:
    """Hold what was said of a clip second by second.

    Parameters
    ----------
    starts_s, ends_s : np.ndarray [shape=(n,)]
        Each second; the last may be shorter.
    fused, voice, face : np.ndarray [shape=(n, n_classes)]
        Posteriors over the bundle's classes, NaN where nothing was said.
    """

    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    fused: NDArray[np.float64]
    voice: NDArray[np.float64]
    face: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Result:
    """Hold what is known of one file: a row of the table, and one for each other face.

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
    others : tuple of Result
        What is said of the faces that are not the main one, each by itself.
    timeline : Timeline or None
        What is said of each second, where that was asked for.
    """

    status: str
    evidence: Evidence
    fused: NDArray[np.float64] | None = None
    voice: NDArray[np.float64] | None = None
    face: NDArray[np.float64] | None = None
    error: str | None = None
    passing: bool = False
    others: tuple["Result", ...] = ()
    timeline: Timeline | None = None

    @property
    def decided_by(self) -> str | None:
        """The modality that decided: ``"voice"``, ``"face"`` or ``"both"``; None where there is no answer.

        With one of them missing it is the other. Else it is both if both name the answer, or find it equally
        likely; else the one that finds it likelier.
        """
        if self.fused is None:
            return None
        if self.voice is None or self.face is None:
            return "face" if self.voice is None else "voice"
        answer = likeliest(self.fused)
        voice, face = _told(self.voice)[answer], _told(self.face)[answer]
        if likeliest(self.voice) == likeliest(self.face) == answer or voice == face:
            return "both"
        return "voice" if voice > face else "face"


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
        fused, voice, face = self._posteriors(evidence)
        problems = [*evidence.missing, *([evidence.damage] if evidence.damage else [])]
        status = "failed" if fused is None else "partial" if problems else "ok"
        # The voice is the main speaker's: the other faces neither have one nor lack one.
        alone = (
            replace(
                evidence,
                voice=None,
                voice_sequences=None,
                face=face,
                n_face_frames=len(face),
                missing=(),
                other_faces=(),
            )
            for face in evidence.other_faces
        )
        others = tuple(self.judge(evidence) for evidence in alone)
        return Result(status, evidence, fused, voice, face, "; ".join(problems) or None, others=others)

    def over_time(self, moments: Iterable[Moment]) -> Timeline:
        """Give what is said of a clip second by second, as if each second were a clip."""
        nothing = np.full(self._n_classes, np.nan)
        seconds: list[tuple[float, float]] = []
        said: list[list[NDArray[np.float64]]] = []
        for moment in moments:
            seconds.append((moment.start_s, moment.end_s))
            said.append([nothing if p is None else p for p in self._posteriors(moment.evidence)])
        edges = np.array(seconds).reshape(-1, 2)
        return Timeline(*edges.T, *np.array(said).reshape(-1, 3, self._n_classes).swapaxes(0, 1))

    def _posteriors(
        self, evidence: Evidence
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """Give the fused posterior, and those of the voice and of the face."""
        voice = self._voice_posterior(evidence.voice)
        face = self._face_posterior(evidence.face)
        return self._fused(evidence, voice, face), voice, face

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


def _told(posterior: NDArray[np.float64]) -> list[float]:
    return [round(float(p), PROBABILITY_DIGITS) for p in posterior]
