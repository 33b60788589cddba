"""Texts as vectors of hashed n-grams."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mercli.words.spec import WordsSpec


def vectors(texts: Sequence[str], spec: WordsSpec) -> NDArray[np.float32]:
    """Count the n-grams of texts.

    Parameters
    ----------
    texts : sequence of str
        One a clip.
    spec : WordsSpec
        What to count.

    Returns
    -------
    np.ndarray [shape=(n, n_features)]
        A row a text; of an empty one, zeros.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    counter = HashingVectorizer(
        n_features=spec.n_features, ngram_range=spec.word_ngrams, alternate_sign=False, norm="l2"
    )
    return np.asarray(counter.transform(texts).toarray(), np.float32)
