"""A folder of files whose names, or tables beside them, say what they hold."""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mercli.corpora import meld
from mercli.corpora.labelled import Labelled
from mercli.corpora.layouts import recognise
from mercli.errors import CorpusError
from mercli.formats import SUFFIXES


@dataclass(frozen=True, slots=True)
class Folder:
    """Hold what a folder gave: the files that are known, how many other media files there are, and its tables."""

    files: tuple[Labelled, ...]
    unlabelled: int
    tables: tuple[Path, ...]


def read_folder(root: Path) -> Folder:
    """Read the labels of the files in a folder from their names, and from tables beside them.

    Parameters
    ----------
    root : Path
        A folder that holds files of one or more known layouts, however deep.

    Returns
    -------
    Folder
        The files layout by layout, in the order of their paths.

    Raises
    ------
    CorpusError
        If a folder cannot be looked into, or a name has an emotion that its corpus has not.
    """
    paths = sorted(_walk(root))
    media = [path for path in paths if path.suffix.lower() in SUFFIXES]
    # A pipe would have us wait for its other end, and a device never ends.
    tables = [path for path in paths if path.suffix.lower() == ".csv" and path.is_file()]
    clips = [path for path in media if meld.is_clip(path)]
    found = [*recognise(media), *(meld.read_meld(root, clips, tables) if clips else ())]
    sexes = _crema_d_sexes(tables)
    return Folder(tuple(_with_sex(each, sexes) for each in found), len(media) - len(found), tuple(tables))


def _walk(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise CorpusError(
            f"cannot look into {error.filename or root} ({error.strerror}), so a part of the corpus would be "
            "missing; make the folder readable or move it out of the corpus"
        ) from error

    for place, _, names in os.walk(root, onerror=refuse):
        # What macOS writes beside a file on other systems has its name with this in front.
        yield from (Path(place) / name for name in names if not name.startswith("._"))


def _crema_d_sexes(tables: Sequence[Path]) -> dict[str, str]:
    """Read the sexes of CREMA-D's actors, where the corpus has their table."""
    for table in tables:
        if table.name.lower() == "videodemographics.csv":
            try:
                with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                    return {
                        f"crema-d-{(line.get('ActorID') or '').strip()}": (line.get("Sex") or "").strip().lower()
                        for line in csv.DictReader(file)
                    }
            except (OSError, csv.Error) as error:
                raise CorpusError(f"cannot read {table}: {error}") from error
    return {}


def _with_sex(file: Labelled, sexes: Mapping[str, str]) -> Labelled:
    sex = sexes.get(file.speaker)
    return replace(file, traits={"sex": sex, **file.traits}) if sex in ("female", "male") else file
