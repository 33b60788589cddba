"""The vocabulary of emotions: the names, their one order, and what corpora call them."""

from collections.abc import Iterable

FER2013: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The seven classes of FER2013, in its order."""

ALL: tuple[str, ...] = (*FER2013, "calm")
"""Every class a bundle may know, in the order of every table."""

_OTHER_NAMES = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}


def canonical(label: str) -> str | None:
    """Give the class a corpus' label stands for.

    Parameters
    ----------
    label : str
        A corpus' own word, such as ``"Fearful"`` or ``"anger"``.

    Returns
    -------
    str or None
        One of `ALL`, or None where the word is not known.

    Examples
    --------
    >>> canonical("Fearful")
    'fear'
    >>> canonical("bored") is None
    True
    """
    word = label.strip().lower()
    word = _OTHER_NAMES.get(word, word)
    return word if word in ALL else None


def within(label: str, classes: Iterable[str]) -> str | None:
    """Give the member of `classes` that a canonical label counts as; calm counts as neutral.

    Parameters
    ----------
    label : str
        One of `ALL`.
    classes : iterable of str
        The classes in use.

    Returns
    -------
    str or None
        The class, or None where the label is outside them.

    Examples
    --------
    >>> within("calm", FER2013)
    'neutral'
    >>> within("calm", ALL)
    'calm'
    """
    known = set(classes)
    if label in known:
        return label
    return "neutral" if label == "calm" and "neutral" in known else None


def ordered(labels: Iterable[str]) -> tuple[str, ...]:
    """Sort classes into the one order every table uses.

    Parameters
    ----------
    labels : iterable of str
        Members of `ALL`, repeated or not.

    Returns
    -------
    tuple of str
        Each once, in the order of `ALL`.
    """
    present = set(labels)
    return tuple(name for name in ALL if name in present)
