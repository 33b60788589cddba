"""Which features of the voice tell emotions apart, and how clips lie in their three leading dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli.bundle import Bundle
from mercli.classifiers.rows import clip_means
from mercli.evaluation.rounds import Round
from mercli.evaluation.scores import rates
from mercli.inference import Classifier
from mercli.table import Table
from mercli.voice.sets import feature_set
from mercli.voice.spec import VoiceSpec

_DIMENSIONS = 3
_TRIED = 150  # features that are permuted: of a larger set, those with the greatest F
_REPEATS = 5  # permutations of a feature


@dataclass(frozen=True, slots=True)
class Feature:
    """Hold how well one feature tells the classes apart.

    Parameters
    ----------
    name : str
        As in docs/feature-sets.md.
    f : float
        F of a one-way analysis of variance over the classes.
    mutual_information : float
        Between the feature and the class, in nats, by the distances to nearest neighbours (Ross, 2014).
    importance : float or None
        How much UAR the voice model loses on the clips tested when the feature's values are dealt out anew among
        them; None where that was not tried.
    """

    name: str
    f: float
    mutual_information: float
    importance: float | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Hold the features of a corpus.

    Parameters
    ----------
    feature_set : str
        Its name.
    features : tuple of Feature
        The greatest F first.
    explained : tuple of float
        The share of the variance of the standardised features in each leading dimension.
    points : np.ndarray [shape=(n_clips, 3)]
        The clips in these dimensions.
    labels : tuple of str
        Of the clips.
    """

    feature_set: str
    features: tuple[Feature, ...]
    explained: tuple[float, ...]
    points: NDArray[np.float64]
    labels: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "set": self.feature_set,
            "ranking": [
                {
                    "name": each.name,
                    "f": round(each.f, 3),
                    "mutual_information": round(each.mutual_information, 4),
                    "importance": None if each.importance is None else round(each.importance, 5),
                }
                for each in self.features
            ],
            "pca": {
                "explained": [round(share, 4) for share in self.explained],
                "points": [[round(v, 3) for v in point] for point in self.points.tolist()],
                "labels": list(self.labels),
            },
        }


def rank(table: Table, spec: VoiceSpec, rounds: Sequence[Round], *, seed: int) -> Ranking | None:
    """Rank the features of the voice.

    Parameters
    ----------
    table : Table
        Labelled evidence, its voice measured as `spec` says.
    spec : VoiceSpec
        Names the features.
    rounds : sequence of Round
        Models of the voice, each with rows whose speakers it does not know, for the importance.
    seed : int
        Of permutations.

    Returns
    -------
    Ranking or None
        None where fewer than four clips, or one class only, has a voice.
    """
    from sklearn.decomposition import PCA
    from sklearn.feature_selection import f_classif, mutual_info_classif

    present = table.with_modality("voice")
    labels = np.array(table.labels)[present]
    if len(present) <= _DIMENSIONS or len(set(labels.tolist())) < 2:
        return None
    X = np.array([views[0] for i in present if (views := table.evidence[i].voice) is not None], np.float64)
    deviation = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    varied = np.flatnonzero(deviation > 0)
    f = np.zeros(X.shape[1])
    f[varied] = np.nan_to_num(f_classif(X[:, varied], labels)[0])
    shared = np.zeros(X.shape[1])
    shared[varied] = mutual_info_classif(X[:, varied], labels, random_state=seed)
    order = np.argsort(-f, kind="stable")
    names = feature_set(spec).clip_names()
    importance = _importances(table, rounds, order[:_TRIED], seed)
    features = tuple(Feature(names[i], float(f[i]), float(shared[i]), importance.get(int(i))) for i in order)
    leading = PCA(_DIMENSIONS, svd_solver="covariance_eigh").fit(X)
    points: NDArray[np.float64] = leading.transform(X)
    shares = tuple(float(share) for share in leading.explained_variance_ratio_)
    return Ranking(spec.feature_set, features, shares, points, tuple(labels.tolist()))


def _importances(table: Table, rounds: Sequence[Round], tried: NDArray[np.int_], seed: int) -> dict[int, float]:
    """Give the mean loss of UAR over rounds and permutations, feature by feature."""
    rng = np.random.default_rng(seed)
    lost: dict[int, list[float]] = {int(i): [] for i in tried}
    for each in rounds:
        part = table.take(each.tested)
        heard = part.with_modality("voice")
        if each.bundle.voice is None or len(heard) < 2:
            continue
        judge = _VoiceJudge(each.bundle, part, heard)
        whole = judge.uar()
        for i in lost:
            lost[i] += [whole - judge.uar(i, rng.permutation(len(heard))) for _ in range(_REPEATS)]
    return {i: float(np.mean(losses)) for i, losses in lost.items() if losses}


class _VoiceJudge:
    """Judge the same clips again and again by a bundle's voice, one feature changed each time."""

    def __init__(self, bundle: Bundle, table: Table, heard: NDArray[np.int_]) -> None:
        assert bundle.voice is not None
        model = bundle.voice.model
        views = [view for i in heard if (view := table.evidence[i].voice) is not None]
        self._X = np.concatenate(views)
        self._views = views
        self._clips = np.repeat(np.arange(len(views)), [len(view) for view in views])
        self._classes = np.array(model.classes)
        self._classifier = Classifier(
            model.onnx, model.classes, model.classes, self._X.shape[1], "the voice model"
        )
        self._labels = np.array(table.labels)[heard]

    def uar(self, feature: int | None = None, order: NDArray[np.int_] | None = None) -> float:
        """Give the UAR, with the values of a feature dealt out anew among the clips in some order."""
        X = self._X
        if feature is not None and order is not None:
            X = X.copy()
            X[:, feature] = np.concatenate(
                [
                    _values(self._views[other], feature, len(own))
                    for own, other in zip(self._views, order, strict=True)
                ]
            )
        means = clip_means(self._classifier.posteriors(X), self._clips)
        answers = self._classes[means.argmax(axis=1)]
        names = sorted({*answers.tolist(), *self._labels.tolist()})
        matrix = np.zeros((1, len(names), len(names)))
        np.add.at(matrix[0], (np.searchsorted(names, self._labels), np.searchsorted(names, answers)), 1)
        return float(rates(matrix)["uar"][0])


def _values(views: NDArray[np.float32], feature: int, n: int) -> NDArray[np.float32]:
    """Give a feature in the first views of a clip; where there are too few, the last of them again."""
    values: NDArray[np.float32] = views[np.minimum(np.arange(n), len(views) - 1), feature]
    return values
