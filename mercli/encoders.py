"""Speech networks on disk: the file that a bundle needs and does not hold, found and checked before use."""

import hashlib
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mercli.errors import BundleError, UsageError
from mercli.files import PLAIN_NAME, sha256
from mercli.voice.encoder_spec import LARGEST_BYTES, EncoderSpec

if TYPE_CHECKING:
    from mercli.inference import Opener
    from mercli.voice.speech_network import Pace, SpeechNetwork


def describe(path: Path) -> tuple[int, str]:
    """Give the size in bytes and the SHA-256 of the file that a user names, read piece by piece.

    Raises
    ------
    UsageError
        If it cannot be read, is no regular file, or is larger than an ONNX file can be.
    """
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):  # to open a pipe would wait for its other end
            raise UsageError(f"the voice encoder {path} is not a file")
        if info.st_size > LARGEST_BYTES:
            raise UsageError(f"the voice encoder {path} has {info.st_size:,} bytes; no ONNX file has over 2 GB")
        with path.open("rb") as file:
            return info.st_size, hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:  # ValueError: a name with a null
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the voice encoder {str(path)!r} cannot be read ({reason})") from error


def find(folder: Path, name: str, spec: EncoderSpec, given: Path | None) -> Path:
    """Find the file of a bundle's encoder: the one the user names, else the one in the bundle's own folder.

    Parameters
    ----------
    folder : Path
        The bundle's folder.
    name : str
        The bundle's name.
    spec : EncoderSpec
        Says which file it is.
    given : Path or None
        What the user names.

    Returns
    -------
    Path
        Its content was that of the specification a moment ago.

    Raises
    ------
    UsageError
        If there is none, or it is another one.
    """
    path = given or folder / spec.file
    if given is None:
        _refuse_absent(path, name, spec)
    size, found = describe(path)
    if (size, found) != (spec.size_bytes, spec.sha256):
        what = f"{size:,} bytes" if size != spec.size_bytes else f"SHA-256 {found[:12]}…"
        raise UsageError(
            f"{path} is not the voice encoder of bundle {name}: it has {what}; needed is {spec.label}"
        )
    return path


def _refuse_absent(path: Path, name: str, spec: EncoderSpec) -> None:
    try:
        regular = stat.S_ISREG(path.lstat().st_mode)
    except OSError as error:
        raise UsageError(
            f"bundle {name} needs its voice encoder, which is not in it: {spec.label}. "
            f"Type --voice-encoder and the path of that file, or put it into {path.parent}"
        ) from error
    if not regular:  # a link could lead anywhere, and the bundle may be a stranger's
        raise UsageError(f"{path} is not a regular file; type --voice-encoder and the path of the file itself")


def load(path: Path, spec: EncoderSpec, open_network: "Opener | None" = None) -> "SpeechNetwork":
    """Open an encoder in a worker.

    Parameters
    ----------
    path : Path
        From `find`.
    spec : EncoderSpec
        Says what it has to be.
    open_network : Opener, optional
        Runs it elsewhere; without one this process does.

    Returns
    -------
    SpeechNetwork
        Made of bytes whose hash was checked.

    Raises
    ------
    BundleError
        If it is another one by now, or does not do what it has to.
    """
    from mercli.voice.speech_network import SpeechNetwork

    model = _read(path, spec.size_bytes)
    if sha256(model) != spec.sha256:
        raise BundleError(f"the voice encoder {path} was changed while the run was going on")
    return SpeechNetwork(model, spec.file, *([open_network] if open_network else []))


def measure(path: Path) -> tuple[str, int, int, "Pace"]:
    """Try a network that nothing is known of, in a worker.

    Parameters
    ----------
    path : Path
        Its file.

    Returns
    -------
    sha256 : str
        Of what was tried.
    size_bytes : int
        Of the same.
    dim : int
        The length of a frame's embedding.
    pace : Pace
        How far the frames are apart.

    Raises
    ------
    BundleError
        If it does not do what it has to.
    """
    from mercli.voice.speech_network import SpeechNetwork

    model = _read(path, LARGEST_BYTES)
    network = SpeechNetwork(model, path.name)
    return sha256(model), len(model), network.dim, network.pace()


def refuse_name(path: Path) -> None:
    """Raise a UsageError if a bundle cannot refer to a file by its name."""
    if not PLAIN_NAME.fullmatch(path.name):
        raise UsageError(
            f"a bundle cannot refer to a voice encoder by the name {path.name!r}: give the file one of letters, "
            "digits, dots, dashes and underscores, such as encoder.onnx"
        )


def _read(path: Path, limit: int) -> bytes:
    try:
        if path.stat().st_size > limit:
            raise BundleError(f"the voice encoder {path} was changed while the run was going on")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"the voice encoder {path} cannot be read ({error.strerror})") from error
