"""Thumbnails of faces, taken from the videos: in workers, so that a broken file costs its picture only."""

import base64
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mercli import batch, inputs
from mercli.errors import MediaError, sentence
from mercli.face.choice import HAAR
from mercli.formats import FRAME_RATE_HZ
from mercli.limits import Limits
from mercli.report.reading import told
from mercli.report.results import Results
from mercli.sources import Source, local
from mercli.tables import Row, Value
from mercli.worker import Lost

if TYPE_CHECKING:  # only workers look at pictures
    from mercli.face.detect import Detector
    from mercli.face.tracker import Sight
    from mercli.picture import Picture

LONGEST_S = 120.0
"""Of a longer clip the first two minutes are looked at."""

_SIZES_PX = ((300, 96), (1000, 64))  # up to so many pictures, so large; of more, each is small
_SMALL_PX = 48
_MARGIN = 1.5  # box sides that a picture shows
_QUALITY = 70
_SAME_S = 1.0  # a file whose duration differs by more is not the one that the table is about


@dataclass(frozen=True, slots=True)
class Pictures:
    """Hold thumbnails.

    Parameters
    ----------
    found : dict of (file, face) to str
        Data URIs.
    missing : list of (str, int)
        Why some are not there, and how often.
    size_px : int
        Their side.
    """

    found: Mapping[tuple[Value, Value], str]
    missing: Sequence[tuple[str, int]]
    size_px: int


@dataclass(frozen=True, slots=True)
class Setup:
    """Say how a worker looks for faces."""

    size_px: int
    detector: str = HAAR
    all_faces: bool = False
    limits: Limits = field(default_factory=Limits)
    debug: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """Hold what was seen in one file: a JPEG a face, by its number; the most prominent one first."""

    faces: Mapping[int, bytes] = field(default_factory=dict)
    duration_s: float | None = None
    error: str | None = None


def take(
    results: Results,
    paths: Sequence[str],
    *,
    jobs: int,
    detector: str = HAAR,
    limits: Limits | None = None,
    debug: bool = False,
    on_file: Callable[[Seen], None] = lambda _: None,
) -> Pictures:
    """Take a thumbnail of the face of each row.

    Parameters
    ----------
    results : Results
        The table; its names are relative to `paths`.
    paths : sequence of str
        What `mercli predict` was given.
    jobs : int
        Worker processes.
    detector : str
        ``"haar"`` or the path of a YuNet file.
    limits : Limits, optional
        What a file may cost.
    debug : bool
        Whether to show where an unforeseen error came from.
    on_file : callable
        Told of each file that was looked at.

    Returns
    -------
    Pictures
        Of the faces that were found; a file that is missing, changed or broken costs only its own.

    Raises
    ------
    UsageError
        If one of `paths` stands for nothing.
    """
    wanted: dict[str, list[Row]] = {}
    for row in results.rows:
        if row["face"] is not None:
            wanted.setdefault(str(row["file"]), []).append(row)
    places = {told(item.name): item.path for item in inputs.find(paths)}
    names = [name for name in wanted if name in places]
    n_faces = sum(map(len, wanted.values()))
    size_px = next((px for most, px in _SIZES_PX if n_faces <= most), _SMALL_PX)
    setup = Setup(size_px, detector, any(len(rows) > 1 for rows in wanted.values()), limits or Limits(), debug)
    missing = Counter({"the file is not there": len(wanted) - len(names)})
    found: dict[tuple[Value, Value], str] = {}
    looked = batch.run_with(look, [places[name] for name in names], setup, prepare=_prepare, jobs=jobs)
    for index, result in looked:
        seen = Seen(error=result.reason) if isinstance(result, Lost) else result
        on_file(seen)
        for row in wanted[names[index]]:
            picture = _choose(row, seen, is_alone=len(wanted[names[index]]) == 1)
            if isinstance(picture, str):
                missing[picture] += 1
            else:
                data = base64.b64encode(picture).decode("ascii")
                found[row["file"], row["face"]] = f"data:image/jpeg;base64,{data}"
    return Pictures(found, [(why, n) for why, n in missing.most_common() if n], size_px)


def look(source: Source, setup: Setup) -> Seen:
    """Take a picture of each face of one file in a worker: the frame in which it is the most prominent.

    Parameters
    ----------
    source : Path or RemoteFile
        The file.
    setup : Setup
        How to look.

    Returns
    -------
    Seen
        What was seen; where the file cannot be read, why.
    """
    try:
        with local(source) as path:
            return _look(path, setup)
    except MediaError as error:
        return Seen(error=f"the file cannot be read: {error}")
    except Exception as error:
        return Seen(error=sentence(error, debug=setup.debug))


def _look(path: Path, setup: Setup) -> Seen:
    from mercli.face.box import prominence
    from mercli.face.tracker import Tracker
    from mercli.media import Clip, Frame

    tracker = Tracker(_open_detector(setup.detector), all_faces=setup.all_faces)
    best: dict[int, tuple[float, bytes]] = {}
    total: Counter[int] = Counter()
    limits = setup.limits
    stopped = False
    with Clip(
        path,
        sound=False,
        frame_rate_hz=FRAME_RATE_HZ,
        max_duration_s=limits.max_duration_s,
        max_pixels=limits.max_pixels,
    ) as clip:
        for piece in clip:
            if not isinstance(piece, Frame):
                continue
            if piece.time_s > LONGEST_S:
                stopped = True
                break
            for sight in tracker.follow(piece.picture):
                weight = prominence(sight.box, piece.picture.shape)
                total[sight.track] += round(weight * 1e6)
                if weight > best.get(sight.track, (0.0, b""))[0]:
                    best[sight.track] = (weight, _draw(piece.picture, sight, setup.size_px))
        if clip.refusal:
            raise MediaError(clip.refusal)
        # Of a file that does not state its duration no more is known than was read.
        is_known = not stopped or (clip.duration_s or 0.0) > LONGEST_S + _SAME_S
        faces = {track: best[track][1] for track, _ in total.most_common()}
        return Seen(faces, clip.duration_s if is_known else None)


def _draw(picture: "Picture", sight: "Sight", size_px: int) -> bytes:
    import cv2

    from mercli.face.box import crop

    cut = crop(picture.plane, sight.box, margin=_MARGIN, size_px=size_px, roll_deg=sight.roll_deg)
    _, coded = cv2.imencode(".jpg", picture.shown(cut), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return coded.tobytes()


def _choose(row: Row, seen: Seen, *, is_alone: bool) -> bytes | str:
    """Give the picture of the face that a row is about, or why there is none."""
    if seen.error is not None:
        return seen.error
    was_s = row["duration_s"]
    if isinstance(was_s, float) and seen.duration_s is not None and abs(was_s - seen.duration_s) > _SAME_S:
        return "the file has another duration than in the table"
    if not seen.faces:
        return "no face was found again"
    picture = seen.faces.get(int(row["face"] or 0))
    if picture is None and is_alone:
        picture = next(iter(seen.faces.values()))
    return "the face was not found again" if picture is None else picture


def _prepare(setup: Setup, first: bool) -> None:
    del first
    import cv2

    cv2.setNumThreads(1)
    _open_detector(setup.detector)


@functools.lru_cache(maxsize=1)
def _open_detector(name: str) -> "Detector":
    from mercli.face.detect import open_detector

    return open_detector(name)
