"""Labelled vectors, several of them a clip: what a classifier learns from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Hold labelled vectors: one entry a row in each field.

    Parameters
    ----------
    X : np.ndarray of float32 [shape=(n, n_features)]
        The vectors.
    labels, speakers : np.ndarray of str [shape=(n,)]
        What each row is called, and who it is.
    clips : np.ndarray of int [shape=(n,)]
        Which clip each row belongs to. A clip has one label and one speaker.
    heard : np.ndarray of bool [shape=(n,)]
        The rows that prediction sees of a clip, one at least; the others, altered copies, only train.
    """

    X: NDArray[np.float32]
    labels: NDArray[np.str_]
    speakers: NDArray[np.str_]
    clips: NDArray[np.int_]
    heard: NDArray[np.bool_]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int_]) -> "Rows":
        """Give some of the rows, by a mask or by index."""
        return Rows(self.X[rows], self.labels[rows], self.speakers[rows], self.clips[rows], self.heard[rows])

    def per_clip(self) -> tuple[NDArray[np.int_], NDArray[np.str_], NDArray[np.str_]]:
        """Give every clip once, in order: its number, label and speaker [shape=(n_clips,) each]."""
        clips, first = np.unique(self.clips, return_index=True)
        return clips, self.labels[first], self.speakers[first]

    def weights(self) -> NDArray[np.float64]:
        """Give each row's say [shape=(n,)], sum 1: equal classes, and within a class equal clips."""
        _, clip, count = np.unique(self.clips, return_inverse=True, return_counts=True)
        classes, kind = np.unique(self.labels, return_inverse=True)
        say = 1 / count[clip]
        weights: NDArray[np.float64] = say / np.bincount(kind, say)[kind] / len(classes)
        return weights

    def learnable(self) -> "Rows":
        """Give the rows of classes with two clips or more: one clip cannot be held back and learnt from too."""
        _, labels, _ = self.per_clip()
        names, count = np.unique(labels, return_counts=True)
        return self.take(np.isin(self.labels, names[count > 1]))

    def thinned(self, most: int) -> "Rows":
        """Give about `most` rows, as many of each clip, those that prediction sees before the others.

        Of more clips than that, a class keeps at most its share of them, spread over all there are.
        """
        clips, labels, _ = self.per_clip()
        if len(clips) > most:
            share = most // len(set(labels))
            clips = np.concatenate([_spread(clips[labels == label], share) for label in np.unique(labels)])
        order = np.lexsort((~self.heard, self.clips))  # stable: else as they came
        _, start = np.unique(self.clips[order], return_index=True)
        rank = np.empty(len(order), np.int_)
        rank[order] = np.arange(len(order)) - np.repeat(start, np.diff([*start, len(order)]))
        return self.take(np.isin(self.clips, clips) & (rank < max(1, most // len(clips))))


def clip_means(values: NDArray[np.float64], clips: NDArray[np.int_]) -> NDArray[np.float64]:
    """Average the rows [shape=(n, m)] of each clip [shape=(n_clips, m)], in the order of `Rows.per_clip`."""
    _, clip, count = np.unique(clips, return_inverse=True, return_counts=True)
    total = np.zeros((len(count), values.shape[1]))
    np.add.at(total, clip, values)
    return total / count[:, np.newaxis]


def standardisation(X: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the mean and the deviation [shape=(n_features,) each] of the columns; of a constant one, 1."""
    varied = X.max(axis=0) > X.min(axis=0)
    return X.mean(axis=0, dtype=np.float64), np.where(varied, X.std(axis=0, dtype=np.float64), 1.0)


def _spread(clips: NDArray[np.int_], most: int) -> NDArray[np.int_]:
    kept: NDArray[np.int_] = clips[np.linspace(0, len(clips) - 1, max(1, min(most, len(clips)))).astype(int)]
    return kept
