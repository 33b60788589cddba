"""The features of a sound by name, at three levels: what `mercli features` writes, here as arrays."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mercli.errors import MediaError, MissingModality, UsageError
from mercli.formats import SAMPLE_RATE_HZ
from mercli.media import Clip, Sound
from mercli.sound import Mono
from mercli.voice import sets
from mercli.voice.spans import mid_term_spans_s, short_term_spans_s
from mercli.voice.spool import Spool
from mercli.voice.track import VoiceTrack

if TYPE_CHECKING:
    import pyarrow as pa

LEVELS = ("short", "mid", "clip")

_BLOCK = 1 << 16  # samples of an array that are resampled at a time

Piece = tuple[NDArray[np.float64], NDArray[np.float32]]
"""Some rows of a table: beginning and end in seconds [n, 2], values [n, n_names]."""


@dataclass(frozen=True, slots=True)
class Features:
    """Hold the features of one sound.

    Parameters
    ----------
    names : tuple of str
        Of the columns of `values`.
    values : np.ndarray [shape=(n, n_names)]
        float32; a row a short-term window, a mid-term window, or one for the whole clip.
    times_s : np.ndarray [shape=(n, 2)]
        float64; where in the sound each row begins and ends, in seconds.
    damage : str or None
        Why the file was not read whole; None where it was.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    times_s: NDArray[np.float64]
    damage: str | None = None

    def to_dict(self) -> dict[str, NDArray[np.float64] | NDArray[np.float32]]:
        """Give the table by column, as pandas and Polars take it.

        Returns
        -------
        dict of str to np.ndarray [shape=(n,)]
            ``start_s`` and ``end_s``, float64, then each of `names`, float32.
        """
        starts_s, ends_s = self.times_s.T
        columns = np.ascontiguousarray(self.values.T)
        return {"start_s": starts_s, "end_s": ends_s, **dict(zip(self.names, columns, strict=True))}

    def to_arrow(self) -> "pa.Table":
        """Give the same columns as a pyarrow.Table."""
        import pyarrow as pa

        return pa.table(self.to_dict())


