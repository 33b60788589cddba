"""A file read to be written again: every frame in colour, and the packets of its sound as they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mercli.container import Errors, check_regular, choose, is_moving, open_container, reason_of
from mercli.errors import MediaError
from mercli.video import PixelLimit, pixel_aspect, quarter_turns

_FINEST = 1_000_000  # ticks a second of a clock that is taken as it is
_USUAL = Fraction(1, 90_000)  # the clock of MPEG
_JUMP_S, _SETBACK_S = 3600.0, 1.0  # a clock that leaps further on, or back, is wrong
_RATES_HZ = (0.5, 240.0)  # what a file may state that its frames come at; else they come at the next
_RATE_HZ = 25
_MATRICES = {
    1: Colorspace.ITU709,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""By FFmpeg's numbers of what a file may state."""
_LARGE = (1280, 576)  # a picture that is wider or higher and states no colours has those of HD


@dataclass(frozen=True, slots=True)
class Shot:
    """Hold a decoded frame.

    Parameters
    ----------
    frame : VideoFrame
        As decoded.
    time_s : float
        When it is shown, since the beginning of the file, by the file's own clock.
    ticks : int
        The same in units of the recording's `time_base`, but later than the shot before.
    """

    frame: VideoFrame
    time_s: float
    ticks: int


@dataclass(frozen=True, slots=True)
class Ground:
    """Say what the pictures of a recording are like, to draw on them.

    Parameters
    ----------
    width, height : int
        Of the first, upright, in its own pixels.
    aspect : float
        The width of these pixels over their height.
    scale : float
        How high, in these pixels, a pixel is of the pictures in which faces are found. Those are made square in
        the width as it is stored, which is the height of a picture that is turned.
    """

    width: int
    height: int
    aspect: float = 1.0
    scale: float = 1.0


class Clock:
    """Place what comes one after the other in time, so that it goes on whatever a damaged file states.

    Parameters
    ----------
    start : Fraction
        The second at which the file begins.
    time_base : Fraction
        Seconds a tick.

    Examples
    --------
    >>> clock = Clock(Fraction(0), Fraction(1, 10))
    >>> [clock.place(at, 1) for at in (0, 1, 1, None, 4, -70, -68, 10**9)]
    [0, 1, 2, 3, 4, 5, 7, 8]
    """

    def __init__(self, start: Fraction, time_base: Fraction) -> None:
        self.start = round(start / time_base)
        self._jump, self._setback = float(_JUMP_S / time_base), float(_SETBACK_S / time_base)
        self._shift = 0
        self._last: int | None = None

    def place(self, stated: int | None, step: int) -> int:
        """Give a tick after the last: the one that is stated if that can be, else `step` later than the last."""
        follows = (self._last or 0) + max(1, step) if self._last is not None else 0
        at = follows if stated is None else stated - self.start + self._shift
        if at - follows > self._jump or follows - at > self._setback:
            self._shift += follows - at
            at = follows
        self._last = at if self._last is None else max(at, self._last + 1)
        return self._last


