"""What is said in one file: from its transcript, from the subtitles in it, or heard."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mercli.errors import MediaError, MissingModality
from mercli.words import beside
from mercli.words.cues import Words
from mercli.words.transcript import read, read_subtitles

if TYPE_CHECKING:  # it is heavy, and few runs hear words
    from mercli.words.recognition import Hearing, Recogniser


@dataclass(frozen=True, slots=True)
class WordsReading:
    """Say where words are looked for.

    Parameters
    ----------
    language : str
        A code of two letters.
    wanted : bool
        Whether a file without words lacks something; then the subtitles in a file are looked at too.
    recogniser : Recogniser or None
        Hears words where there is no transcript.
    """

    language: str
    wanted: bool = False
    recogniser: "Recogniser | None" = None

    def of(self, path: Path) -> "WordsTrack":
        """Look for the words of a media file."""
        return WordsTrack(path, self)


class WordsTrack:
    """Hold the words of one file.

    Parameters
    ----------
    path : Path
        The media file.
    reading : WordsReading
        Where to look.
    """

    def __init__(self, path: Path, reading: WordsReading) -> None:
        self._reading = reading
        self._words: Words | None = None
        self._unreadable: MediaError | None = None
        self._absent = "no transcript beside the file, and no subtitles in it"
        self._hearing: Hearing | None = None
        try:
            if transcript := beside.find(path, reading.language):
                self._words = read(transcript)
            elif reading.wanted:
                self._words = read_subtitles(path, reading.language)
        except MediaError as error:
            self._unreadable = error
        except MissingModality as reason:
            self._absent = str(reason)
        if self._words is None and self._unreadable is None and reading.recogniser:
            self._hearing = reading.recogniser.listen()

    @property
    def listens(self) -> bool:
        """Tell whether the sound is needed."""
        return self._hearing is not None

    def add(self, samples: NDArray[np.float32]) -> None:
        """Hear the next samples [n], 16 kHz."""
        if self._hearing:
            self._hearing.add(samples)

    def words(self) -> Words | None:
        """Give what is said, when all of the sound was heard.

        Returns
        -------
        Words or None
            None where there is nothing and nothing was wanted.

        Raises
        ------
        MissingModality
            If there should be words and are none, or there is a transcript that cannot be read.
        """
        if self._unreadable:
            raise MissingModality(str(self._unreadable))
        said = self._hearing.words() if self._hearing else self._words
        if said is None and self._reading.wanted:
            raise MissingModality("no words were heard in it" if self._hearing else self._absent)
        return said
