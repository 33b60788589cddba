"""The models that a run needs on every machine: found there, or sent once and kept under their hashes."""

import atexit
import functools
import io
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mercli_models
from mercli import bundle as bundles
from mercli.errors import BundleError, MercliError, UsageError
from mercli.files import replaced_folder, sha256
from mercli.registry import cache_folder
from mercli.registry.cache import alone_with
from mercli.setup import Setup

_BUNDLE, _DETECTOR, _NETWORK = "bundle", "detector", "face_network"
_SENT = "sent"  # the folder in the cache
_LARGEST = 64 << 20  # bytes that are sent; a speech network has to lie where all machines see it
_FILE = "model.onnx"
_KEPT = 8  # things that were sent, the last ones
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Item:
    """Say what one field of a setup names: a bundle, a detector or a face network, wherever it is."""

    field: str
    digest: str


_found: set[tuple[Item, str]] = set()


def pack(setup: Setup) -> tuple[Item, ...]:
    """Name what a setup needs.

    Raises
    ------
    UsageError
        If a file cannot be read.
    """
    return (Item(_BUNDLE, setup.digest), *(Item(field, sha256(content)) for field, content in _read(setup)))


def contents(setup: Setup) -> bytes:
    """Give all of it, for machines that lack it.

    Raises
    ------
    MercliError
        If it is too much to send.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", strict_timestamps=False) as archive:
        for _, content in _read(setup):
            archive.writestr(f"{sha256(content)}/{_FILE}", content)
        for path in sorted(Path(setup.bundle).iterdir()):
            if path.is_file() and path.stat().st_size <= _LARGEST:  # a larger one is a speech network beside it
                archive.write(path, f"{setup.digest}/{path.name}")
    if len(packed.getbuffer()) > _LARGEST:
        raise MercliError(
            f"the models are {len(packed.getbuffer()) >> 20} MB, too much to send to every worker; put them where "
            "all machines see them under the same path"
        )
    return packed.getvalue()


def unpack(setup: Setup, items: tuple[Item, ...], sent: bytes | None) -> Setup | None:
    """Find on this machine what a setup needs.

    Parameters
    ----------
    setup : Setup
        With the paths of another machine.
    items : tuple of Item
        What they name.
    sent : bytes or None
        What that machine sent.

    Returns
    -------
    Setup or None
        With paths of this one; None where something is to be sent first.

    Raises
    ------
    MercliError
        If a speech network or recognition, which are never sent, is not there.
    """
    for what, path in (("voice encoder", setup.encoder), ("speech recognition", setup.transcribe)):
        if path is not None and not os.path.exists(path):  # noqa: PTH110 - no Path is needed
            raise MercliError(
                f"the {what} {path} is not on a worker's machine; put it where all machines see it under the same "
                "path"
            )
    if sent is not None:
        _keep(sent, items)
    for item in items:
        path = _find(item, _named(setup)[item.field])
        if path is None:
            return None
        if item.field == _NETWORK and setup.face_network:
            setup = replace(setup, face_network=replace(setup.face_network, file=path))
        elif item.field == _DETECTOR:
            setup = replace(setup, detector=path)
        else:
            setup = replace(setup, bundle=path)
    return setup


def _named(setup: Setup) -> dict[str, str]:
    """Give the paths in a setup, but for those of what is never sent."""
    named = {_BUNDLE: setup.bundle}
    if os.path.isabs(setup.detector):  # noqa: PTH117 - else it is "haar", which is no file
        named[_DETECTOR] = setup.detector
    if setup.face_network:
        named[_NETWORK] = setup.face_network.file
    return named


def _read(setup: Setup) -> Iterator[tuple[str, bytes]]:
    """Give the content of each file that a setup names, by its field."""
    for field, name in _named(setup).items():
        if field == _BUNDLE:
            continue
        try:
            yield field, Path(name).read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {name}: {error.strerror}") from error


def _keep(sent: bytes, items: tuple[Item, ...]) -> None:
    """Put what was sent into the cache, each thing under its hash."""
    # All threads of a worker that lack it are sent it, and other workers of the machine are too.
    with zipfile.ZipFile(io.BytesIO(sent)) as archive, alone_with(_place()):
        for item in items:
            place = _place() / item.digest
            if _is_found(item, str(place if item.field == _BUNDLE else place / _FILE)):
                os.utime(place)
                continue
            with replaced_folder(place) as part:
                for name in archive.namelist():
                    if Path(name).parent.name == item.digest:
                        (part / Path(name).name).write_bytes(archive.read(name))
        _prune()


def _prune() -> None:
    """Remove what was not sent for long, but nothing else that lies there."""
    folders = [each for each in _place().iterdir() if _DIGEST.fullmatch(each.name)]
    for old in sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True)[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def _is_found(item: Item, path: str) -> bool:
    """Tell whether a path of this machine leads to a thing; only that it does is remembered."""
    if (item, path) in _found:
        return os.path.exists(path)  # noqa: PTH110 - no Path is needed
    try:
        if item.field == _BUNDLE:
            is_it = bundles.load(Path(path)).digest == item.digest
        else:
            is_it = sha256(Path(path).read_bytes()) == item.digest
    except (BundleError, OSError, ValueError):
        return False
    if is_it:
        _found.add((item, path))
    return is_it


def _find(item: Item, path: str) -> str | None:
    sent = _place() / item.digest
    if item.field == _BUNDLE:
        candidates = [path, str(mercli_models.path(mercli_models.DEFAULT)), str(sent)]
    else:
        candidates = [path, str(sent / _FILE)]
    for candidate in candidates:
        if _is_found(item, candidate):
            return candidate
    return None


@functools.cache
def _place() -> Path:
    place = cache_folder() / _SENT
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        scratch = tempfile.mkdtemp(prefix="mercli-sent-")
        atexit.register(shutil.rmtree, scratch, ignore_errors=True)
        return Path(scratch)
    return place
