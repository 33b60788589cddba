"""What belongs to a letter: marks that are written on it, and what joins it to the next."""

import unicodedata

_JOINERS = "\u200c\u200d"


def with_marks_as_letters(text: str) -> str:
    """Give a text of the same length in which what belongs to a letter is one.

    For Python's patterns it is none, so that they would take words of India, Arabia or Israel apart.

    Examples
    --------
    >>> with_marks_as_letters("\u0939\u093f\u0928\u094d\u0926\u0940 is") == "\u0939x\u0928x\u0926x is"
    True
    """
    if text.isascii():
        return text
    return "".join("x" if unicodedata.category(c)[0] == "M" or c in _JOINERS else c for c in text)
