"""Labelled evidence, and what was said of it: the rows that models are trained on and scored by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercli.classifiers import Rows
from mercli.evidence import Evidence
from mercli.face.pooling import pool
from mercli.face.spec import FaceSpec


@dataclass(frozen=True, slots=True)
class Table:
    """Hold labelled evidence: one entry a clip in each field.

    Parameters
    ----------
    evidence : tuple of Evidence
        What was measured.
    labels, speakers : tuple of str
        What it is called, and who it is.
    """

    evidence: tuple[Evidence, ...]
    labels: tuple[str, ...]
    speakers: tuple[str, ...]

    def take(self, rows: Sequence[int] | NDArray[np.int_]) -> "Table":
        """Give some of the rows."""
        return Table(
            tuple(self.evidence[i] for i in rows),
            tuple(self.labels[i] for i in rows),
            tuple(self.speakers[i] for i in rows),
        )

    def of_speakers(self, speakers: frozenset[str]) -> "Table":
        """Give the rows of some speakers."""
        return self.take([i for i, who in enumerate(self.speakers) if who in speakers])

    def with_modality(self, modality: str) -> NDArray[np.int_]:
        """Give the rows in which a modality was seen."""
        return np.flatnonzero([getattr(clip, modality) is not None for clip in self.evidence])

    def voice_rows(self) -> Rows:
        """Give what a classifier learns of the voice: the views of each clip, and those of its sound altered."""
        present = self.with_modality("voice")
        views = [self.evidence[i].voice for i in present]
        altered = [self.evidence[i].voice_altered for i in present]
        return self.rows(present, [view for view in views if view is not None], altered)

    def face_rows(self, spec: FaceSpec) -> Rows:
        """Give what a classifier learns of the face: the pooled stretches of each clip."""
        present = self.with_modality("face")
        frames = [self.evidence[i].face for i in present]
        return self.rows(present, [pool(clip, spec) for clip in frames if clip is not None])

    def rows(
        self,
        present: NDArray[np.int_],
        seen: Sequence[NDArray[np.float32]],
        more: Sequence[NDArray[np.float32] | None] = (),
    ) -> Rows:
        """Lay out what a classifier learns of some clips.

        Parameters
        ----------
        present : np.ndarray of int [shape=(n,)]
            Which clips.
        seen : sequence of np.ndarray [shape=(n_vectors, n_features)]
            The vectors that prediction sees of each, one at least.
        more : sequence of np.ndarray or None
            Others, which only train.

        Returns
        -------
        Rows
            Of all of them.
        """
        altered = more or [None] * len(seen)
        clips = [a if b is None else np.concatenate((a, b)) for a, b in zip(seen, altered, strict=True)]
        sizes = [len(clip) for clip in clips]
        return Rows(
            np.concatenate(clips).astype(np.float32) if clips else np.empty((0, 0), np.float32),
            np.repeat(np.array([self.labels[i] for i in present]), sizes),
            np.repeat(np.array([self.speakers[i] for i in present]), sizes),
            np.repeat(present, sizes),
            np.concatenate([np.arange(n) < len(a) for n, a in zip(sizes, seen, strict=True)])
            if clips
            else np.empty(0, np.bool_),
        )


@dataclass(frozen=True, slots=True)
class Posteriors:
    """Hold what was said of each row of a table: [n, n_classes] each, NaN where nothing was said."""

    voice: NDArray[np.float64]
    face: NDArray[np.float64]
    fused: NDArray[np.float64]
    words: NDArray[np.float64]

    @classmethod
    def nothing(cls, n: int, n_classes: int) -> "Posteriors":
        """Give a table of which nothing was said yet."""
        return cls(*(np.full((n, n_classes), np.nan) for _ in range(4)))

    def take(self, rows: NDArray[np.int_]) -> "Posteriors":
        """Give some of the rows."""
        return Posteriors(self.voice[rows], self.face[rows], self.fused[rows], self.words[rows])
