"""The journal of a run: every finished file's rows, on disk before the next, so that a run can go on."""

import contextlib
import functools
import json
import os
import sys
import tempfile
import threading
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, Any, Self

import portalocker

from mercli.errors import MercliError, UsageError

SUFFIX = ".journal"

_HEADER = {"format": "mercli-journal", "format_version": 2}
_LONGEST_LINE = 1 << 26  # bytes; a row has some thousand, a day second by second some ten million

Row = Mapping[str, Any]
Cells = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Say what the rows of a file were made from.

    Parameters
    ----------
    fingerprint : str or None
        Of the file; None for rows that are to be made anew whatever happens.
    recipe : str
        Of the bundle and the options that decide what the rows say.
    limits : tuple
        Of length and picture size.
    """

    fingerprint: str | None
    recipe: str
    limits: tuple[float | None, ...] = ()

    def still_holds(self, now: "Origin", status: str) -> bool:
        """Tell whether the rows of a file of that status would be the same if they were made now."""
        if self.fingerprint is None or (self.fingerprint, self.recipe) != (now.fingerprint, now.recipe):
            return False
        if self.limits == now.limits or len(self.limits) != len(now.limits):
            return self.limits == now.limits
        # A file that kept within limits keeps within wider ones too.
        pairs = zip(self.limits, now.limits, strict=True)
        return status == "ok" and all(new is None or (old is not None and new >= old) for old, new in pairs)


class Journal:
    """Keep the rows of files on disk as they are made, and find those of an earlier run.

    Parameters
    ----------
    path : Path or None
        The journal's file, made where there is none; it stays locked until `close`. None for a nameless file
        that is gone afterwards.
    columns : collection of str
        What every row holds; a file with any other row is forgotten.
    timeline : collection of str
        What every second of a timeline holds, the name of the file first; others are forgotten likewise.
    overwrite : bool
        Whether to forget what an earlier run left.
    lag_s : float
        For how long the disk may take its time to confirm: a power failure costs the files of that time, which
        the next run does again. A process that is killed costs none.

    Raises
    ------
    UsageError
        If another process holds the journal, the file is not a journal, or it cannot be written.
    """

    def __init__(
        self,
        path: Path | None,
        columns: Collection[str],
        timeline: Collection[str] = (),
        *,
        overwrite: bool = False,
        lag_s: float = 0.0,
    ) -> None:
        self.path = path
        self._lag_s = lag_s
        self._confirming: threading.Timer | None = None
        self._columns = list(columns)
        self._timeline = list(timeline)
        self._places: dict[str, tuple[int, Origin, str]] = {}  # name -> where its line begins, ...
        self._good: set[str] = set()  # names of files whose rows were made or found to hold since it was opened
        # Unbuffered: what could not be written must not be tried again when the file is closed.
        self._file = _open_nameless() if path is None else _open_locked(path)
        try:
            self._check_header()
            self._end = 0 if overwrite else self._read()
            self._file.truncate(self._end)  # what a dying run left of its last line
            if self._end == 0:
                self._write(_HEADER)
                _sync_folder(path)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the journal free for other runs."""
        if (confirming := self._confirming) is not None:
            confirming.cancel()
            self._confirm()
        self._file.close()

    def holds(self, name: str) -> bool:
        """Tell whether there are any rows of that file."""
        return name in self._places

    def holds_good(self, name: str, now: Origin) -> bool:
        """Tell whether there are rows of that file that would be the same if they were made now."""
        if name not in self._places:
            return False
        _, origin, status = self._places[name]
        holds = origin.still_holds(now, status)
        if holds:
            self._good.add(name)
        return holds

    def append(self, name: str, origin: Origin, rows: Sequence[Row], timeline: Sequence[Cells] = ()) -> None:
        """Keep what there is of a file; it is on disk when this returns, unless the journal may lag.

        Parameters
        ----------
        name : str
            The file's name in the table.
        origin : Origin
            What the rows were made from.
        rows : sequence of dict
            At least one; the status of the first is that of the file.
        timeline : sequence of sequences
            The cells of each second, without the name of the file.

        Raises
        ------
        MercliError
            If the disk is full or gone; the files before are kept.
        """
        start = self._end
        entry = {"file": name, "origin": _to_json(origin), "rows": rows, "timeline": timeline}
        self._write(entry | {"crc32": _checksum(entry)})
        self._places[name] = (start, _lean(origin), sys.intern(str(rows[0]["status"])))
        self._good.add(name)

    @property
    def n_good(self) -> int:
        """Give the number of files whose rows were made, or found to hold, since the journal was opened."""
        return len(self._good)

    def status(self, name: str) -> str:
        """Give the status of a file."""
        return self._places[name][2]

    def rows(self, names: Iterable[str]) -> Iterator[Row]:
        """Give the rows of files by name, read from disk file by file.

        Raises
        ------
        MercliError
            If somebody else has changed the journal.
        """
        for entry in self._entries(names):
            yield from entry["rows"]

    def timeline(self, names: Iterable[str]) -> Iterator[Row]:
        """Give the seconds of files by name, read likewise."""
        for entry in self._entries(names):
            for cells in entry["timeline"]:
                yield dict(zip(self._timeline, (entry["file"], *cells), strict=True))

    def _entries(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        with self._reader() as reader:
            for name in names:
                reader.seek(self._places[name][0])
                entry = _read_entry(reader.readline())
                if entry is None:
                    raise MercliError(f"{self.path} was changed by something else while it was in use")
                yield entry

    def is_in_place(self) -> bool:
        """Tell whether the file is still where it was opened."""
        if self.path is None:
            return True
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except OSError:
            return False

    def _check_header(self) -> None:
        with self._reader() as reader:
            first = reader.readline(_LONGEST_LINE)
        header = _parse(first)
        if not _line(_HEADER).startswith(first) and (header or {}).get("format") != _HEADER["format"]:
            raise UsageError(
                f"{self.path} is not a journal of mercli; move it away or choose another output with -o"
            )
        if header is not None and header != _HEADER:
            raise UsageError(
                f"{self.path} was written by another version of mercli; go on with that one, or delete it"
            )

    def _read(self) -> int:
        """Find every whole line; give the end of the last one."""
        end = 0
        with self._reader() as reader:
            for line in iter(lambda: reader.readline(_LONGEST_LINE), b""):
                if not line.endswith(b"\n"):
                    break
                entry = _read_entry(line)
                if entry is not None and self._fits(entry):
                    origin, status = _from_json(entry["origin"]), sys.intern(entry["rows"][0]["status"])
                    self._places[entry["file"]] = (end, _lean(origin), status)
                end += len(line)
        return end

    def _have_confirmed(self) -> None:
        """Have the disk confirm what was written, now or soon."""
        if not self._lag_s:
            os.fsync(self._file.fileno())
        elif self._confirming is None:
            self._confirming = threading.Timer(self._lag_s, self._confirm)
            self._confirming.daemon = True
            self._confirming.start()

    def _confirm(self) -> None:
        self._confirming = None  # first: what is written from now on is confirmed the next time
        with contextlib.suppress(OSError, ValueError):  # what the disk does not take is done again
            os.fsync(self._file.fileno())

    def _fits(self, entry: Mapping[str, Any]) -> bool:
        """Tell whether an entry has the columns of these tables."""
        return all(list(row) == self._columns for row in entry["rows"]) and all(
            len(cells) + 1 == len(self._timeline) for cells in entry["timeline"]
        )

    def _reader(self) -> IO[bytes]:
        reader = open(self._file.fileno(), "rb", closefd=False)  # noqa: SIM115
        reader.seek(0)
        return reader

    def _write(self, entry: Mapping[str, Any]) -> None:
        if not self.is_in_place():
            raise MercliError(f"{self.path} was moved or removed while it was in use")
        line = _line(entry)
        try:
            self._file.seek(self._end)
            left = memoryview(line)
            while left:  # a disk that is nearly full takes a part
                left = left[self._file.write(left) :]
            if self.path is not None:
                self._have_confirmed()
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
            raise MercliError(f"cannot write {self.path or 'the temporary folder'}: {error.strerror}") from error
        self._end += len(line)


def _open_nameless() -> FileIO:
    try:
        return tempfile.TemporaryFile(buffering=0, prefix="mercli-")
    except OSError as error:
        raise UsageError(f"cannot write to the temporary folder: {error.strerror}; give -o a FILE") from error


def _open_locked(path: Path) -> FileIO:
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a regular file, so it cannot be the journal of this run")
        path.touch()
        file = FileIO(path, "r+")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another place with -o") from error
    try:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked as error:
        file.close()
        raise UsageError(
            f"another run is writing there ({path} is in use); wait until it ends or choose another output with -o"
        ) from error
    except (portalocker.LockException, OSError) as error:
        file.close()
        raise UsageError(
            f"cannot lock {path}, so two runs could spoil each other; choose another place with -o"
        ) from error
    return file


def _sync_folder(path: Path | None) -> None:
    """Have the folder remember a new file even if the power fails; where a system has no way to, it need not."""
    if path is None:
        return
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, allow_nan=False).encode() + b"\n"


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _read_entry(line: bytes) -> dict[str, Any] | None:
    """Read a file's line; None for one that was damaged, or that something else wrote."""
    entry = _parse(line) or {}
    if entry.pop("crc32", None) != _checksum(entry):
        return None
    match entry:
        case {
            "file": str(),
            "origin": {"fingerprint": str() | None, "recipe": str(), "limits": [*limits]},
            "rows": [{"status": str()}, *_] as rows,
            "timeline": [*seconds],
        } if all(isinstance(limit, int | float | None) for limit in limits):
            sound = all(isinstance(row, dict) and _are_cells(row.values()) for row in rows) and all(
                isinstance(cells, list) and _are_cells(cells) for cells in seconds
            )
            return entry if sound else None
    return None


def _are_cells(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str | int | float | None) for value in values)


def _checksum(entry: Mapping[str, Any]) -> int:
    return zlib.crc32(_line(entry))


def _lean(origin: Origin) -> Origin:
    """Give the same, sharing with that of other files what they have in common."""
    return Origin(origin.fingerprint, sys.intern(origin.recipe), _shared(origin.limits))


@functools.lru_cache
def _shared(limits: tuple[float | None, ...]) -> tuple[float | None, ...]:
    return limits


def _to_json(origin: Origin) -> dict[str, Any]:
    return {"fingerprint": origin.fingerprint, "recipe": origin.recipe, "limits": list(origin.limits)}


def _from_json(data: dict[str, Any]) -> Origin:
    return Origin(data["fingerprint"], data["recipe"], tuple(data["limits"]))