def features(
    source: str | os.PathLike[str] | NDArray[np.float32] | NDArray[np.float64],
    *,
    set: str = sets.DEFAULT,
    level: str = "clip",
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> Features:
    """Measure the features of one sound.

    Parameters
    ----------
    source : path or np.ndarray [shape=(n,)]
        A video or sound file; or samples, mono, float32 or float64, full scale 1.
    set : str
        The feature set, one of `set_names`.
    level : str
        ``"short"``, a row a short-term window; ``"mid"``, a row a mid-term window; ``"clip"``, one row.
    sample_rate_hz : int
        Of samples; any but 16 kHz are resampled as those of a file are. A file says its own.

    Returns
    -------
    Features
        Names, values and times. All rows are in memory: `mercli features` writes tables that need not be.

    Raises
    ------
    MediaError
        If the file cannot be read.
    MissingModality
        If there is no sound, or it is silent or too short.
    UsageError
        If there is no such set or level.
    ValueError
        If the samples are not what they should be.

    Examples
    --------
    >>> import mercli
    >>> from mercli.sample import synthesise_voice
    >>> voice = synthesise_voice(1.5, sample_rate_hz=16000, expression="happy")
    >>> measured = mercli.features(voice, set="original-34", level="mid")
    >>> measured.values.shape, measured.times_s.tolist()
    ((2, 136), [[0.0, 1.0], [1.0, 1.5]])
    >>> energy = measured.values[:, measured.names.index("energy_mean")]
    >>> list(measured.to_dict())[:3]
    ['start_s', 'end_s', 'zcr_mean']
    """
    meter = Meter(set, level)
    with VoiceTrack(meter.spec) as track:
        if isinstance(source, np.ndarray):
            for block in _blocks(source, sample_rate_hz):
                track.add(block)
            return _gather(meter, track.sound(), None)
        try:
            clip = listen(Path(source), track)
            return _gather(meter, heard(clip, track), clip.damage)
        except (MediaError, MissingModality) as error:
            raise type(error)(f"{os.fspath(source)}: {error}") from error


def set_names() -> tuple[str, ...]:
    """Name the feature sets that can be measured: those that need nothing but their name."""
    return tuple(name for name in sets.NAMES if _is_whole(name))


class Meter:
    """Measure sounds by one feature set at one level.

    Parameters
    ----------
    set, level : str
        See `features`.

    Attributes
    ----------
    names : tuple of str
        Of the features.
    spec : VoiceSpec
        The windows and hops it measures in.

    Raises
    ------
    UsageError
        If there is no such set or level.
    """

    def __init__(self, set: str, level: str) -> None:
        if set not in set_names():
            raise UsageError(f"no feature set {set!r}; there is {' and '.join(set_names())}")
        if level not in LEVELS:
            raise UsageError(f"no level {level!r}; there are {', '.join(LEVELS)}")
        self._features = sets.feature_set(sets.default_spec(set))
        self._level = level
        self.spec = self._features.spec
        self.names = {
            "short": self._features.short_term_names,
            "mid": self._features.mid_term_names,
            "clip": self._features.clip_names,
        }[level]()

    def pieces(self, sound: Spool) -> Iterator[Piece]:
        """Measure a sound, in memory that does not grow with its length.

        Parameters
        ----------
        sound : Spool
            What `VoiceTrack.sound` gives.

        Yields
        ------
        times_s : np.ndarray [shape=(n, 2)]
            float64; where the next rows begin and end.
        values : np.ndarray [shape=(n, n_names)]
            float32; the next rows.
        """
        n_rows = 0
        for table in self._tables(sound):
            times_s = self._spans_s(sound.n_samples, n_rows, len(table))
            n_rows += len(table)
            if len(times_s) != len(table):
                raise RuntimeError(f"the set gives more rows than its windows say ({n_rows})")
            yield times_s, table.astype(np.float32, copy=False)

    def _tables(self, sound: Spool) -> Iterator[NDArray[np.float64]] | Iterator[NDArray[np.float32]]:
        if self._level == "short":
            return self._features.short_term(sound)
        if self._level == "mid":
            return self._features.mid_term(sound)
        return iter([self._features.views(sound)[:1]])  # the first view is the sound as it is

    def _spans_s(self, n_samples: int, first: int, n: int) -> NDArray[np.float64]:
        if self._level == "short":
            return short_term_spans_s(self.spec, n_samples, first, n)
        if self._level == "mid":
            return mid_term_spans_s(self.spec, n_samples, first, n)
        return np.array([[0.0, n_samples / SAMPLE_RATE_HZ]])


def listen(path: Path, track: VoiceTrack, *, max_duration_s: float | None = None) -> Clip:
    """Read the sound of a file into a track.

    Parameters
    ----------
    path : Path
        A media file; its picture is not decoded.
    track : VoiceTrack
        Where the sound goes.
    max_duration_s : float or None
        A longer file is refused.

    Returns
    -------
    Clip
        What is known of the file, closed.

    Raises
    ------
    MediaError
        If it cannot be opened as media, or is too long.
    MercliError
        If there is no room for its sound.
    """
    with Clip(path, picture=False, max_duration_s=max_duration_s) as clip:
        for piece in clip:
            if isinstance(piece, Sound):
                track.add(piece.samples)
    return clip


def heard(clip: Clip, track: VoiceTrack) -> Spool:
    """Give the sound that `listen` read, or raise a MissingModality that says why there is none to measure."""
    if not clip.has_sound:
        raise MissingModality("the file has no sound")
    return track.sound()


def _is_whole(name: str) -> bool:
    try:
        sets.default_spec(name)
    except ValueError:  # it needs more than the name, such as a network that a bundle tells of
        return False
    return True


def _gather(meter: Meter, sound: Spool, damage: str | None) -> Features:
    times_s, values = zip(*meter.pieces(sound), strict=True)
    return Features(meter.names, np.concatenate(values), np.concatenate(times_s), damage)


def _blocks(samples: NDArray[np.float32] | NDArray[np.float64], rate_hz: int) -> Iterator[NDArray[np.float32]]:
    if samples.ndim != 1:
        raise ValueError(f"samples must be of one channel, shape (n,); found shape {samples.shape}")
    if samples.dtype not in (np.float32, np.float64):
        raise ValueError(f"samples must be float32 or float64, full scale 1; found {samples.dtype}")
    if not (np.abs(samples) <= np.finfo(np.float32).max).all():  # false for NaN too
        raise ValueError("samples must be finite, and no larger than float32 holds; found some that are not")
    mono = Mono(SAMPLE_RATE_HZ)
    for start in range(0, len(samples), _BLOCK):
        block = samples[start : start + _BLOCK].astype(np.float32)
        yield from mono.convert_samples(block, rate_hz)
    yield from mono.flush()
