"""What is said in a clip, and when."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mercli.words.letters import with_marks_as_letters

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Words:
    """Hold the cues of a transcript, in order of time: one entry a cue in each field.

    Parameters
    ----------
    starts_s, ends_s : tuple of float
        When each is said, in seconds of the clip. Of a text without times, 0 and infinity.
    texts : tuple of str
        What is said.
    """

    starts_s: tuple[float, ...]
    ends_s: tuple[float, ...]
    texts: tuple[str, ...]

    @property
    def text(self) -> str:
        """Give all that is said."""
        return " ".join(self.texts)

    @property
    def n_words(self) -> int:
        """Count the words: letters and digits, held together by apostrophes and hyphens.

        Examples
        --------
        >>> Words((0.0,), (1.0,), ("- It's well-meant, No. 5!",)).n_words
        4
        """
        return sum(1 for text in self.texts for _ in _WORD.finditer(with_marks_as_letters(text)))

    def between(self, start_s: float, end_s: float) -> "Words | None":
        """Give the cues of which a part is said in a span of time, or None where there are none.

        Parameters
        ----------
        start_s, end_s : float
            The span, in seconds.

        Returns
        -------
        Words or None
            Each whole, as it is unknown which word is said when.
        """
        there = [
            i
            for i, (start, end) in enumerate(zip(self.starts_s, self.ends_s, strict=True))
            if start < end_s and (end > start_s or start == end == start_s)
        ]
        return self._take(there) if there else None

    def _take(self, cues: list[int]) -> "Words":
        return Words(
            tuple(self.starts_s[i] for i in cues),
            tuple(self.ends_s[i] for i in cues),
            tuple(self.texts[i] for i in cues),
        )


def stretches(text: str, most: int) -> Iterator[str]:
    """Cut a text between its words into parts of at most so many letters; a longer word is cut too.

    Examples
    --------
    >>> list(stretches("to be or not", 6))
    ['to be', 'or not']
    """
    start = 0
    while len(text) - start > most:
        end = text.rfind(" ", start + 1, start + most + 1)
        end = start + most if end < 0 else end
        yield text[start:end]
        start = end + (text[end : end + 1] == " ")
    yield text[start:]
