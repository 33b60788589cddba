"""Which setting of a classifier and which classifier does best on speakers it did not hear."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mercli import corpora
from mercli.classifiers.calibrated import Average, Calibrated, Estimator, Scorer, fit_temperature, softmax
from mercli.classifiers.forest import fit_forest
from mercli.classifiers.joint import fit_joint
from mercli.classifiers.kernel import fit_svm
from mercli.classifiers.linear import fit_lda, fit_logistic
from mercli.classifiers.product import fit_product
from mercli.classifiers.recurrent import fit_recurrent
from mercli.classifiers.rows import Rows, clip_means
from mercli.fusion import Layout


@dataclass(frozen=True, slots=True)
class Family:
    """Hold a kind of classifier: how all of a grid is trained, and the grid, the plainest first."""

    fit: Callable[[Rows, Sequence[dict[str, float]], int], Sequence[Scorer]]
    grid: tuple[dict[str, float], ...]


FAMILIES: dict[str, Family] = {
    "lda": Family(fit_lda, tuple({"shrinkage": s} for s in (0.8, 0.6, 0.4, 0.2, 0.1))),
    "logistic": Family(fit_logistic, tuple({"C": c} for c in (0.003, 0.01, 0.03, 0.1))),
    "svm": Family(fit_svm, tuple({"gamma": g, "C": c} for g in (0.03, 0.1, 0.3) for c in (10.0, 100.0))),
    "forest": Family(fit_forest, ({"min_samples_leaf": 5},)),
}
AVERAGE = "average"
AVERAGED = ("lda", "logistic", "svm")  # forests did worst
NAMES = (*FAMILIES, AVERAGE)


def product(columns: Sequence[str]) -> Family:
    """Give the products of posteriors over these classes; see `fit_product`."""
    return Family(partial(fit_product, columns=columns), ({},))


def recurrent(steps: int) -> Family:
    """Give the recurrent networks over sequences of this length; see `fit_recurrent`."""
    return Family(partial(fit_recurrent, steps=steps), ({"units": 24, "epochs": 40},))


def joint(layout: Layout) -> Family:
    """Give the joint networks over vectors of this layout; see `fit_joint`."""
    return Family(partial(fit_joint, layout=layout), ({"channels": 24, "epochs": 20},))


def train(name: str | Family, rows: Rows, *, seed: int) -> Estimator | None:
    """Train a classifier, its setting and temperature found on speakers left out in turn.

    Parameters
    ----------
    name : str or Family
        One of `NAMES`, or a family that they do not name.
    rows : Rows
        What there is to learn from. A class with one clip is not learnt.
    seed : int
        Of folds and forest.

    Returns
    -------
    Estimator or None
        None where there are not two classes with two clips each.

    Raises
    ------
    KeyError
        If there is no such name.
    """
    found = train_and_hold_out(name, rows, seed=seed)
    return found[0] if found else None


def train_and_hold_out(
    name: str | Family, rows: Rows, *, seed: int
) -> tuple[Estimator, NDArray[np.float64]] | None:
    """Train a classifier, and keep what the search's own models said of the speakers they did not hear.

    Parameters
    ----------
    name, rows, seed
        See `train`.

    Returns
    -------
    estimator : Estimator
        As `train` gives it.
    held_out : np.ndarray [shape=(n_clips, n_classes)]
        Posteriors of the clips, in the order of `Rows.per_clip`; NaN where no model was trained without the
        speaker. Together they are None where there are not two classes with two clips each.

    Raises
    ------
    KeyError
        If there is no such name.
    """
    every_clip, _, _ = rows.per_clip()
    rows = rows.learnable()
    if len(set(rows.labels.tolist())) < 2:
        return None
    if isinstance(name, Family):
        families = {"": name}
    else:
        families = {member: FAMILIES[member] for member in (AVERAGED if name == AVERAGE else (name,))}
    members = {member: _train(family, rows, seed) for member, family in families.items()}
    of_rows = np.mean([said for _, said in members.values()], axis=0)
    held_out = np.full((len(every_clip), of_rows.shape[1]), np.nan)
    if next(_without_a_speaker(rows, seed), None) is not None:
        judged = ~np.isnan(of_rows).any(axis=1)
        clips = np.unique(rows.clips[judged])
        held_out[np.searchsorted(every_clip, clips)] = clip_means(of_rows[judged], rows.clips[judged])
    if name != AVERAGE:
        ((estimator, _),) = members.values()
        return estimator, held_out
    return Average({member: estimator for member, (estimator, _) in members.items()}), held_out


def choose(rows: Rows, families: Mapping[str, Family] = FAMILIES, *, seed: int) -> tuple[str, dict[str, float]]:
    """Compare classifiers on speakers that neither their training nor their search has heard.

    Parameters
    ----------
    rows : Rows
        What there is to learn from.
    families : mapping
        Those to compare, by name; where `AVERAGED` are among them, so is their average.
    seed : int
        Of folds and forests.

    Returns
    -------
    name : str
        The best, of equals the first; the last where speakers cannot be left out.
    table : dict of str to float
        The UAR of each, over clips; empty where speakers cannot be left out.
    """
    classes = np.unique(rows.labels)
    names = (*families, *([AVERAGE] if set(AVERAGED) <= set(families) else []))
    said = {name: np.full((len(rows.X), len(classes)), np.nan) for name in names}
    for held_out in _without_a_speaker(rows, seed):
        seen, rest = held_out & rows.heard, rows.take(~held_out)
        trained = {name: train(family, rest, seed=seed) for name, family in families.items()}
        if AVERAGE in names:
            trained |= _averaged(trained)
        for name, estimator in trained.items():
            if estimator is not None:
                said[name][seen] = 0.0
                columns = np.searchsorted(classes, estimator.classes_)
                said[name][np.ix_(seen, columns)] = estimator.predict_proba(rows.X[seen])
    if np.isnan(said[names[-1]]).all():
        return names[-1], {}
    table = {name: _uar(posteriors, rows) for name, posteriors in said.items()}
    return max(names, key=lambda name: table[name]), table


def divisions(rows: Rows, seed: int) -> list[NDArray[np.bool_]]:
    """Divide rows for a search.

    Parameters
    ----------
    rows : Rows
        Of classes with two clips or more each.
    seed : int
        Of the draw.

    Returns
    -------
    list of np.ndarray of bool [shape=(n,)]
        The rows held out each time: those of some speakers, or of some clips where without a speaker there would
        be nothing to tell apart or to judge.
    """
    from sklearn.model_selection import StratifiedKFold

    if found := list(_without_a_speaker(rows, seed)):
        return found
    clips, labels, _ = rows.per_clip()
    rarest = int(np.unique(labels, return_counts=True)[1].min())
    splitter = StratifiedKFold(min(5, rarest), shuffle=True, random_state=seed)
    return [np.isin(rows.clips, clips[held_out]) for _, held_out in splitter.split(labels, labels)]


def _without_a_speaker(rows: Rows, seed: int) -> Iterator[NDArray[np.bool_]]:
    clips, labels, speakers = rows.per_clip()
    for held_out in corpora.folds(labels.tolist(), speakers.tolist(), seed=seed):
        rest = set(np.delete(labels, held_out).tolist())
        if len(rest) > 1 and rest & set(labels[held_out].tolist()):
            yield np.isin(rows.clips, clips[held_out])


def _train(family: Family, rows: Rows, seed: int) -> tuple[Calibrated, NDArray[np.float64]]:
    """Train with the best setting; give the posteriors of held-out rows as well, NaN where not judged."""
    classes, kind = np.unique(rows.labels, return_inverse=True)
    best, found = -1.0, (1.0, family.grid[0], np.empty(0))
    for setting, scores in zip(family.grid, _held_out_scores(family, rows, classes, seed), strict=True):
        judged = ~np.isnan(scores).any(axis=1)
        temperature = fit_temperature(scores[judged], kind[judged], rows.clips[judged])
        posteriors = softmax(scores / temperature)
        if (uar := _uar(posteriors, rows)) > best:  # of equals the first
            best, found = uar, (temperature, setting, posteriors)
    temperature, setting, posteriors = found
    return Calibrated(family.fit(rows, [setting], seed)[0], temperature, setting), posteriors


def _held_out_scores(family: Family, rows: Rows, classes: NDArray[np.str_], seed: int) -> NDArray[np.float64]:
    """Score rows held out [setting, row, class]; NaN: not judged, minus infinity: a class not learnt."""
    scores = np.full((len(family.grid), len(rows.X), len(classes)), np.nan)
    for held_out in divisions(rows, seed):
        seen = held_out & rows.heard
        for said, scorer in zip(scores, family.fit(rows.take(~held_out), family.grid, seed), strict=True):
            said[seen] = -np.inf
            said[np.ix_(seen, np.searchsorted(classes, scorer.classes_))] = scorer.scores(rows.X[seen])
    return scores


def _averaged(trained: dict[str, Estimator | None]) -> dict[str, Estimator | None]:
    members = {name: estimator for name in AVERAGED if (estimator := trained[name]) is not None}
    return {AVERAGE: Average(members) if members else None}


def _uar(posteriors: NDArray[np.float64], rows: Rows) -> float:
    """Give the mean of the classes' recalls over the clips that were judged."""
    judged = np.flatnonzero(~np.isnan(posteriors).any(axis=1))
    means = clip_means(posteriors[judged], rows.clips[judged])
    _, labels, _ = rows.take(judged).per_clip()
    right = np.unique(rows.labels)[means.argmax(axis=1)] == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))
