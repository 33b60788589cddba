"""Words heard by a speech recognition that the user has: a Whisper model of CTranslate2, run by faster-whisper."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli.errors import UsageError
from mercli.formats import SAMPLE_RATE_HZ
from mercli.words.cues import Words
from mercli.words.transcript import cleaned

NEEDED = ("model.bin", "config.json", "tokenizer.json")
"""What a model's folder holds at least: without the last, faster-whisper would download one."""

_STRETCH_S = 300  # heard at a time: memory does not grow with the length of a file
_SEAM_S = 10  # at the end of which the quietest moment is looked for, so that no word is cut
_QUIET_S = 0.1


def check(folder: Path) -> None:
    """Raise a UsageError where words cannot be heard: by the folder, or for want of what runs it."""
    try:
        absent = next((name for name in NEEDED if not (folder / name).is_file()), None)
    except OSError as error:
        raise UsageError(f"--transcribe {folder} cannot be read ({error.strerror})") from error
    if absent:
        raise UsageError(
            f"--transcribe {folder} is no folder of a Whisper model in CTranslate2's form: it holds no {absent}"
        )
    if importlib.util.find_spec("faster_whisper") is None:
        raise UsageError("--transcribe needs faster-whisper; get it by: pip install 'mercli[speech]'")


class Recogniser:
    """Hear words.

    Parameters
    ----------
    folder : Path
        Of the model. Nothing is ever downloaded.
    language : str
        What is spoken: a code of two letters.

    Raises
    ------
    UsageError
        If there is no model in the folder that can be opened.
    """

    def __init__(self, folder: Path, language: str) -> None:
        check(folder)
        try:
            import faster_whisper

            # Workers fill the cores. Bytes are what all processors count with, and the fastest.
            self._model: Any = faster_whisper.WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1, local_files_only=True
            )
        except Exception as error:  # both libraries raise what they please
            said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise UsageError(f"--transcribe {folder}: the model cannot be opened ({said})") from error
        self._language = language

    def listen(self) -> "Hearing":
        """Begin with a file."""
        return Hearing(self)

    def hear(self, samples: NDArray[np.float32]) -> list[tuple[float, float, str]]:
        """Give start and end, in seconds, and text of what is said in samples [n], 16 kHz."""
        # At temperature 0 nothing is drawn by chance; what was heard before is no hint, as it may be wrong.
        language = self._language if self._model.model.is_multilingual else "en"
        segments, _ = self._model.transcribe(
            samples, language=language, temperature=0.0, condition_on_previous_text=False, beam_size=5
        )
        return [(each.start, each.end, cleaned(each.text)) for each in segments]


class Hearing:
    """Hear the words of one file as its samples come."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self._blocks: list[NDArray[np.float32]] = []
        self._n = self._n_heard = 0
        self._cues: list[tuple[float, float, str]] = []

    def add(self, samples: NDArray[np.float32]) -> None:
        """Hear the next samples [n], 16 kHz."""
        self._blocks.append(samples)
        self._n += len(samples)
        while self._n >= _STRETCH_S * SAMPLE_RATE_HZ:
            whole = np.concatenate(self._blocks)
            end = quietest(whole[: _STRETCH_S * SAMPLE_RATE_HZ])
            self._hear(whole[:end])
            self._blocks, self._n = [whole[end:]], len(whole) - end

    def words(self) -> Words | None:
        """Give what was said, when all samples were added; None where that is nothing."""
        if self._n:
            self._hear(np.concatenate(self._blocks))
            self._blocks, self._n = [], 0
        said = [cue for cue in self._cues if any(map(str.isalnum, cue[2]))]
        return Words(*map(tuple, zip(*said, strict=True))) if said else None

    def _hear(self, samples: NDArray[np.float32]) -> None:
        offset_s = self._n_heard / SAMPLE_RATE_HZ
        heard = self._recogniser.hear(samples)
        self._cues += [(offset_s + start, offset_s + end, text) for start, end, text in heard]
        self._n_heard += len(samples)


def quietest(samples: NDArray[np.float32]) -> int:
    """Say where to cut samples [n]: in the middle of the quietest tenth of a second near their end."""
    width = round(_QUIET_S * SAMPLE_RATE_HZ)
    first = max(0, len(samples) - _SEAM_S * SAMPLE_RATE_HZ)
    n = (len(samples) - first) // width
    if not n:
        return len(samples)
    loudness = np.square(samples[first : first + n * width], dtype=np.float64).reshape(n, width).sum(axis=1)
    return first + int(loudness.argmin()) * width + width // 2