class Recording:
    """Read one file that has a picture, to write it again.

    Parameters
    ----------
    path : Path
        A local regular file.
    max_pixels : int or None
        Pictures of more pixels, width times height, are not decoded.

    Raises
    ------
    MediaError
        If it cannot be opened as media, or has no picture that may be decoded.
    """

    def __init__(self, path: Path, *, max_pixels: int | None = None) -> None:
        check_regular(path)
        self._limit = PixelLimit(max_pixels)
        self._container = open_container(path, self._limit.options)
        self.errors = Errors()
        try:
            self.video: VideoStream = self._find_video()
        except MediaError:
            self._container.close()
            raise
        self.sounds: list[AudioStream] = [s for s in self._container.streams.audio if s.codec_context is not None]
        self.start = Fraction(self._container.start_time or 0, av.time_base)
        base = self.video.time_base
        self.time_base = Fraction(base) if base and base.numerator == 1 and 1 / base <= _FINEST else _USUAL
        self.duration_s = (self._container.duration or 0) / av.time_base
        self.aspect = pixel_aspect(self.video)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def ground(self, frame: VideoFrame) -> Ground:
        """Say what pictures are like of which `frame` is the first."""
        height, width = in_colour(frame).shape[:2]
        if not quarter_turns(frame) % 2:
            return Ground(width, height, float(self.aspect))
        return Ground(width, height, float(1 / self.aspect), float(1 / self.aspect))

    @property
    def rate_hz(self) -> Fraction:
        """Give how many frames a second there are about."""
        rate = self.video.average_rate or self.video.guessed_rate
        least, most = _RATES_HZ
        return Fraction(rate) if rate and least <= rate <= most else Fraction(_RATE_HZ)

    def pieces(self) -> Iterator[Shot | Any]:
        """Read it once.

        Yields
        ------
        Shot or Packet
            Every frame that can be decoded, and every packet of its sounds, as they lie in the file. What cannot
            be read is noted in `errors`.
        """
        for stream in (self.video, *self.sounds):
            stream.codec_context.thread_count = 1
        self.video.codec_context.options = self._limit.options
        clock = Clock(self.start, self.time_base)
        step = max(1, round(1 / self.rate_hz / self.time_base))
        for packet in self._packets():
            if packet is not None and packet.stream is not self.video:
                if packet.size:
                    yield packet
                continue
            for frame in self.decoded(packet, self.video):
                ticks = clock.place(self._stated(frame), step)
                time_s = ticks * float(self.time_base) if frame.time is None else frame.time - float(self.start)
                yield Shot(frame, time_s, ticks)

    def decoded(self, packet: Any, stream: VideoStream | AudioStream) -> list[Any]:
        """Decode a packet, or None for what the decoder holds back; what cannot be is noted."""
        try:
            frames: list[Any] = list(stream.codec_context.decode(packet))
        except EOFError:  # it holds nothing back
            return []
        except (av.error.FFmpegError, ValueError) as error:
            refusal = self._limit.explain(stream, error) if isinstance(stream, VideoStream) else None
            self.errors.add(refusal or f"a packet cannot be decoded ({reason_of(error)})")
            return []
        for frame in frames:
            if not frame.time_base:  # PyAV gives none to what a decoder held back
                frame.time_base = stream.time_base
        if any(frame.is_corrupt for frame in frames):
            self.errors.add("a frame is corrupt")
        return frames

    def _packets(self) -> Iterator[Any]:
        """Give packets in the order of the file, and None in the end, even where it cannot be read on."""
        try:
            for packet in self._container.demux(self.video, *self.sounds):
                if packet.size:  # PyAV asks for what decoders hold back by empty ones
                    yield packet
        except (av.error.FFmpegError, OSError) as error:
            self.errors.add(f"the file cannot be read on ({reason_of(error)})")
        except IndexError:  # PyAV knows only the streams there were when it opened the file
            self.errors.add("the file cannot be read on (another stream begins midway)")
        yield None

    def _stated(self, frame: VideoFrame) -> int | None:
        if frame.pts is None or frame.time_base is None:
            return None
        if frame.time_base == self.time_base:
            return frame.pts
        return round(frame.pts * Fraction(frame.time_base) / self.time_base)

    def _find_video(self) -> VideoStream:
        video = choose([stream for stream in self._container.streams.video if is_moving(stream)])
        if video is None:
            raise MediaError("the file has no picture; `mercli plot` draws what is said of its sound")
        if video.codec_context is None:
            raise MediaError("there is no decoder for its picture")
        refusal = self._limit.refuse(video.codec_context.width, video.codec_context.height)
        if refusal:
            raise MediaError(refusal)
        return video  # type: ignore[no-any-return]


def colours_of(frame: VideoFrame) -> Colorspace:
    """Say by which matrix a viewer makes colours of a frame."""
    if stated := _MATRICES.get(int(frame.colorspace)):
        return stated
    width, height = _LARGE
    return Colorspace.ITU709 if frame.width >= width or frame.height > height else Colorspace.ITU601


def in_colour(frame: VideoFrame) -> NDArray[np.uint8]:
    """Give a frame as a viewer sees it.

    Parameters
    ----------
    frame : VideoFrame
        As decoded.

    Returns
    -------
    np.ndarray [shape=(height, width, 3)], uint8
        Red, green and blue, upright; its pixels may not be square.
    """
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj") or frame.format.is_rgb
    red_green_blue = frame.reformat(
        format="rgb24",
        src_colorspace=colours_of(frame),
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    picture = red_green_blue.to_ndarray().astype(np.uint8, copy=False)
    turns = quarter_turns(frame)
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
