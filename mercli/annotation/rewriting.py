"""Write a video again: other pictures, the same times, the same sound."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mercli.annotation.recording import Clock, Ground, Recording, Shot, colours_of, in_colour
from mercli.annotation.sound import CodedSound, CopiedSound, Sound, codec_of
from mercli.container import reason_of
from mercli.errors import MediaError
from mercli.video import quarter_turns

Picture = NDArray[np.uint8]

_THREADS = 4  # of the encoder: one video is written at a time, and each thread holds pictures
_COARSEST = 65_535  # ticks a second of MPEG-4, at most
_STATED = {Colorspace.ITU709: 1, Colorspace.ITU601: 6, Colorspace.BT2020: 9}
_X264 = {"preset": "veryfast", "crf": "20"}
_VP9 = {"deadline": "realtime", "cpu-used": "6", "crf": "31", "b": "0"}


@dataclass(frozen=True, slots=True)
class Format:
    """Say how files of one kind are written.

    Parameters
    ----------
    container : str
        FFmpeg's name.
    pictures : tuple of str
        Encoders of the picture, the best first.
    copied : frozenset of str
        Codecs of sound that are copied as they are.
    sound : str
        The encoder of any other sound.
    options : dict of str to str
        Of the container.
    """

    container: str
    pictures: tuple[str, ...]
    copied: frozenset[str]
    sound: str
    options: dict[str, str]


_H264 = ("libx264", "mpeg4")
_IN_MP4 = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
_PCM = frozenset({"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"})
FORMATS = {
    ".mp4": Format("mp4", _H264, _IN_MP4, "aac", {"movflags": "+faststart"}),
    ".mov": Format("mov", _H264, _IN_MP4 | _PCM | {"pcm_s16be", "pcm_s24be"}, "aac", {"movflags": "+faststart"}),
    ".mkv": Format("matroska", _H264, _IN_MP4 | _PCM | {"flac", "opus", "vorbis", "dts"}, "aac", {}),
    ".webm": Format("webm", ("libvpx-vp9",), frozenset({"opus", "vorbis"}), "libopus", {}),
}
"""By the suffix of the file."""


class Draw(Protocol):
    """Draw on the frames of one recording."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of what is drawn, both even."""
        ...

    def draw(self, picture: Picture, time_s: float) -> Picture:
        """Draw on a frame, red, green and blue, uint8 [height, width, 3], that is shown at a time."""
        ...


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Say what was written.

    Parameters
    ----------
    n_frames : int
        Pictures.
    damage : str or None
        What could not be read.
    transcoded : tuple of str
        Codecs of sound that was coded anew.
    """

    n_frames: int
    damage: str | None
    transcoded: tuple[str, ...]


def rewrite(
    path: Path,
    output: Path,
    form: Format,
    drawing: Callable[[Ground], Draw],
    *,
    max_pixels: int | None = None,
) -> Rewritten:
    """Write a video again.

    Frames keep their times, counted from where the file begins; a frame that is not after the one before is put
    after it. Sound is copied where the format takes its codec, else coded anew; subtitles are left out.

    Parameters
    ----------
    path : Path
        The video.
    output : Path
        What is written over; whatever its name ends in.
    form : Format
        How.
    drawing : callable
        Given what the pictures are like, it gives what draws on them.
    max_pixels : int or None
        Larger pictures are not decoded.

    Returns
    -------
    Rewritten
        What was written.

    Raises
    ------
    MediaError
        If nothing can be read, or this cannot be written.
    """
    first = _first_frame(path, max_pixels)
    with Recording(path, max_pixels=max_pixels) as recording:
        upright = 1 / recording.aspect if quarter_turns(first) % 2 else recording.aspect
        canvas = drawing(recording.ground(first))
        coded = tuple(codec for codec in map(codec_of, recording.sounds) if codec not in form.copied)
        with _writing(output, form) as container:
            pictures = _Pictures(container, form, recording, canvas.shape, upright, colours_of(first))
            sounds = {
                stream.index: (CodedSound if codec_of(stream) in coded else CopiedSound)(
                    container, form.sound, recording, stream
                )
                for stream in recording.sounds
            }
            for piece in recording.pieces():
                if isinstance(piece, Shot):
                    pictures.add(canvas.draw(in_colour(piece.frame), piece.time_s), piece)
                else:
                    sounds[piece.stream.index].add(piece)
            tracks: list[Sound | _Pictures] = [pictures, *sounds.values()]
            for track in tracks:
                track.finish()
    damage = str(recording.errors) if recording.errors.count else None
    return Rewritten(pictures.n_frames, damage, coded)


def _first_frame(path: Path, max_pixels: int | None) -> VideoFrame:
    """Give the first frame that can be decoded: a file says what it holds, and may be wrong."""
    with Recording(path, max_pixels=max_pixels) as recording:
        for piece in recording.pieces():
            if isinstance(piece, Shot):
                return piece.frame
    said = f" ({recording.errors})" if recording.errors.count else ""
    raise MediaError(f"no frame of its picture could be decoded{said}")


@contextlib.contextmanager
def _writing(output: Path, form: Format) -> Iterator[OutputContainer]:
    try:
        with av.open(str(output.absolute()), "w", format=form.container, options=form.options) as container:
            yield container
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(f"the video cannot be written ({reason_of(error)})") from error


def picture_encoder(form: Format) -> str | None:
    """Name the encoder of the picture there is in this installation, or None."""
    for name in form.pictures:
        with contextlib.suppress(ValueError):
            return str(av.Codec(name, "w").name)
    return None


class _Pictures:
    """The picture of a file that is written."""

    def __init__(
        self,
        container: OutputContainer,
        form: Format,
        recording: Recording,
        shape: tuple[int, int],
        aspect: Fraction,
        colours: Colorspace,
    ) -> None:
        encoder = picture_encoder(form)
        if encoder is None:
            raise MediaError(f"this installation has no encoder for it ({' or '.join(form.pictures)})")
        options = {"libx264": _X264, "libvpx-vp9": _VP9}.get(encoder)
        rate = recording.rate_hz.limit_denominator(_COARSEST)
        stream = container.add_stream(encoder, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = shape
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        base = recording.time_base
        coarse = encoder == "mpeg4" and base.denominator > _COARSEST
        context.time_base = stream.time_base = Fraction(1, 60_000) if coarse else base
        self._clock = Clock(Fraction(0), context.time_base)
        self._ticks = base / context.time_base
        context.sample_aspect_ratio = aspect.limit_denominator(_COARSEST)
        context.thread_count = _THREADS
        context.colorspace, context.color_range = _STATED[colours], int(ColorRange.MPEG)
        if options is None:
            stream.bit_rate = max(200_000, round(0.15 * shape[0] * shape[1] * rate))
        self._container, self._stream, self._colours = container, stream, colours
        self.n_frames = 0

    def add(self, picture: Picture, shot: Shot) -> None:
        frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=self._colours,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
        )
        frame.time_base = self._stream.codec_context.time_base
        frame.pts = self._clock.place(round(shot.ticks * self._ticks), 1)
        self._container.mux(self._stream.encode(frame))
        self.n_frames += 1

    def finish(self) -> None:
        self._container.mux(self._stream.encode())
