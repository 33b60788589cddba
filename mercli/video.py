"""The pictures of a video stream: which of them are decoded and looked at, and their luma."""

import math
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mercli.picture import Picture

_LEAST_ASPECT = Fraction(1, 4)  # of a pixel; a file that states another than this to its inverse is wrong
_PADDED = 64  # FFmpeg's decoders count the pixels of rows that are padded to a multiple of this


class FramePicker:
    """Pick about `rate_hz` frames a second, by their times.

    Parameters
    ----------
    video : VideoStream or None
        The stream; frames that no other refers to are not decoded where it holds at least twice as many.
    rate_hz : float
        How many frames a second are wanted.
    """

    def __init__(self, video: VideoStream | None, rate_hz: float) -> None:
        declared = float(video.average_rate) if video is not None and video.average_rate else 0.0
        self._interval_s = 1.0 / declared if declared > 0 else 1.0 / 25.0
        self._step_s = 1.0 / rate_hz
        self._due_s = -math.inf
        self._decoder = video.codec_context if video is not None else None
        if declared >= 2 * rate_hz:
            self._skip("NONREF")
        self.time_s = -math.inf

    def takes(self, frame: VideoFrame) -> bool:
        """Tell whether the next decoded frame is wanted; `time_s` is then its time."""
        last_s = self.time_s
        if frame.time is not None:
            self.time_s = frame.time
        else:  # it follows the one before at the declared rate
            self.time_s = last_s + self._interval_s if math.isfinite(last_s) else 0.0
        if self.time_s < last_s - self._step_s:
            self._due_s = -math.inf  # the file's clock was set back
        elif self.time_s - last_s > 2 * self._step_s + 0.5 * self._interval_s and math.isfinite(last_s):
            self._skip("DEFAULT")  # too few frames are referred to: decode them all
        if self.time_s < self._due_s - 0.5 * self._interval_s:
            return False
        self._due_s = max(self._due_s + self._step_s, self.time_s + 0.5 * self._step_s)
        return True

    def _skip(self, which: Literal["DEFAULT", "NONREF"]) -> None:
        if self._decoder is not None:
            self._decoder.skip_frame = which


class PixelLimit:
    """Keep pictures of too many pixels from being decoded.

    Parameters
    ----------
    max_pixels : int or None
        Width times height that is still decoded; None for any.
    """

    def __init__(self, max_pixels: int | None) -> None:
        self._max_pixels = max_pixels
        self.options = {} if max_pixels is None else {"max_pixels": str(max_pixels)}

    def refuse(self, width: int, height: int) -> str | None:
        """Say why a picture of this size is refused, or give None."""
        over = self._max_pixels is not None and width * height > self._max_pixels
        return self._say(width, height) if over else None

    def explain(self, video: VideoStream, error: Exception | None) -> str | None:
        """Say which size kept the last packet from being decoded, or give None if it was none."""
        if self._max_pixels is None:
            return None
        width, height = video.codec_context.width, video.codec_context.height
        if isinstance(error, av.error.ArgumentError) and not (width and height):
            return f"a picture has no size, or one over --max-pixels {self._max_pixels}"
        padded = -(-width // _PADDED) * _PADDED if error else width
        return self._say(width, height) if padded * height > self._max_pixels else None

    def _say(self, width: int, height: int) -> str:
        return f"a picture of {width} x {height} pixels is over --max-pixels {self._max_pixels}"


def read_picture(frame: VideoFrame, video: VideoStream | None) -> Picture:
    """Give the grey picture as a viewer sees it: the decoder's own luma plane wherever it has one.

    Parameters
    ----------
    frame : VideoFrame
        As decoded.
    video : VideoStream or None
        Its stream, which knows the shape of a pixel.

    Returns
    -------
    Picture
        Upright, with square pixels.
    """
    layout = frame.format
    eight_bit_luma = (
        layout.is_planar and not layout.is_rgb and not layout.has_palette and layout.components[0].bits == 8
    ) or layout.name == "gray"
    grey: NDArray[np.uint8]
    studio = False
    if eight_bit_luma:
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        grey = rows[: frame.height, : frame.width]
        studio = layout.name != "gray" and frame.color_range != ColorRange.JPEG
    else:
        grey = frame.to_ndarray(format="gray").astype(np.uint8, copy=False)
    aspect = pixel_aspect(video)
    if aspect != 1:
        import cv2  # which a run without pictures never needs

        width = max(1, round(grey.shape[1] * float(aspect)))
        grey = cv2.resize(np.ascontiguousarray(grey), (width, grey.shape[0]), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    turns = quarter_turns(frame)
    return Picture(np.ascontiguousarray(np.rot90(grey, turns)) if turns else grey, studio=studio)


def pixel_aspect(video: VideoStream | None) -> Fraction:
    """Give the width of a pixel over its height, as decoded; 1 where the file says nothing that can be true."""
    aspect = video.sample_aspect_ratio if video is not None else None
    return Fraction(aspect) if aspect and _LEAST_ASPECT < aspect < 1 / _LEAST_ASPECT else Fraction(1)


def quarter_turns(frame: VideoFrame) -> int:
    """Say how often a frame is to be turned by 90 degrees, against the clock, to stand upright."""
    return round(frame.rotation / 90) % 4
