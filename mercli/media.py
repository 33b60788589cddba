"""The one place that opens media: a file in, 16 kHz mono samples and timed grey frames out, in one pass."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mercli.errors import MediaError
from mercli.picture import FramePicker, luma

SAMPLE_RATE_HZ = 16_000
FRAME_RATE_HZ = 10.0
"""About how many frames a second are looked at."""

SOUNDFILE_SUFFIXES = frozenset({".aif", ".aiff", ".flac", ".oga", ".ogg", ".w64", ".wav"})
SUFFIXES = SOUNDFILE_SUFFIXES | {
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"),
    *(".ogv", ".ts", ".vob", ".webm", ".wmv"),
    *(".aac", ".ac3", ".amr", ".m4a", ".mka", ".mp2", ".mp3", ".opus", ".wma"),
}
"""What a walk through a folder takes for media; a file named outright is tried whatever its name."""

_BLOCK = 1 << 12  # samples read from a sound file at a time: where it is damaged, a block is lost
_SHORTFALL_S = 0.5  # a file may end this much before its header says without being called damaged
_RATES_HZ = (1_000, 1_000_000)  # a header that states another sampling rate is damaged
_ABSURD = 1e12  # no scale that anyone records at; the square of much more overflows
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,dv,eac3,flac,flv,gif,h264,hevc,ivf,loas,m4v,matroska,mjpeg,mov,mp3,mpeg,"
    "mpegts,mpegvideo,mxf,nut,obu,ogg,rm,tta,w64,wav,wtv,wv,yuv4mpegpipe"
)
"""FFmpeg's formats that hold sound or video themselves: a playlist could make the reader wait for ever."""

