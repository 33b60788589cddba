"""Train a classifier of texts."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mercli import classifiers, corpora
from mercli.bundle import Model
from mercli.classifiers.calibrated import Calibrated, softmax
from mercli.errors import CorpusError, MercliError
from mercli.inference import Classifier
from mercli.words import model
from mercli.words.model import WordsLinear
from mercli.words.spec import WordsSpec
from mercli.words.vector import indices

GRID = tuple({"C": C, "evenness": evenness} for C, evenness in product((0.5, 1.0, 2.0), (0.5, 0.75)))
"""What is compared: C, and how much of the way to equal classes the rows' weights go."""

_TEMPERATURES = np.geomspace(0.25, 4, 81)
_AGREEMENT = 1e-5  # between a classifier and its ONNX form, in probability
_COMPARED = 256  # texts on which that is looked at: dense, they are 64 MiB


def learn_words(
    texts: Sequence[str], labels: Sequence[str], groups: Sequence[str], *, seed: int, language: str = "en"
) -> tuple[Model, WordsSpec, dict[str, Any]]:
    """Train a classifier of texts.

    The strength of regularisation, the say of rare classes and the temperature are found on groups left out in
    turn.

    Parameters
    ----------
    texts, labels, groups : sequence of str
        What was said, what it is called, and what it belongs to, such as a dialogue. Texts without a word or a
        mark are left out. Where all belong to one group, each is taken for a group.
    seed : int
        Of the folds.
    language : str
        Of the texts: a code of two letters.

    Returns
    -------
    model : Model
        For a bundle.
    spec : WordsSpec
        How texts are measured.
    record : dict
        How it was found, and what models without a text's group said of it: JSON values.

    Raises
    ------
    CorpusError
        If there are not two classes with two texts each.
    MercliError
        If the ONNX form answers otherwise, by more than 1e-5 in probability.
    """
    X, kept = _learnable(texts, np.array(labels, dtype=str))
    y, of = np.array(labels, dtype=str)[kept], np.array(groups, dtype=str)[kept]
    chosen, said, compared = _choose(X, y, of, seed)
    classes, kind = np.unique(y, return_inverse=True)
    weights, prior = weighting(kind, chosen["evenness"])
    temperature = fit_temperature(said, kind, weights)
    estimator = Calibrated(model.fit(X, y, chosen["C"], weights), temperature, chosen)
    spec = WordsSpec(prior=tuple(prior.tolist()), language=language)
    record = {
        "name": "logistic",
        **estimator.settings,
        "n_texts": len(y),
        "n_groups": len(set(of.tolist())),
        "held_out": scores(said, kind, classes),
        "compared_weighted_f1": compared,
    }
    return to_model(estimator, X), spec, record


