"""Files opened by FFmpeg, and what it says of them in words."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from mercli.errors import MediaError

_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,dv,eac3,flac,flv,gif,h264,hevc,ivf,loas,m4v,matroska,mjpeg,mov,mp3,mpeg,"
    "mpegts,mpegvideo,mxf,nut,obu,ogg,rm,tta,w64,wav,wtv,wv,yuv4mpegpipe"
)
"""FFmpeg's formats that hold sound or video themselves: a playlist could make the reader wait for ever."""


class Errors:
    """Keep the first thing that went wrong and count the others: a file may have one in every packet."""

    def __init__(self) -> None:
        self.count = 0
        self._first = ""

    def __str__(self) -> str:
        return self._first + (f" (and {self.count - 1} more)" if self.count > 1 else "")

    def add(self, what: str) -> None:
        """Note one more thing."""
        self._first = self._first or what
        self.count += 1


def open_container(path: Path, options: dict[str, str]) -> InputContainer:
    """Open a file by FFmpeg, as one that holds sound or picture itself.

    Parameters
    ----------
    path : Path
        A local file.
    options : dict of str to str
        FFmpeg's own.

    Returns
    -------
    InputContainer
        To be closed by whoever asked for it.

    Raises
    ------
    MediaError
        If it is no such file.
    """
    try:
        # Absolute, because FFmpeg takes what stands before a colon in a bare name for a protocol.
        return av.open(
            str(path.absolute()),
            options={"format_whitelist": _FORMATS, "protocol_whitelist": "file", **options},
            metadata_errors="replace",
        )
    except av.error.ArgumentError as error:
        raise MediaError("not a media file that can be read (no format that holds sound or video)") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"not a media file that can be read ({reason_of(error)})") from error


def check_regular(path: Path) -> None:
    """Raise a MediaError unless something can be read there."""
    try:
        if not path.exists():
            raise MediaError("no such file")
        if path.is_dir():
            _refuse_folder(path)
        if not path.is_file():
            raise MediaError("not a regular file")
        if path.stat().st_size == 0:
            raise MediaError("the file is empty")
    except OSError as error:
        raise MediaError(f"cannot be opened ({error.strerror})") from error


def _refuse_folder(path: Path) -> NoReturn:
    try:
        os.scandir(path).close()
    except OSError as error:
        raise MediaError(f"is a folder that cannot be read ({error.strerror})") from error
    raise MediaError("is a folder that cannot be read")


def is_moving(stream: VideoStream) -> bool:
    """Tell whether a stream is a picture that moves, and not the cover of a record."""
    return not stream.disposition & av.stream.Disposition.attached_pic


def choose(streams: Sequence[Any]) -> Any:
    """Give the first stream that can be decoded, else the first, else None."""
    return next((s for s in streams if s.codec_context is not None), next(iter(streams), None))


def reason_of(error: Exception) -> str:
    """Give what a library says of an error, as a phrase."""
    said = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    return said.strip().rstrip(".") or type(error).__name__
