"""The clips that whole files are timed on: recordings beside the project, or drawn ones where there are none."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from mercli.media import Clip
from mercli.pipeline import predict_file, start_worker
from mercli.sample import draw_portrait, synthesise_voice, write_video
from mercli.setup import make_setup, open_bundle

SECONDS, FPS = 3, 30


class ClipSet(NamedTuple):
    """Clips of one size."""

    name: str
    height: int
    clips: tuple[Path, ...]
    drawn: bool = False


def recorded_or_drawn(recordings: Path, height: int, folder: Path) -> ClipSet:
    """Give recordings of 720 or 270 lines; without them draw three clips into a folder."""
    found = (
        sorted((recordings / "ravdess-video").rglob("*.mp4")),
        sorted((recordings / "javanese-video").glob("*.mp4")),
    )
    clips = found[0] if height == 720 else found[1][::24]
    if clips:
        return ClipSet(f"{len(clips)} recordings, {height}p", height, tuple(clips))
    width = height * 16 // 9 if height == 720 else height * 4 // 3
    drawn = tuple(
        write_video(
            folder / f"{height}-{expression}.mp4",
            _portraits(width, height, expression),
            fps=FPS,
            samples=synthesise_voice(SECONDS, expression=expression),
        )
        for expression in ("happy", "sad", "angry")
    )
    return ClipSet(f"{len(drawn)} drawn clips, {height}p", height, drawn, drawn=True)


def _portraits(width: int, height: int, expression: str) -> Iterator[np.ndarray]:
    for index in range(SECONDS * FPS):
        sway = np.sin(2 * np.pi * index / FPS / 2)
        centre = (width / 2 + 0.03 * width * sway, height * 0.46)
        yield draw_portrait(width, height, head_px=0.6 * height, centre_px=centre, expression=expression)


def open_predict() -> Callable[[Path], None]:
    """Give what a worker does with one file, its models open."""
    folder, bundle = open_bundle()
    setup = make_setup(folder, bundle, None)
    start_worker(setup, first=True)

    def predict(path: Path) -> None:
        assert predict_file(path, setup).status == "ok"

    return predict


def decode(path: Path) -> None:
    """Read both streams once, every frame, on one thread, and throw all of it away."""
    with av.open(str(path)) as container:
        for stream in container.streams:
            stream.codec_context.thread_count = 1
        assert sum(1 for packet in container.demux() for _ in packet.decode())


def read(path: Path) -> None:
    """Read what `predict` reads: the sound, and the frames that are looked at."""
    with Clip(path) as clip:
        assert sum(1 for _ in clip)


def seconds_of(path: Path) -> float:
    """Give how long a clip is."""
    with av.open(str(path)) as container:
        return container.duration / av.time_base
