"""Networks that the user added: each in a folder of the cache, with what is known of it."""

import json
import os
import re
import shutil
import stat
from pathlib import Path

from mercli import strict_json
from mercli.errors import MercliError, UsageError
from mercli.face.contract import Contract
from mercli.files import replaced_folder, sha256
from mercli.registry.cache import CACHE, alone_with, cache_folder
from mercli.registry.network import NAME, NETWORKS, KnownNetwork

LARGEST_BYTES = 400 << 20
"""A larger network does not fit into a bundle."""

_FOLDER, _NETWORK, _NOTE = "networks", "network.onnx", "network.json"
_NOTE_LIMIT = 1 << 20  # bytes
_USE = "names emotions in faces: --face-network {}"
_FORMAT = {"format": "mercli-network", "format_version": 1}


def name_for(file: Path) -> str:
    """Make a network's name of that of its file.

    Examples
    --------
    >>> name_for(Path("My Net (v2).onnx"))
    'my-net-v2'
    """
    return re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("-._")[:64] or "network"


def refuse_name(name: str) -> None:
    """Raise a UsageError if no network can be added by a name."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"no network can be called {name!r}: give it small letters, digits, dots, dashes and underscores, "
            "such as --name my-network"
        )
    if name.endswith(".onnx"):
        raise UsageError(f"no network can be called {name!r}: that is the name of a file; leave out .onnx")
    if name in NETWORKS:
        raise UsageError(f"{name} is the name of a network that can be pulled; give another one with --name")


def names() -> list[str]:
    """Name the networks that were added, in the order of the alphabet; nothing is read."""
    try:
        folders = [each.name for each in (cache_folder() / _FOLDER).iterdir() if each.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UsageError(f"cannot read {cache_folder() / _FOLDER}: {error.strerror}") from error
    return sorted(name for name in folders if NAME.fullmatch(name) and name not in NETWORKS)


def read(name: str) -> KnownNetwork:
    """Read what is known of a network that was added; its own file is not looked at.

    Raises
    ------
    MercliError
        If that is damaged.
    """
    note = cache_folder() / _FOLDER / name / _NOTE
    try:
        if note.stat().st_size > _NOTE_LIMIT:
            raise ValueError("too long")
        data = strict_json.loads(note.read_bytes())
        if {key: data[key] for key in _FORMAT} != _FORMAT:
            raise ValueError("another format")
        contract, size_bytes, digest = Contract.from_json(data["contract"]), data["bytes"], data["sha256"]
        if type(size_bytes) is not int or not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ValueError("bytes or SHA-256")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise MercliError(
            f"what is known of the network {name} was damaged or changed ({note}): type "
            f"`mercli models remove {name}` and add it again"
        ) from error
    file = f"{_FOLDER}/{name}/{_NETWORK}"
    return KnownNetwork(name, _USE.format(name), file, size_bytes, digest, contract.licence, contract=contract)


def add(name: str, model: bytes, contract: Contract, *, overwrite: bool = False) -> KnownNetwork:
    """Keep a network, whole or not at all.

    Parameters
    ----------
    name : str
        One that `refuse_name` takes.
    model : bytes
        The ONNX file's content, which was tried.
    contract : Contract
        What it takes and gives.
    overwrite : bool
        Whether another network of that name may be replaced.

    Returns
    -------
    KnownNetwork
        As it is kept.

    Raises
    ------
    UsageError
        If there is another one of that name, or the cache cannot be written.
    """
    folder, digest = cache_folder() / _FOLDER / name, sha256(model)
    with alone_with(folder):
        if not overwrite:
            refuse_other(name, digest, contract)
        elif os.path.lexists(folder):
            _refuse_foreign(folder, name)
        note = {**_FORMAT, "bytes": len(model), "sha256": digest, "contract": contract.to_json()}
        try:
            with replaced_folder(folder) as part:
                (part / _NETWORK).write_bytes(model)
                (part / _NOTE).write_text(json.dumps(note, indent=2, ensure_ascii=True) + "\n", encoding="utf-8")
                if sha256((part / _NETWORK).read_bytes()) != digest:
                    raise MercliError(f"what was written at {part} reads otherwise; is the disk good?")
        except (UsageError, OSError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            reason = getattr(cause, "strerror", None) or cause
            raise UsageError(f"cannot write {folder}: {reason}; name another folder in {CACHE}") from error
    return read(name)


def refuse_other(name: str, digest: str, contract: Contract) -> None:
    """Raise a UsageError if there is another network, or another contract, of a name."""
    if not os.path.lexists(cache_folder() / _FOLDER / name):
        return
    try:
        known = read(name)
    except MercliError as error:
        raise UsageError(f"{error}, or give --overwrite") from error
    if (known.sha256, known.contract) != (digest, contract):
        what = "network" if known.sha256 != digest else "contract"
        raise UsageError(f"there is another {what} of the name {name}; give --name another one, or --overwrite it")


def remove(name: str) -> Path:
    """Remove a network that was added.

    Returns
    -------
    Path
        The folder that is gone.

    Raises
    ------
    UsageError
        If it cannot be removed, or there is something else in the folder: then all of it stays.
    """
    folder = cache_folder() / _FOLDER / name
    with alone_with(folder):
        _refuse_foreign(folder, name)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise UsageError(f"cannot remove {folder}: {error.strerror}") from error
    return folder


def _refuse_foreign(folder: Path, name: str) -> None:
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise UsageError(f"{folder} is no folder that mercli made; nothing was changed")
        found = {entry.name: entry for entry in folder.iterdir()}
    except OSError as error:
        raise UsageError(f"cannot read {folder}: {error.strerror}") from error
    foreign = sorted(set(found) - {_NETWORK, _NOTE}) or sorted(n for n in found if found[n].is_dir())
    if foreign:
        raise UsageError(
            f"{folder} holds {foreign[0]!r}, which is no part of the network {name}; nothing was changed"
        )
