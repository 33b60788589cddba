"""What a bundle's classifiers say of the evidence from one file."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mercli.bundle import MODALITIES, Bundle, Model
from mercli.evidence import Evidence
from mercli.face.frames import FaceFrames
from mercli.face.pooling import STEPS, pool, vector_names
from mercli.face.spec import RECURRENT
from mercli.fusion import JOINT, Layout, fuse, join_words, joint_vectors
from mercli.inference import Classifier, to_posteriors
from mercli.result import Result, Timeline
from mercli.voice.sets import feature_set

if TYPE_CHECKING:
    from mercli.moments import Moment


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
    modalities : collection of str
        What there will be evidence of; classifiers of other things are not opened.

    Raises
    ------
    BundleError
        If one does not fit the vectors or classes of the bundle.
    """

    def __init__(self, bundle: Bundle, modalities: Collection[str] = MODALITIES) -> None:
        n_classes = len(bundle.classes)

        def classifier(model: Model, n_features: int, what: str) -> Classifier:
            return Classifier(model.onnx, model.classes, bundle.classes, n_features, what)

        self._voice = self._face = self._fusion = None
        self._frame_columns: list[int] = []
        self._n_classes = n_classes
        if bundle.voice and "voice" in modalities:
            names = feature_set(bundle.voice.spec).clip_names()
            self._voice = classifier(bundle.voice.model, len(names), "the voice model")
        face = bundle.face if "face" in modalities else None
        if face and face.model:
            names = vector_names(face.spec)
            self._face_spec = face.spec
            self._face = classifier(face.model, len(names), "the face model")
        elif face:
            self._frame_columns = [bundle.classes.index(name) for name in face.spec.classes]
        self._layout = layout_of(bundle) if bundle.fusion and bundle.fusion.kind == JOINT else None
        if bundle.fusion and (self._layout or {"voice", "face"} <= set(modalities)):
            n_features = self._layout.n_features if self._layout else 2 * n_classes
            self._fusion = classifier(bundle.fusion.model, n_features, "the fusion model")
        self._sequence_spec = replace(bundle.face.spec, pooling=RECURRENT) if bundle.face else None
        self._words = None
        if bundle.words and "words" in modalities:
            from mercli.words.reader import Reader

            self._words = Reader(bundle.words, bundle.classes)

    def judge(self, evidence: Evidence) -> Result:
        """Give the result of one file from what was measured in it."""
        fused, voice, face, words = self._posteriors(evidence)
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
                words=None,
                n_words=None,
            )
            for face in evidence.other_faces
        )
        others = tuple(self.judge(evidence) for evidence in alone)
        return Result(
            status,
            evidence,
            fused,
            voice,
            face,
            "; ".join(problems) or None,
            others=others,
            words=words,
            heeded=MODALITIES if self._words is None or self._words.weight else ("voice", "face"),
        )

    def over_time(self, moments: "Iterable[Moment]") -> Timeline:
        """Give what is said of a clip second by second, as if each second were a clip."""
        nothing = np.full(self._n_classes, np.nan)
        seconds: list[tuple[float, float]] = []
        said: list[list[NDArray[np.float64]]] = []
        for moment in moments:
            seconds.append((moment.start_s, moment.end_s))
            said.append([nothing if p is None else p for p in self._posteriors(moment.evidence)])
        edges = np.array(seconds).reshape(-1, 2)
        fused, voice, face, words = np.array(said).reshape(-1, 4, self._n_classes).swapaxes(0, 1)
        starts_s, ends_s = edges.T
        return Timeline(starts_s, ends_s, fused, voice, face, words if self._words else None)

    def _posteriors(self, evidence: Evidence) -> tuple[NDArray[np.float64] | None, ...]:
        """Give the fused posterior, and those of the voice, of the face and of the words."""
        voice = self._voice_posterior(evidence.voice)
        face = self._face_posterior(evidence.face)
        fused = self._fused(evidence, voice, face)
        if self._words is None:
            return fused, voice, face, None
        words = self._words.posterior(evidence.words)
        return join_words(fused, words, self._words.prior, self._words.weight), voice, face, words

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
