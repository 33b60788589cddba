"""The one place that opens media: a file in, 16 kHz mono samples and timed grey frames out, in one pass."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mercli.container import Errors, check_regular, choose, is_moving, open_container, reason_of
from mercli.endings import counts_frames, lacks_bytes
from mercli.errors import MediaError
from mercli.formats import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SOUNDFILE_SUFFIXES
from mercli.picture import Picture
from mercli.sound import Mono, mixed
from mercli.video import FramePicker, PixelLimit, read_picture

_BLOCK = 1 << 12  # samples read from a sound file at a time: where it is damaged, a block is lost
_NO_LENGTH = 1 << 62  # libsndfile's count of samples where a file has none is beyond this
_SHORTFALL_S = 0.5  # a file may end this much before its header says without being called damaged
_PADDING_S = 0.15  # what coders and containers add to a recording
_GUESSED = frozenset({"aac", "ac3", "amr", "dts", "eac3", "loas", "mp3"})
"""FFmpeg's formats whose duration is guessed from the bit rate, but for an MP3 file that counts its frames."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Hold a block of samples: float32 [n], 16 kHz, mono, full scale 1."""

    samples: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """Hold a picture, upright, with square pixels, and its time in seconds."""

    picture: Picture
    time_s: float

    @property
    def luma(self) -> NDArray[np.uint8]:
        """Give the picture in full: uint8 [height, width], 0 to 255."""
        return self.picture.shown(self.picture.plane)