_GUESSED = frozenset({"aac", "ac3", "amr", "dts", "eac3", "loas", "mp3"})
"""FFmpeg's formats whose duration is guessed from the bit rate."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Hold a block of samples: float32 [n], 16 kHz, mono, full scale 1."""

    samples: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """Hold a picture, upright, with square pixels: luma, uint8 [height, width], 0 to 255; its time in seconds."""

    luma: NDArray[np.uint8]
    time_s: float


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

    Raises
    ------
    MediaError
        If the file cannot be opened as media.

    Examples
    --------
    Iterate once; `duration_s` and `damage` are final afterwards::

        with Clip(path) as clip:
            for piece in clip:
                ...
    """

    def __init__(
        self, path: Path, *, sound: bool = True, picture: bool = True, frame_rate_hz: float = FRAME_RATE_HZ
    ) -> None:
        self.path = Path(path)
        self.damage: str | None = None
        self._frame_rate_hz = frame_rate_hz
        self._read_s = 0.0
        _check_regular(self.path)
        self._source: _Container | _SoundFile = _open(self.path)
        self._ends_early = _lacks_bytes(self.path)
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
        """Give the duration the header states, or what was read if there is less or no such statement, or None."""
        return (None if self._ends_early else self._source.declared_s) or self._read_s or None

    def __iter__(self) -> Iterator[Sound | Frame]:
        if not (self._sound or self._picture):
            return
        for piece in self._source.pieces(self._sound, self._picture, self._frame_rate_hz):
            self._read_s = self._source.read_s
            yield piece
        self._read_s = self._source.read_s
        self.damage = self._find_damage()

    def _find_damage(self) -> str | None:
        expected_s = self._source.expected_s or 0.0
        shortfall_s = expected_s - self._read_s
        self._ends_early |= shortfall_s > max(_SHORTFALL_S, 0.05 * expected_s)
        read = f"{self._read_s:.1f} s were read" + (f" of {expected_s:.1f} s" if shortfall_s > 0.05 else "")
        if self._source.errors:
            return f"damaged: {self._source.errors[0]}; {read}"
        return f"the file ends early: {read}" if self._ends_early else None


class _Container:
    """Read any container FFmpeg knows."""

    def __init__(self, path: Path) -> None:
        try:
            # Absolute, because FFmpeg takes what stands before a colon in a bare name for a protocol.
            self._container = av.open(
                str(path.absolute()),
                options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
                metadata_errors="replace",
            )
        except av.error.ArgumentError as error:
            raise MediaError("not a media file that can be read (no format that holds sound or video)") from error
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise MediaError(f"not a media file that can be read ({_reason(error)})") from error
        self._video = _choose([s for s in self._container.streams.video if _is_moving(s)])
        self._audio = _choose(self._container.streams.audio)
        if self._video is None and self._audio is None:
            self._container.close()
            raise MediaError("neither sound nor picture in the file")
        self.has_sound = self._audio is not None
        self.has_picture = self._video is not None
        duration = self._container.duration
        guessed = self._container.format.name in _GUESSED
        self.declared_s = duration / av.time_base if duration and duration > 0 and not guessed else None
        self.expected_s: float | None = None
        self.read_s = 0.0
        self.errors: list[str] = []
        self._start_s = (self._container.start_time or 0) / av.time_base

    def close(self) -> None:
        self._container.close()

    def pieces(self, sound: bool, picture: bool, frame_rate_hz: float) -> Iterator[Sound | Frame]:
        streams = self._set_up([s for s in (picture and self._video, sound and self._audio) if s])
        self.expected_s = self._find_expected_s(streams)
        mono = _Mono()
        pick = FramePicker(self._video, frame_rate_hz)
        for packet in self._packets(streams):
            try:
                for frame in packet.decode():
                    if frame.is_corrupt:
                        self.errors.append("a frame is corrupt")
                    if not isinstance(frame, VideoFrame):
                        yield from mono.convert(frame)
                    elif pick.takes(frame):
                        yield Frame(luma(frame, self._video), pick.time_s - self._start_s)
            except (av.error.FFmpegError, ValueError) as error:
                self.errors.append(f"a packet cannot be decoded ({_reason(error)})")
                continue
            if packet.pts is not None and packet.time_base is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                self.read_s = max(self.read_s, float(end) - self._start_s)
        yield from mono.flush()

    def _set_up(self, streams: Sequence[VideoStream | AudioStream]) -> list[VideoStream | AudioStream]:
        """Prepare the decoders; leave out a stream that has none."""
        for stream in streams:
            if stream.codec_context is None:
                kind = "picture" if stream is self._video else "sound"
                self.errors.append(f"there is no decoder for its {kind}")
            else:
                # Workers fill the cores; decoder threads inside them would fight.
                stream.codec_context.thread_count = 1
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
            self.errors.append(f"the file cannot be read on ({_reason(error)})")
        except IndexError:  # PyAV knows only the streams there were when it opened the file
            self.errors.append("the file cannot be read on (another stream begins midway)")


class _SoundFile:
    """Read an uncompressed or FLAC/Vorbis sound file by libsndfile."""

    has_sound = True
    has_picture = False

    def __init__(self, path: Path) -> None:
        import soundfile

        self._error = soundfile.LibsndfileError
        try:
            self._file = soundfile.SoundFile(path)
        except (soundfile.LibsndfileError, UnicodeEncodeError) as error:
            raise MediaError(f"not a sound file that can be read ({_reason(error)})") from error
        self.declared_s = self.expected_s = self._file.frames / self._file.samplerate or None
        self.read_s = 0.0
        self.errors: list[str] = []

    def close(self) -> None:
        self._file.close()

    def pieces(self, sound: bool, picture: bool, frame_rate_hz: float) -> Iterator[Sound | Frame]:
        del sound, picture, frame_rate_hz  # there is only sound, and it is wanted
        rate, count = self._file.samplerate, 0
        mono = _Mono()
        try:
            while len(block := self._file.read(_BLOCK, dtype="float32", always_2d=True)):
                frame = av.AudioFrame.from_ndarray(_mixed(block)[np.newaxis], format="fltp", layout="mono")
                frame.sample_rate = rate
                yield from mono.convert(frame)
                count += len(block)
                self.read_s = count / rate
        except (self._error, ValueError) as error:
            self.errors.append(f"the file cannot be read on ({_reason(error)})")
        yield from mono.flush()


class _Mono:
    """Turn audio frames of any rate and layout into 16 kHz mono."""

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None

    def convert(self, frame: av.AudioFrame) -> Iterator[Sound]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:  # a stream may change its format midway
            yield from self.flush()
            if not _RATES_HZ[0] <= frame.sample_rate <= _RATES_HZ[1]:
                raise ValueError(f"its sampling rate is {frame.sample_rate} Hz")
            # FFmpeg's own mix to mono would be louder by the number of channels.
            self._resampler = AudioResampler(format="flt", layout=frame.layout, rate=SAMPLE_RATE_HZ)
            self._kind = kind
        assert self._resampler is not None
        frame.pts = None  # gaps in the clock are no sound
        yield from map(_sound, self._resampler.resample(frame))

    def flush(self) -> Iterator[Sound]:
        resampler, self._resampler, self._kind = self._resampler, None, None
        # What could not be converted cannot be flushed: that was said before.
        with contextlib.suppress(av.error.FFmpegError):
            yield from map(_sound, resampler.resample(None) if resampler else ())


def _open(path: Path) -> _Container | _SoundFile:
    if path.suffix.lower() in SOUNDFILE_SUFFIXES:
        try:
            return _SoundFile(path)
        except MediaError:
            pass  # a codec libsndfile lacks, or a name that lies: FFmpeg looks at the content
    return _Container(path)


def _check_regular(path: Path) -> None:
    try:
        if not path.exists():
            raise MediaError("no such file")
        if not path.is_file():
            raise MediaError("not a regular file")
        if path.stat().st_size == 0:
            raise MediaError("the file is empty")
    except OSError as error:
        raise MediaError(f"cannot be opened ({error.strerror})") from error


def _is_moving(stream: VideoStream) -> bool:
    return not stream.disposition & av.stream.Disposition.attached_pic


def _choose(streams: Sequence[Any]) -> Any:
    """Give the first stream that can be decoded, else the first, else None."""
    return next((s for s in streams if s.codec_context is not None), next(iter(streams), None))


def _lacks_bytes(path: Path) -> bool:
    """Tell whether a WAV, AVI or AIFF file is shorter than it says; readers take what is there for the whole."""
    with path.open("rb") as file:
        head = file.read(8)
    if head[:4] not in (b"RIFF", b"FORM"):
        return False
    stated = int.from_bytes(head[4:], "little" if head[:4] == b"RIFF" else "big")
    # A writer that could not go back left a placeholder, and some count the head of the file twice.
    return stated < 0x7FFF_0000 and stated + len(head) - path.stat().st_size > 16


def _reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    return said.strip().rstrip(".") or type(error).__name__


def _sound(frame: av.AudioFrame) -> Sound:
    packed: NDArray[np.float32] = frame.to_ndarray().astype(np.float32, copy=False)
    return Sound(_mixed(packed.reshape(-1, frame.layout.nb_channels)))


def _mixed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the mean of the channels [n, n_channels], with 0 in place of what is no number or absurd."""
    sound = np.abs(samples) < _ABSURD
    if not sound.all():
        samples = np.where(sound, samples, np.float32(0))
    mixed: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    return mixed
