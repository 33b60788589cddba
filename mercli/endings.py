"""What a file itself says of where it ends: readers may take what is there for the whole."""

from pathlib import Path
from typing import BinaryIO

_LARGEST_PAGE = 27 + 255 + 255 * 255  # bytes of an Ogg page: RFC 3533, section 6
_LAST_PAGE = 4  # the flag of a stream's last page


def lacks_bytes(path: Path) -> bool:
    """Tell whether a WAV, AVI, AIFF or Ogg file is shorter than it says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        if head[:4] == b"OggS":
            file.seek(max(0, size - 2 * _LARGEST_PAGE))
            return _lacks_last_page(file.read())
    if head[:4] not in (b"RIFF", b"FORM"):
        return False
    stated = int.from_bytes(head[4:], "little" if head[:4] == b"RIFF" else "big")
    # A writer that could not go back left a placeholder, and some count the head of the file twice.
    return stated < 0x7FFF_0000 and stated + len(head) - size > 16


def counts_frames(path: Path) -> bool:
    """Tell whether an MP3 file begins with a count of its frames."""
    with path.open("rb") as file:
        _skip_tag(file)
        first = file.read(256)
    return any(name in first for name in (b"Xing", b"Info", b"VBRI"))


def _lacks_last_page(tail: bytes) -> bool:
    start = tail.rfind(b"OggS")
    if start < 0:
        return False
    page = tail[start:]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    length = 27 + page[26] + sum(page[27 : 27 + page[26]])
    return len(page) < length or not page[5] & _LAST_PAGE


def _skip_tag(file: BinaryIO) -> None:
    """Go behind an ID3v2 tag, whose size has seven bits a byte."""
    head = file.read(10)
    is_tag = head[:3] == b"ID3" and len(head) == 10
    file.seek(
        10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)) if is_tag else 0
    )
