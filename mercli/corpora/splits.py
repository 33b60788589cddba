"""How speakers are divided, so that none is on both sides."""

import re
import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np

from mercli.errors import UsageError

_LEAVE_ONE_OUT = 10  # speakers up to which a fold is one speaker
_FOLDS = 5


def folds(labels: Sequence[str], speakers: Sequence[str], *, seed: int) -> list[np.ndarray]:
    """Divide examples into folds with no speaker in two of them.

    Parameters
    ----------
    labels, speakers : sequence of str
        One each an example.
    seed : int
        Of the draw.

    Returns
    -------
    list of np.ndarray of int
        The indices of each fold's examples: a fold a speaker up to ten speakers, else five folds with about
        the same share of every class. With one speaker there is no fold.
    """
    from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, StratifiedGroupKFold

    n_speakers = len(set(speakers))
    if n_speakers < 2:
        return []
    if n_speakers <= _LEAVE_ONE_OUT:
        splitter = LeaveOneGroupOut()
    elif max(Counter(labels).values()) < _FOLDS:
        splitter = GroupKFold(_FOLDS)  # no class is large enough to be shared out
    else:
        splitter = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    blank = np.zeros(len(labels))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return [held_out for _, held_out in splitter.split(blank, labels, speakers)]


def parse_split(text: str) -> tuple[int, int, int]:
    """Read ``8/12/4``: how many speakers train the two models, the fusion, and test.

    Examples
    --------
    >>> parse_split("8/12/4")
    (8, 12, 4)
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})/([0-9]{1,6})", text.strip())
    models, fusion, test = map(int, match.groups()) if match else (0, 0, 0)
    if 0 in (models, fusion, test):
        raise UsageError(f"--split {text!r} is not understood: give three numbers of speakers, such as 8/12/4")
    return models, fusion, test


def split_speakers(
    speakers: Sequence[str], sizes: tuple[int, int, int], *, seed: int
) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Draw disjoint sets of speakers.

    Parameters
    ----------
    speakers : sequence of str
        All there are.
    sizes : tuple of int
        How many to draw for the models, the fusion and the test.
    seed : int
        Of the draw.

    Returns
    -------
    tuple of frozenset
        The three sets; speakers beyond their sum are left out.

    Raises
    ------
    UsageError
        If there are too few speakers.
    """
    if sum(sizes) > len(speakers):
        raise UsageError(
            f"the corpus has {len(speakers)} speakers, but the split {'/'.join(map(str, sizes))} "
            f"asks for {sum(sizes)}; ask for fewer"
        )
    names = sorted(speakers)
    drawn = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    first, second = sizes[0], sizes[0] + sizes[1]
    return frozenset(drawn[:first]), frozenset(drawn[first:second]), frozenset(drawn[second : sum(sizes)])
