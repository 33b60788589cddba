"""What a text classifier says of what is said in a clip."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mercli.bundle import WordsPart
from mercli.inference import Classifier
from mercli.words.cues import Words, stretches
from mercli.words.vector import vectors

_LONGEST = 1 << 16  # letters that are judged as one text: more would take memory in proportion


class Reader:
    """Turn transcripts into posteriors.

    Parameters
    ----------
    part : WordsPart
        The classifier. Of the classes that the bundle does not have nothing is said.
    classes : sequence of str
        The bundle's classes.

    Attributes
    ----------
    prior : np.ndarray [shape=(n_classes,)]
        How often each of the bundle's classes was in the training; 0 for one that was not.
    weight : float
        How much the words count beside voice and face.

    Raises
    ------
    BundleError
        If the classifier does not fit its vectors.
    """

    def __init__(self, part: WordsPart, classes: Sequence[str]) -> None:
        self._spec = part.spec
        own = part.model.classes
        self._classifier = Classifier(part.model.onnx, own, own, part.spec.n_features, "the words model")
        self._own = [i for i, name in enumerate(own) if name in classes]
        self._columns = [classes.index(own[i]) for i in self._own]
        self._n_classes = len(classes)
        self.prior = self._spread(np.array(part.spec.prior))
        self.weight = part.weight
        self._judged: tuple[Words | None, NDArray[np.float64] | None] = None, None

    def posterior(self, words: Words | None) -> NDArray[np.float64] | None:
        """Give the posterior of a transcript.

        Parameters
        ----------
        words : Words or None
            All that is said; a very long text is judged in parts, whose posteriors are averaged by their lengths.

        Returns
        -------
        np.ndarray [shape=(n_classes,)] or None
            Over the bundle's classes, 0 for one that the classifier does not know. None without words.
        """
        if words is None or not any(map(str.isalnum, words.text)):
            return None
        if words != self._judged[0]:  # a second of a timeline often has the words of the one before
            parts = [part for part in stretches(words.text, _LONGEST) if any(map(str.isalnum, part))]
            said = [self._classifier.posteriors(vectors([part], self._spec))[0] for part in parts]
            self._judged = words, self._spread(np.average(said, axis=0, weights=list(map(len, parts))))
        return self._judged[1]

    def _spread(self, own: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give probabilities of the classifier's classes as those of the bundle's, which sum to 1."""
        known = np.maximum(own[self._own], np.finfo(np.float64).tiny)  # all may be next to 0
        row = np.zeros(self._n_classes)
        row[self._columns] = known / known.sum()
        return row