def weighting(kind: NDArray[np.int_], evenness: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight rows so that rare classes have a larger say.

    Parameters
    ----------
    kind : np.ndarray of int [shape=(n,)]
        Each row's class.
    evenness : float
        0 leaves rows as they are, 1 gives the classes the same say.

    Returns
    -------
    weights : np.ndarray [shape=(n,)]
        Each row's, 1 on average.
    prior : np.ndarray [shape=(n_classes,)]
        Each class' share of the weights: what a model so trained expects of a text not yet read.
    """
    share = np.bincount(kind) / len(kind)
    say = share**-evenness
    say /= share @ say
    return say[kind], share * say


def fit_temperature(said: NDArray[np.float64], kind: NDArray[np.int_], weights: NDArray[np.float64]) -> float:
    """Find the temperature at which held-out texts are judged with the right confidence.

    Parameters
    ----------
    said : np.ndarray [shape=(n, n_classes)]
        Scores of texts that were not learnt from; minus infinity: of a class not learnt.
    kind : np.ndarray of int [shape=(n,)]
        The class of each.
    weights : np.ndarray [shape=(n,)]
        Those of the training: the posteriors are to be right for its prior.

    Returns
    -------
    float
        Of some, that with the least log loss.
    """
    rows = np.arange(len(kind))
    losses = [-weights @ np.log(softmax(said / t)[rows, kind] + 1e-6) for t in _TEMPERATURES]
    return float(_TEMPERATURES[np.argmin(losses)])


def scores(said: NDArray[np.float64], kind: NDArray[np.int_], classes: NDArray[np.str_]) -> dict[str, Any]:
    """Give accuracy and F1 of scores or posteriors [shape=(n, n_classes)] of texts of known kinds."""
    best, n = said.argmax(axis=1), len(classes)
    right, were, called = (np.bincount(each, minlength=n) for each in (kind[best == kind], kind, best))
    by_class = 2 * right / np.maximum(were + called, 1)
    return {
        "accuracy": round(float((best == kind).mean()), 4),
        "weighted_f1": round(float(by_class @ were / len(kind)), 4),
        "macro_f1": round(float(by_class.mean()), 4),
    }


def to_model(estimator: Calibrated, X: csr_array) -> Model:
    """Write a classifier as ONNX, and try it on some of its texts.

    Parameters
    ----------
    estimator : Calibrated
        What was trained.
    X : sparse array [shape=(n, n_features)]
        What it was trained on.

    Returns
    -------
    Model
        For a bundle.

    Raises
    ------
    MercliError
        If the ONNX form answers otherwise, by more than 1e-5 in probability.
    """
    written = Model(classifiers.to_onnx(estimator), tuple(str(label) for label in estimator.classes_))
    some = X[np.unique(np.linspace(0, X.shape[0] - 1, _COMPARED).astype(int))]
    network = Classifier(written.onnx, written.classes, written.classes, X.shape[1], "a trained model of words")
    said = network.posteriors(some.toarray().astype(np.float32))
    apart = np.abs(said - estimator.predict_proba(some)).max()
    if apart > _AGREEMENT:
        raise MercliError(f"the model of words in ONNX differs from the trained one by {apart:.2g}: a bug")
    return written


def marks(texts: Sequence[str], spec: WordsSpec) -> csr_array:
    """Give what `mercli.words.vector.vectors` does as a sparse array of doubles."""
    found = [indices(text, spec) for text in texts]
    ends = np.cumsum([0, *map(len, found)])
    columns = np.fromiter((index for row in found for index in row), np.int64, ends[-1])
    return csr_array((np.ones(ends[-1]), columns, ends), shape=(len(texts), spec.n_features))


def _learnable(texts: Sequence[str], labels: NDArray[np.str_]) -> tuple[csr_array, NDArray[np.int_]]:
    """Give the texts that hold something, of classes with two of them or more, and their places."""
    X = marks(texts, WordsSpec(prior=()))
    held = np.diff(X.indptr) > 0
    names, count = np.unique(labels[held], return_counts=True)
    kept = np.flatnonzero(held & np.isin(labels, names[count > 1]))
    if (count > 1).sum() < 2:
        raise CorpusError("too little to learn words from: two classes with two texts each are needed")
    return X[kept], kept


def _choose(
    X: csr_array, y: NDArray[np.str_], groups: NDArray[np.str_], seed: int
) -> tuple[dict[str, float], NDArray[np.float64], list[dict[str, float]]]:
    """Find the best of `GRID`; give its held-out scores, and the weighted F1 of all."""
    classes, kind = np.unique(y, return_inverse=True)
    best, chosen, scored, compared = -1.0, GRID[0], np.empty((0, 0)), []
    folds = list(_folds(y, groups, seed))
    for setting in GRID:
        said = np.full((len(y), len(classes)), -np.inf)
        for held_out in folds:
            rest = np.setdiff1d(np.arange(len(y)), held_out)
            weights, _ = weighting(np.unique(y[rest], return_inverse=True)[1], setting["evenness"])
            trained = model.fit(X[rest], y[rest], setting["C"], weights)
            said[np.ix_(held_out, np.searchsorted(classes, trained.classes_))] = trained.scores(X[held_out])
        reached = scores(said, kind, classes)["weighted_f1"]
        compared.append({**setting, "weighted_f1": reached})
        if reached > best:  # of equals the first
            best, chosen, scored = reached, setting, said
    return chosen, scored, compared


def _folds(y: NDArray[np.str_], groups: NDArray[np.str_], seed: int) -> Iterator[NDArray[np.int_]]:
    """Give the rows left out in turn; of the rest two classes can always be learnt."""
    if len(set(groups.tolist())) < 2 or not all(
        len(set(np.delete(y, held_out).tolist())) > 1
        for held_out in corpora.folds(y.tolist(), groups.tolist(), seed=seed)
    ):
        groups = np.arange(len(y)).astype(str)
    yield from corpora.folds(y.tolist(), groups.tolist(), seed=seed)


__all__ = ["GRID", "WordsLinear", "fit_temperature", "learn_words", "marks", "scores", "to_model", "weighting"]
