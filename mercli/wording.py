"""Numbers, names and what users gave, as they stand in a sentence."""

from collections.abc import Sequence


def count(n: int, what: str, more: str = "") -> str:
    """Write a number of things.

    Examples
    --------
    >>> count(1, "file"), count(2, "file", "of other classes")
    ('1 file', '2 files of other classes')
    """
    return f"{n} {what}{'' if n == 1 else 's'}{f' {more}' if more else ''}"


def shortened(text: str, most: int = 80) -> str:
    """Quote what a user gave so that it neither fills nor steers a terminal.

    Examples
    --------
    >>> shortened("a b"), shortened("x" * 200, 8)
    ("'a b'", "'xxxxxxxx...'")
    """
    return repr(text if len(text) <= most else f"{text[:most]}...")


def name_some(names: Sequence[str], what: str, most: int = 6) -> str:
    """Name the first few of many.

    Examples
    --------
    >>> name_some(["a", "b", "c"], "speaker", 2)
    'a, b and 1 more speaker'
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {count(len(names) - most, f'more {what}')}"
