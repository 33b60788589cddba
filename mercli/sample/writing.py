"""Write frames and samples to media files."""

from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import ArrayLike, NDArray

from mercli.files import replaced_file

FPS = 25
SAMPLE_RATE_HZ = 16000

# FFmpeg's name for a container whose suffix is another.
CONTAINERS = {"mkv": "matroska", "m4a": "ipod", "m4v": "mp4", "mpg": "mpeg", "ts": "mpegts", "wmv": "asf"}


def write_video(
    path: str | Path,
    frames: Iterable[NDArray[np.uint8]] | None,
    *,
    fps: float | Fraction = FPS,
    samples: ArrayLike | None = None,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    codec: str | None = None,
    audio_codec: str | None = None,
    pix_fmt: str = "yuv420p",
) -> Path:
    """Write frames and sound to a media file whose suffix names the container.

    Parameters
    ----------
    path : Path
        File to write; one that is there is replaced once the new one is whole.
    frames : iterable of ndarray, optional
        Pictures of one size, uint8, grey [h, w] or RGB [h, w, 3]; none for sound alone.
    fps : float or Fraction
        Frames a second.
    samples : array_like, optional
        Sound [n] or [n, 2], from -1 to 1; none for pictures alone.
    sample_rate_hz : int
        Samples a second.
    codec, audio_codec : str, optional
        FFmpeg's names. When not given, h264 (mpeg4 where there is no libx264) and aac, in WebM vp8 and opus.
    pix_fmt : str
        Pixel format in the file.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ValueError
        If there is nothing to write, a shape or a rate is impossible, or a container or codec is unknown.
    UsageError
        If nothing can be written there.
    """
    path = Path(path)
    if frames is None and samples is None:
        raise ValueError(f"{path}: nothing to write; give frames, samples or both")
    if fps <= 0 or sample_rate_hz <= 0:
        raise ValueError(f"{path}: rates are above 0, not {fps} frames and {sample_rate_hz} samples a second")
    usual = ("libvpx", "libopus") if path.suffix.lower() == ".webm" else ("h264", "aac")
    rate = Fraction(fps).limit_denominator(1001)
    with replaced_file(path) as part, _open(part, path.suffix) as container:
        sound = None
        if samples is not None:
            sound = _SoundTrack(container, audio_codec or usual[1], samples, sample_rate_hz)
        video = None
        for index, picture in enumerate(frames if frames is not None else ()):
            if video is None:
                video = _add_video(container, codec or usual[0], rate, picture, pix_fmt)
            if picture.shape[:2] != (video.height, video.width):
                raise ValueError(
                    f"frame {index} is {picture.shape[1]}x{picture.shape[0]} px, "
                    f"those before it {video.width}x{video.height}"
                )
            frame = av.VideoFrame.from_ndarray(picture, format="gray" if picture.ndim == 2 else "rgb24")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(video.encode(frame))
            if sound is not None:
                sound.write_until((index + 1) / rate)
        if video is not None:
            container.mux(video.encode())
        elif frames is not None:
            raise ValueError(f"{path}: there are no frames; give None to write sound alone")
        if sound is not None:
            sound.finish()
    return path


def _open(part: Path, suffix: str) -> OutputContainer:
    name = suffix.lower().lstrip(".")
    try:
        return av.open(str(part), "w", format=CONTAINERS.get(name, name))
    except ValueError as error:
        raise ValueError(f"no container is known by the suffix {suffix!r}; try .mp4 or .mkv") from error


def _encoder(codec: str) -> str:
    for name in ("libx264", "mpeg4") if codec == "h264" else (codec,):
        with suppress(ValueError):
            return str(av.Codec(name, "w").name)
    raise ValueError(f"FFmpeg has no encoder {codec!r} here; try h264 or mpeg4, aac for sound")


def _add_video(
    container: OutputContainer, codec: str, rate: Fraction, picture: NDArray[np.uint8], pix_fmt: str
) -> VideoStream:
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (3,)):
        raise ValueError(f"a frame is uint8 [h, w] or [h, w, 3], not {picture.dtype} {list(picture.shape)}")
    height, width = picture.shape[:2]
    encoder = _encoder(codec)
    if encoder == "libx264" and pix_fmt.startswith("yuv420p") and (height % 2 or width % 2):
        raise ValueError(f"h264 in {pix_fmt} has even sizes, not {width}x{height}; try pix_fmt yuv444p")
    options = {"preset": "veryfast", "crf": "20"} if encoder == "libx264" else None
    stream = container.add_stream(encoder, rate=rate, options=options)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
    stream.codec_context.time_base = 1 / rate
    stream.codec_context.thread_count = 1  # the same bytes however many cores there are
    if encoder != "libx264":
        stream.bit_rate = max(200_000, round(0.15 * width * height * rate))
    return stream


class _SoundTrack:
    """The sound of a file, written piece by piece so that it lies beside the frames it belongs to."""

    def __init__(self, container: OutputContainer, codec: str, samples: ArrayLike, sample_rate_hz: int) -> None:
        self.samples = _checked_sound(samples)
        self.rate_hz = sample_rate_hz
        self.written = 0
        self.layout = "mono" if self.samples.ndim == 1 else "stereo"
        self.container = container
        stream = container.add_stream(_encoder(codec), rate=sample_rate_hz, layout=self.layout)
        assert isinstance(stream, AudioStream)
        self.stream = stream

    def write_until(self, time_s: Fraction) -> None:
        end = min(len(self.samples), int(time_s * self.rate_hz))
        if end > self.written:
            planes = np.ascontiguousarray(np.atleast_2d(self.samples[self.written : end].T))
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=self.layout)
            frame.sample_rate, frame.time_base = self.rate_hz, Fraction(1, self.rate_hz)
            frame.pts = self.written
            self.container.mux(self.stream.encode(frame))
            self.written = end

    def finish(self) -> None:
        self.write_until(Fraction(len(self.samples), self.rate_hz))
        self.container.mux(self.stream.encode())


def write_audio(path: str | Path, samples: ArrayLike, *, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Path:
    """Write sound to a wav, flac or ogg file.

    Parameters
    ----------
    path : Path
        File to write; one that is there is replaced once the new one is whole.
    samples : array_like
        Sound [n] or [n, 2], from -1 to 1.
    sample_rate_hz : int
        Samples a second.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ValueError
        If the shape or the rate is impossible or the suffix is another.
    UsageError
        If nothing can be written there.
    """
    path = Path(path)
    sound = _checked_sound(samples)
    if path.suffix.lower() not in (".wav", ".flac", ".ogg"):
        raise ValueError(f"{path}: this writes .wav, .flac and .ogg; write_video writes sound to others")
    if sample_rate_hz <= 0:
        raise ValueError(f"{path}: a rate is above 0, not {sample_rate_hz} samples a second")
    with replaced_file(path) as part:
        soundfile.write(part, sound, sample_rate_hz, format=path.suffix[1:].upper())
    return path


def _checked_sound(samples: ArrayLike) -> NDArray[np.float32]:
    sound = np.asarray(samples, np.float32)
    if sound.ndim not in (1, 2) or sound.shape[1:] not in ((), (2,)) or not len(sound):
        raise ValueError(f"sound has a shape [n] or [n, 2] with n above 0, not {list(sound.shape)}")
    return sound
