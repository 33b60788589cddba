"""Text files whose encoding nobody states."""

import codecs
import contextlib

_LATIN = "cp1252"  # what old subtitles are in where they are not Unicode
_MARKS = (  # that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_REPLACED = "\ufffd"
_FEW = 8  # one in so many


def decoded(content: bytes) -> str:
    r"""Decode a text.

    Parameters
    ----------
    content : bytes
        In the encoding that its mark names; without one in UTF-8, of which some may be damaged, in UTF-16, or else
        in Windows-1252.

    Returns
    -------
    str
        With U+FFFD for what cannot be decoded.

    Raises
    ------
    ValueError
        If it is full of zeros, as no text is.

    Examples
    --------
    >>> decoded("né".encode()), decoded("né".encode("cp1252")), decoded("né".encode("utf-16-be"))
    ('né', 'né', 'né')
    >>> decoded(b"\0\0\0\0")
    Traceback (most recent call last):
    ValueError: it is no text
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    if wide := _wide(content):
        return content.decode(wide, "replace")
    with contextlib.suppress(UnicodeDecodeError):
        return content.decode("utf-8")
    text = content.decode("utf-8", "replace")
    n_damaged = text.count(_REPLACED)
    # Letters of Windows-1252 make up a sequence of UTF-8 only by chance.
    n_sequences = sum(not letter.isascii() for letter in text) - n_damaged
    return text if n_sequences >= n_damaged else content.decode(_LATIN, "replace")


def _wide(content: bytes) -> str | None:
    """Name the UTF-16 that a text is in: every other byte of what is in letters of Europe is zero."""
    n_even, n_odd = content[::2].count(0), content[1::2].count(0)
    most, least = max(n_even, n_odd), min(n_even, n_odd)
    if not most or most * _FEW < len(content):
        return None
    if least * _FEW > most:
        raise ValueError("it is no text")
    return "utf-16-be" if n_even > n_odd else "utf-16-le"
