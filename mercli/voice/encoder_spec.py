"""Which speech network measures a voice: a bundle records it, and never holds the network itself."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Self

from mercli.files import PLAIN_NAME

LARGEST_BYTES = (2 << 30) - 1
"""A larger ONNX file cannot be: protobuf, its format, ends there."""

WIDEST = 1 << 14
"""The longest embedding; those of the largest public networks have some thousand values."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """Say which network turns the sound into frames, and how it is run.

    Parameters
    ----------
    file : str
        The name of its file, without a folder.
    sha256 : str
        Of the file: nothing else is ever run in its place.
    size_bytes : int
        Of the file.
    dim : int
        The length of a frame's embedding.
    stretch_s : float
        The longest sound that it is given at once, in seconds; a longer one is cut into equal stretches.
    """

    file: str
    sha256: str
    size_bytes: int
    dim: int
    stretch_s: float = 20.0

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a specification back; a ValueError or TypeError says what is not understood."""
        spec = cls(**data)
        if not isinstance(spec.file, str) or not PLAIN_NAME.fullmatch(spec.file):
            raise ValueError(f"encoder file {spec.file!r} is not a plain file name")
        if not isinstance(spec.sha256, str) or not _SHA256.fullmatch(spec.sha256):
            raise ValueError(f"encoder sha256 {spec.sha256!r}")
        if type(spec.size_bytes) is not int or not 0 < spec.size_bytes <= LARGEST_BYTES:
            raise ValueError(f"encoder size_bytes {spec.size_bytes!r}")
        if type(spec.dim) is not int or not 0 < spec.dim <= WIDEST:
            raise ValueError(f"encoder dim {spec.dim!r}")
        if type(spec.stretch_s) not in (int, float) or not 1 <= spec.stretch_s <= 60:
            raise ValueError(f"encoder stretch_s {spec.stretch_s!r} is no span of 1 to 60 s")
        return spec

    def to_json(self) -> dict[str, Any]:
        """Give the specification as plain JSON values."""
        return asdict(self)

    @property
    def label(self) -> str:
        """Name the file so that it can be told from any other, such as ``hubert.onnx (94 bytes, SHA-256 3f…)``."""
        return f"{self.file} ({self.size_bytes:,} bytes, SHA-256 {self.sha256[:12]}…)"
