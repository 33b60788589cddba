"""The one place that opens media: a file in, 16 kHz mono samples and timed grey frames out, in one pass."""

import math
from collections.abc import Iterator
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

_BLOCK = 1 << 16  # samples read from a sound file at a time
_SHORTFALL_S = 1.0  # a file may end this much before its header says without being called damaged


@dataclass(frozen=True, slots=True)
class Sound:
    """Hold a block of samples: float32 [n], 16 kHz, mono, full scale 1."""

    samples: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """Hold a picture: luma, uint8 [height, width], upright, with square pixels; and its time in seconds."""

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
        """Give the duration the header states, else what was read so far, else None."""
        return self._source.declared_s or self._read_s or None

    def __iter__(self) -> Iterator[Sound | Frame]:
        if not (self._sound or self._picture):
            return
        for piece in self._source.pieces(self._sound, self._picture, self._frame_rate_hz):
            self._read_s = self._source.read_s
            yield piece
        self._read_s = self._source.read_s
        self.damage = self._find_damage()

    def _find_damage(self) -> str | None:
        declared_s = self._source.declared_s
        if self._source.errors:
            what = self._source.errors[0]
            return f"damaged: {what}; {self._read_s:.1f} s were read" + (
                f" of {declared_s:.1f} s" if declared_s else ""
            )
        if declared_s and declared_s - self._read_s > max(_SHORTFALL_S, 0.05 * declared_s):
            return f"the file ends early: {self._read_s:.1f} s were read of {declared_s:.1f} s"
        return None


class _Container:
    """Read any container FFmpeg knows."""

    def __init__(self, path: Path) -> None:
        try:
            # Only local files: a playlist must not make the reader open addresses of its own choosing.
            self._container = av.open(str(path), options={"protocol_whitelist": "file"})
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise MediaError(f"not a media file that can be read ({_reason(error)})") from error
        self._video = next((s for s in self._container.streams.video if _is_moving(s)), None)
        self._audio = next(iter(self._container.streams.audio), None)
        if self._video is None and self._audio is None:
            self._container.close()
            raise MediaError("neither sound nor picture in the file")
        for stream in (self._video, self._audio):
            if stream is not None:
                # Workers fill the cores; decoder threads inside them would fight.
                stream.codec_context.thread_count = 1
        self.has_sound = self._audio is not None
        self.has_picture = self._video is not None
        duration = self._container.duration
        self.declared_s = duration / av.time_base if duration and duration > 0 else None
        self.read_s = 0.0
        self.errors: list[str] = []

    def close(self) -> None:
        self._container.close()

    def pieces(self, sound: bool, picture: bool, frame_rate_hz: float) -> Iterator[Sound | Frame]:
        audio = self._audio if sound else None
        video = self._video if picture else None
        if video is not None and video.average_rate and float(video.average_rate) >= 2 * frame_rate_hz:
            video.codec_context.skip_frame = "NONREF"
        mono = _Mono()
        picked = _Pick(video, frame_rate_hz)
        start_s = (self._container.start_time or 0) / av.time_base
        for packet in self._packets([s for s in (video, audio) if s is not None]):
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError) as error:
                self.errors.append(f"a packet cannot be decoded ({_reason(error)})")
                continue
            if packet.pts is not None and packet.time_base is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                self.read_s = max(self.read_s, float(end) - start_s)
            for frame in frames:
                if isinstance(frame, VideoFrame):
                    time_s = picked.time(frame)
                    if time_s is not None:
                        yield Frame(_luma(frame, video), time_s)
                else:
                    yield from mono.convert(frame)
        yield from mono.flush()

    def _packets(self, streams: list[VideoStream | AudioStream]) -> Iterator[Any]:
        try:
            yield from self._container.demux(streams)
        except (av.error.FFmpegError, OSError) as error:
            self.errors.append(f"the file cannot be read on ({_reason(error)})")


class _SoundFile:
    """Read an uncompressed or FLAC/Vorbis sound file by libsndfile."""

    has_sound = True
    has_picture = False

    def __init__(self, path: Path) -> None:
        import soundfile

        self._error = soundfile.LibsndfileError
        try:
            self._file = soundfile.SoundFile(path)
        except soundfile.LibsndfileError as error:
            raise MediaError(f"not a sound file that can be read ({error.error_string})") from error
        self.declared_s = self._file.frames / self._file.samplerate or None
        self.read_s = 0.0
        self.errors: list[str] = []

    def close(self) -> None:
        self._file.close()

    def pieces(self, sound: bool, picture: bool, frame_rate_hz: float) -> Iterator[Sound | Frame]:
        del sound, picture, frame_rate_hz  # there is only sound, and it is wanted
        rate, count = self._file.samplerate, 0
        mono = _Mono()
        while True:
            try:
                block = self._file.read(_BLOCK, dtype="float32", always_2d=True)
            except self._error as error:
                self.errors.append(f"the file cannot be read on ({error.error_string})")
                break
            if not len(block):
                break
            count += len(block)
            self.read_s = count / rate
            mixed = np.ascontiguousarray(block.mean(axis=1)[np.newaxis])
            frame = av.AudioFrame.from_ndarray(mixed, format="fltp", layout="mono")
            frame.sample_rate = rate
            yield from mono.convert(frame)
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
            self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
            self._kind = kind
        assert self._resampler is not None
        frame.pts = None  # gaps in the clock are no sound
        yield from map(_samples, self._resampler.resample(frame))

    def flush(self) -> Iterator[Sound]:
        if self._resampler is not None:
            yield from map(_samples, self._resampler.resample(None))
            self._resampler = self._kind = None


class _Pick:
    """Pick about `rate_hz` frames a second, by their times."""

    def __init__(self, video: VideoStream | None, rate_hz: float) -> None:
        declared = float(video.average_rate) if video is not None and video.average_rate else 0.0
        self._interval_s = 1.0 / declared if declared > 0 else 1.0 / 25.0
        self._step_s = 1.0 / rate_hz
        self._due_s = -math.inf
        self._last_s = -self._interval_s

    def time(self, frame: VideoFrame) -> float | None:
        # A frame without a time stamp follows the one before at the declared rate.
        time_s = frame.time if frame.time is not None else self._last_s + self._interval_s
        self._last_s = time_s
        if time_s < self._due_s - 0.5 * self._interval_s:
            return None
        self._due_s = max(self._due_s + self._step_s, time_s + 0.5 * self._step_s)
        return time_s


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


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _samples(frame: av.AudioFrame) -> Sound:
    samples = frame.to_ndarray().reshape(-1)
    return Sound(np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0))


def _luma(frame: VideoFrame, video: VideoStream | None) -> NDArray[np.uint8]:
    """Give the grey picture as a viewer sees it: the decoder's own luma plane wherever it has one."""
    layout = frame.format
    eight_bit_luma = (
        layout.is_planar and not layout.is_rgb and not layout.has_palette and layout.components[0].bits == 8
    ) or layout.name == "gray"
    luma: NDArray[np.uint8]
    if eight_bit_luma:
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        luma = rows[: frame.height, : frame.width]
    else:
        luma = frame.to_ndarray(format="gray").astype(np.uint8, copy=False)
    aspect = video.sample_aspect_ratio if video is not None else None
    if aspect and aspect != 1 and 0.25 < aspect < 4:
        import cv2

        width = max(1, round(luma.shape[1] * float(aspect)))
        luma = cv2.resize(np.ascontiguousarray(luma), (width, luma.shape[0]), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    turns = round(frame.rotation / 90) % 4
    return np.rot90(luma, turns) if turns else luma
