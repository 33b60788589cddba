"""Train a classifier of texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mercli import classifiers
from mercli.bundle import Model
from mercli.classifiers import Rows
from mercli.errors import CorpusError
from mercli.learning import learn
from mercli.words.spec import WordsSpec
from mercli.words.vector import vectors


def learn_words(
    texts: Sequence[str], labels: Sequence[str], groups: Sequence[str], *, seed: int
) -> tuple[Model, WordsSpec, dict[str, Any]]:
    """Train a classifier of texts.

    Parameters
    ----------
    texts, labels, groups : sequence of str
        What was said, what it is called, and what it belongs to, such as a dialogue.
    seed : int
        Of the folds, which keep groups together.

    Returns
    -------
    model : Model
        For a bundle.
    spec : WordsSpec
        How texts are measured.
    record : dict
        How it was found: JSON values.

    Raises
    ------
    CorpusError
        If there is too little to train on.
    """
    spec = WordsSpec(prior=())
    n = len(texts)
    rows = Rows(vectors(texts, spec), np.array(labels), np.array(groups), np.arange(n), np.ones(n, np.bool_))
    learnt = learn(rows, "logistic", classifiers.FAMILIES, n_clips=n, seed=seed)
    if learnt is None:
        raise CorpusError("too little to learn words from: two classes with two texts each are needed")
    counts = np.array([sum(label == name for label in labels) for name in learnt.model.classes], float)
    prior = tuple(float(p) for p in counts / counts.sum())
    return learnt.model, WordsSpec(prior=prior), learnt.record