class Clip:
    """Read the sound and the picture of one file in one pass.

    Parameters
    ----------
    path : Path
        A local regular file.
    sound, picture : bool
        Whether each is wanted; a stream that is not wanted is not decoded.
    frame_rate_hz : float
        About how many frames a second to give. Frames that nothing else refers to are not even decoded
        where the file holds at least twice as many.
    max_duration_s : float or None
        A longer file is refused: at once if its header says so, else as soon as more than that was read.
    max_pixels : int or None
        Pictures of more pixels, width times height, are not decoded; FFmpeg counts with a width rounded up to a
        multiple of 64.

    Raises
    ------
    MediaError
        If the file cannot be opened as media, or is too long; the latter while it is iterated, too.

    Examples
    --------
    Iterate once; `duration_s`, `damage` and `refusal` are final afterwards::

        with Clip(path) as clip:
            for piece in clip:
                ...
    """

    def __init__(
        self,
        path: Path,
        *,
        sound: bool = True,
        picture: bool = True,
        frame_rate_hz: float = FRAME_RATE_HZ,
        max_duration_s: float | None = None,
        max_pixels: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.damage: str | None = None
        self._frame_rate_hz = frame_rate_hz
        self._max_duration_s = max_duration_s
        self._read_s = 0.0
        self._n_samples = self._n_frames = 0
        check_regular(self.path)
        self._source: _Container | _SoundFile = _open(self.path, PixelLimit(max_pixels))
        try:
            self._check_duration(self._source.declared_s or 0.0, "it lasts")
        except MediaError:
            self._source.close()
            raise
        self._ends_early = lacks_bytes(self.path)
        self.has_sound = self._source.has_sound
        self.has_picture = self._source.has_picture
        self._sound = sound and self.has_sound
        self._picture = picture and self.has_picture

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    @property
    def duration_s(self) -> float | None:
        """Give the duration the header states, or what was read where it states none or is wrong, or None."""
        stated_s = (None if self._ends_early else self._source.declared_s) or 0.0
        return stated_s if stated_s and self._read_s <= stated_s + _SHORTFALL_S else self._read_s or None

    @property
    def refusal(self) -> str | None:
        """Say why none of its pictures was decoded, where they have too many pixels."""
        return self._source.refusal if self._picture and not self._n_frames else None

    def __iter__(self) -> Iterator[Sound | Frame]:
        if not (self._sound or self._picture):
            return
        for piece in self._source.pieces(self._sound, self._picture, self._frame_rate_hz):
            self._count(piece)
            yield piece
        self._count(None)
        self.damage = self._find_damage()

    def _count(self, piece: Sound | Frame | None) -> None:
        self._read_s = self._source.read_s
        if isinstance(piece, Sound):
            self._n_samples += len(piece.samples)
        elif piece:
            self._n_frames += 1
        # A clock that is set back again and again would make any file a short one.
        picked_s = (self._n_frames - 2) / self._frame_rate_hz
        self._check_duration(max(self._read_s, self._n_samples / SAMPLE_RATE_HZ, picked_s), "it lasts at least")

    def _check_duration(self, duration_s: float, said: str) -> None:
        limit_s = self._max_duration_s
        if limit_s is not None and duration_s > limit_s + _PADDING_S:
            raise MediaError(f"{said} {round(duration_s, 1):.10g} s, over --max-duration {limit_s:.10g}")

    def _find_damage(self) -> str | None:
        expected_s = self._source.expected_s or 0.0
        shortfall_s = expected_s - self._read_s
        self._ends_early |= shortfall_s > max(_SHORTFALL_S, 0.05 * expected_s)
        read = f"{self._read_s:.1f} s were read" + (f" of {expected_s:.1f} s" if shortfall_s > 0.05 else "")
        errors = self._source.errors
        if errors.count:
            return f"damaged: {errors}; {read}"
        if self._n_frames and self._source.refusal:
            return f"damaged: {self._source.refusal}; {read}"
        return f"the file ends early: {read}" if self._ends_early else None


class _Container:
    """Read any container FFmpeg knows."""

    def __init__(self, path: Path, limit: PixelLimit) -> None:
        self._container = open_container(path, limit.options)
        self._video = choose([s for s in self._container.streams.video if is_moving(s)])
        self._audio = choose(self._container.streams.audio)
        if self._video is None and self._audio is None:
            self._container.close()
            raise MediaError("neither sound nor picture in the file")
        self.has_sound = self._audio is not None
        self.has_picture = self._video is not None
        duration = self._container.duration
        name = self._container.format.name
        guessed = name in _GUESSED and not (name == "mp3" and counts_frames(path))
        self.declared_s = duration / av.time_base if duration and duration > 0 and not guessed else None
        self.expected_s: float | None = None
        self.read_s = 0.0
        self.errors = Errors()
        self._limit = limit
        self.refusal = self._find_refusal(path)
        self._start_s = (self._container.start_time or 0) / av.time_base

    def close(self) -> None:
        self._container.close()

    def pieces(self, sound: bool, picture: bool, frame_rate_hz: float) -> Iterator[Sound | Frame]:
        picture = picture and self.refusal is None
        streams = self._set_up([s for s in (picture and self._video, sound and self._audio) if s])
        self.expected_s = self._find_expected_s(streams)
        mono = Mono(SAMPLE_RATE_HZ)
        pick = FramePicker(self._video, frame_rate_hz)
        for packet in self._packets(streams):
            error: Exception | None = None
            try:
                for frame in packet.decode():
                    if frame.is_corrupt:
                        self.errors.add("a frame is corrupt")
                    if not isinstance(frame, VideoFrame):
                        yield from map(Sound, mono.convert(frame))
                    elif pick.takes(frame):
                        yield Frame(read_picture(frame, self._video), pick.time_s - self._start_s)
            except (av.error.FFmpegError, ValueError) as caught:
                error = caught
            # Where only some frames are wanted, decoders may pass over what they refuse without a word.
            refusal = self._limit.explain(self._video, error) if packet.stream is self._video else None
            self.refusal = self.refusal or refusal
            if error and not refusal:
                self.errors.add(f"a packet cannot be decoded ({reason_of(error)})")
            elif packet.pts is not None and (unit := packet.time_base) is not None:
                # Fractions would take longer than small frames take to decode.
                end_s = (packet.pts + (packet.duration or 0)) * unit.numerator / unit.denominator
                self.read_s = max(self.read_s, end_s - self._start_s)
        yield from map(Sound, mono.flush())

    def _find_refusal(self, path: Path) -> str | None:
        """Say why the picture is not to be decoded, by the size that the file states."""
        if self._video is None or self._video.codec_context is None or not self._limit.options:
            return None
        size = (self._video.codec_context.width, self._video.codec_context.height)
        if not all(size):  # FFmpeg forgets a size that it refuses, unless it has no decoder that could
            with (
                contextlib.suppress(MediaError, IndexError, AttributeError),
                open_container(path, {"codec_whitelist": "none"}) as stated,
            ):
                context = stated.streams[self._video.index].codec_context
                size = (context.width, context.height)
        return self._limit.refuse(*size)

    def _set_up(self, streams: Sequence[VideoStream | AudioStream]) -> list[VideoStream | AudioStream]:
        """Prepare the decoders; leave out a stream that has none."""
        for stream in streams:
            if stream.codec_context is None:
                kind = "picture" if stream is self._video else "sound"
                self.errors.add(f"there is no decoder for its {kind}")
            else:
                # Workers fill the cores; decoder threads inside them would fight.
                stream.codec_context.thread_count = 1
                if stream is self._video:
                    stream.codec_context.options = self._limit.options
        return [stream for stream in streams if stream.codec_context is not None]

    def _find_expected_s(self, streams: Sequence[VideoStream | AudioStream]) -> float | None:
        """Say when these streams end by what the file states; others, such as subtitles, may go on."""
        if self.declared_s is None or not streams:
            return None
        ends = [((s.start_time or 0) + s.duration) * s.time_base for s in streams if s.duration and s.time_base]
        if len(ends) == len(streams):
            return float(max(ends)) - self._start_s
        return self.declared_s if len(streams) == len(self._container.streams) else None

    def _packets(self, streams: Sequence[VideoStream | AudioStream]) -> Iterator[Any]:
        try:
            if streams:
                yield from self._container.demux(streams)
        except (av.error.FFmpegError, OSError) as error:
            self.errors.add(f"the file cannot be read on ({reason_of(error)})")
        except IndexError:  # PyAV knows only the streams there were when it opened the file
            self.errors.add("the file cannot be read on (another stream begins midway)")


class _SoundFile:
    """Read an uncompressed or FLAC/Vorbis sound file by libsndfile."""

    has_sound = True
    has_picture = False
    refusal = None

    def __init__(self, path: Path) -> None:
        import soundfile

        self._error = soundfile.LibsndfileError
        try:
            self._file = soundfile.SoundFile(path)
        except (soundfile.LibsndfileError, UnicodeEncodeError) as error:
            raise MediaError(f"not a sound file that can be read ({reason_of(error)})") from error
        # Else its writer could not go back: libsndfile then reads nothing, or cannot tell the end from damage.
        self.states_length = 0 < self._file.frames < _NO_LENGTH
        self.declared_s = self.expected_s = self._file.frames / self._file.samplerate or None
        self.read_s = 0.0
        self.errors = Errors()

    def close(self) -> None:
        self._file.close()

    def pieces(self, sound: bool, picture: bool, frame_rate_hz: float) -> Iterator[Sound | Frame]:
        del sound, picture, frame_rate_hz  # there is only sound, and it is wanted
        rate, count = self._file.samplerate, 0
        mono = Mono(SAMPLE_RATE_HZ)
        try:
            while len(block := self._file.read(_BLOCK, dtype="float32", always_2d=True)):
                yield from map(Sound, mono.convert_samples(mixed(block), rate))
                count += len(block)
                self.read_s = count / rate
        except (self._error, ValueError) as error:
            self.errors.add(f"the file cannot be read on ({reason_of(error)})")
        yield from map(Sound, mono.flush())


def _open(path: Path, limit: PixelLimit) -> _Container | _SoundFile:
    if path.suffix.lower() in SOUNDFILE_SUFFIXES:
        try:
            file = _SoundFile(path)
            if file.states_length:
                return file
            file.close()
        except MediaError:
            pass  # a codec libsndfile lacks, or a name that lies: FFmpeg looks at the content
    return _Container(path, limit)
