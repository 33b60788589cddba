"""Texts as vectors of hashed n-grams: nothing is learnt, so nothing but their number has to be kept."""

import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mercli.words.letters import with_marks_as_letters
from mercli.words.spec import WordsSpec

_Run = TypeVar("_Run", str, list[str])

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[?!]+|\.{2,}|-{2,}")
_DRAWN_OUT = re.compile(r"([^\W\d_])\1\1+")
_START, _END = "<s>", "</s>"  # no text holds a token with these signs
_LONG, _CAPITALS, _MORE = "<long>", "<capitals>", "<more>"
# Codes of Windows-1252 that were read as Latin-1 are controls in Unicode; five of them stand for nothing.
_LEFT_OVER = {code: bytes([code]).decode("cp1252", "replace") for code in range(0x80, 0xA0)}
_PLAIN = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u02bc`\u00b4", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"')
    | dict.fromkeys("\u2013\u2014\u2015", "--")
    | dict.fromkeys("\u00ad\u200b\ufeff", "")
    | {"\u2026": "..."}
)


def vectors(texts: Sequence[str], spec: WordsSpec) -> NDArray[np.float32]:
    r"""Mark the n-grams that texts hold.

    Parameters
    ----------
    texts : sequence of str
        One a clip.
    spec : WordsSpec
        What is looked for.

    Returns
    -------
    np.ndarray [shape=(n, n_features)]
        A row a text: 1 for what it holds, however often, else 0. A text without a word or a mark gives zeros.

    Examples
    --------
    >>> spec = WordsSpec(prior=(0.5, 0.5))
    >>> vectors(["It\u2019s over", "it's over", "..?", " "], spec).sum(axis=1)
    array([33., 33., 17.,  0.], dtype=float32)
    """
    found = np.zeros((len(texts), spec.n_features), np.float32)
    for row, text in enumerate(texts):
        found[row, indices(text, spec)] = 1
    return found


def indices(text: str, spec: WordsSpec) -> list[int]:
    """Give the features that a text has, rising, each once.

    Parameters
    ----------
    text : str
        Any.
    spec : WordsSpec
        What is looked for.

    Returns
    -------
    list of int
        Under ``n_features``.
    """
    words, half = tokens(text), spec.n_features // 2
    if not words:
        return []
    framed = [_START, *words, _END]
    of_words = (" ".join(gram) for gram in _grams(framed, spec.word_ngrams) if gram not in ([_START], [_END]))
    of_letters = (gram for word in set(words) for gram in _grams(f" {word} ", spec.char_ngrams) if gram != " ")
    return sorted(_hashed(of_words, half)) + [half + index for index in sorted(_hashed(of_letters, half))]


def tokens(text: str) -> list[str]:
    r"""Take a text apart.

    Parameters
    ----------
    text : str
        Any; apostrophes and quotation marks of every kind count as the plain ones.

    Returns
    -------
    list of str
        Its words in small letters, its question and exclamation marks, dots and dashes. After a drawn-out word,
        one in capitals, and repeated marks, comes a token that says so.

    Examples
    --------
    >>> tokens("Nooooo! I\u2019m NOT going...")
    ['noo', '<long>', '!', "i'm", 'not', '<capitals>', 'going', '...']
    """
    plain = unicodedata.normalize("NFKC", text.translate(_LEFT_OVER).translate(_PLAIN))
    found = _WORD.finditer(with_marks_as_letters(plain))
    return [token for match in found for token in _read(plain[match.start() : match.end()])]


def _read(found: str) -> Iterator[str]:
    if found[0] in ".-":
        yield found[0] * 3
    elif found[0] in "?!":
        yield "".join(sign for sign in "?!" if sign in found)
        if len(found) > 1:
            yield _MORE
    else:
        small = found.casefold()
        word = _DRAWN_OUT.sub(r"\1\1", small)
        yield word
        if word != small:
            yield _LONG
        if len(found) > 1 and found.isupper():
            yield _CAPITALS


def _grams(run: _Run, lengths: tuple[int, int]) -> Iterator[_Run]:
    least, most = lengths
    for length in range(least, most + 1):
        for start in range(len(run) - length + 1):
            yield run[start : start + length]


def _hashed(grams: Iterable[str], n: int) -> set[int]:
    # CRC-32 is the same on every machine, which Python's own hash is not from one process to the next.
    return {zlib.crc32(gram.encode("utf-8", "surrogatepass")) % n for gram in grams}
