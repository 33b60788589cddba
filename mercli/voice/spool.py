"""The sound of one clip, kept in memory that does not grow with its length and read as often as is needed."""

import contextlib
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mercli.errors import MercliError
from mercli_kernels import Level, measure_level

BLOCK_SAMPLES = 1 << 20  # about a minute: what is read at a time
SPOOL_BYTES = 1 << 23  # about two minutes: a longer sound waits in a temporary file


class Spool:
    """Keep the sound of one clip: written piece by piece, read back in blocks.

    Parameters
    ----------
    block_samples : int
        Samples whose level is measured at a time, at least 8.
    spool_bytes : int
        Sound of more bytes, 4 a sample, waits in a temporary file.

    Attributes
    ----------
    n_samples : int
        Samples written so far.

    Examples
    --------
    >>> import numpy as np
    >>> from mercli.voice.spool import Spool
    >>> with Spool() as sound:
    ...     for _ in range(3):
    ...         sound.write(np.ones(800, np.float32))
    ...     sound.n_samples, [len(block) for block in sound.blocks(1000)]
    (2400, [1000, 1000, 400])
    """

    def __init__(self, *, block_samples: int = BLOCK_SAMPLES, spool_bytes: int = SPOOL_BYTES) -> None:
        self._block_samples = block_samples
        self._file = tempfile.SpooledTemporaryFile(max_size=spool_bytes)  # noqa: SIM115  # `close` closes it
        self._level: Level | None = None
        self.n_samples = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the sound."""
        with contextlib.suppress(OSError):  # what could not be written cannot be flushed either
            self._file.close()

    def write(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, float32 [n], 16 kHz mono.

        Raises
        ------
        MercliError
            If there is no room for them.
        """
        with _room():
            end = 4 * self.n_samples
            if self._file.tell() != end:  # to seek writes out what is buffered: only where it was read meanwhile
                self._file.seek(end)
            self._file.write(samples.astype(np.float32, copy=False).tobytes())
        self.n_samples += len(samples)
        self._level = None

    def blocks(self, n_samples: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Give the sound that there is, from its beginning; several may read at the same time.

        Parameters
        ----------
        n_samples : int, optional
            Samples a block; without it, few enough that the features of a block need little memory.

        Yields
        ------
        np.ndarray [shape=(n_samples,)]
            The next samples, float32; the last block may be shorter.

        Raises
        ------
        MercliError
            If there was no room for the sound.
        """
        # Only the level depends, in its last bits, on how the sound is cut: all else can do with less memory.
        n, end = n_samples or self._block_samples // 8, self.n_samples
        for start in range(0, end, n):
            yield self.cut(start, min(start + n, end))

    def cut(self, start: int, stop: int) -> NDArray[np.float32]:
        """Give the samples from one place to another, float32, as far as there are any.

        Raises
        ------
        MercliError
            If there was no room for the sound.
        """
        with _room():  # what was written last is written out now
            self._file.seek(4 * start)
        return np.frombuffer(self._file.read(max(0, 4 * (min(stop, self.n_samples) - start))), np.float32)

    def part(self, start: int, stop: int) -> "Spool":
        """Give the samples from one place to another as a sound of its own, at the level of the whole.

        Raises
        ------
        MercliError
            If there was no room for the sound.
        """
        part = Spool(block_samples=self._block_samples)
        part.write(self.cut(start, stop))
        part._level = self.level
        return part

    @property
    def level(self) -> Level:
        """The offset and the gain of the whole sound; it is measured once.

        Raises
        ------
        MercliError
            If there was no room for the sound.
        """
        if self._level is None:
            self._level = measure_level(self.blocks(self._block_samples))
        return self._level


@contextlib.contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MercliError(f"no room for its sound in the temporary folder ({error.strerror or error})") from error
