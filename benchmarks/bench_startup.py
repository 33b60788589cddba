"""What a run costs before it has anything to say: the help, and a warm prediction of one short file.

Medians of the commands as typed, taken in turns, once kernels are compiled and the bundle is known to be sound.
The help is compared with Python itself; a prediction has its first result when its journal holds a row.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from mercli.sample import draw_portrait, synthesise_voice, write_video

TURNS = 7
LIMIT_S = 1.5
_LOOK_S = 0.002  # how often the journal is looked at


class Cost(NamedTuple):
    """Hold the seconds until the first result and until the end, and those of processor time."""

    first_s: float
    wall_s: float
    cpu_s: float


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a video with a face and a voice, little more than a second."""
    faces = [
        draw_portrait(320, 240, head_px=125, centre_px=(160 + i, 110), mouth_open=np.sin(i) ** 2)
        for i in range(30)
    ]
    samples = synthesise_voice(1.2, expression="happy")
    return write_video(tmp_path_factory.mktemp("startup") / "clip.mp4", faces, samples=samples)


def cost(*arguments: object, journal: Path | None = None) -> Cost:
    """Run Python once, and look for a second line in the journal meanwhile: the first is its header."""
    before = os.times()
    began = time.monotonic()
    first_s = 0.0
    with subprocess.Popen(
        [sys.executable, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            with contextlib.suppress(FileNotFoundError):
                if journal and not first_s and journal.read_bytes().count(b"\n") > 1:
                    first_s = time.monotonic() - began
            time.sleep(_LOOK_S)
    wall_s = time.monotonic() - began
    after = os.times()
    assert process.returncode == 0
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(first_s or wall_s, wall_s, cpu_s)


def predict(clip: Path) -> Cost:
    output = clip.with_suffix(".csv")
    journal = output.with_name(f"{output.name}.journal")
    for file in (output, journal):
        file.unlink(missing_ok=True)
    return cost("-m", "mercli", "predict", clip, "-o", output, "-q", journal=journal)


def medians(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def test_starting_up(benchmark, clip, capsys):
    predict(clip)  # which compiles and checks what later runs need not
    turns = [(cost("-c", ""), cost("-m", "mercli", "--help"), predict(clip)) for _ in range(TURNS)]
    bare, shown, predicted = (medians(list(costs)) for costs in zip(*turns, strict=True))
    said = (
        f"mercli --help: {shown.wall_s - bare.wall_s:.2f} s over Python alone "
        f"({shown.cpu_s - bare.cpu_s:.2f} s of processor time)\n"
        f"mercli predict, one file of 1.2 s, warm: {predicted.first_s:.2f} s until its result, "
        f"{predicted.wall_s:.2f} s until its end ({predicted.cpu_s:.2f} s of processor time)"
    )
    benchmark.extra_info["start-up"] = said
    with capsys.disabled():
        verdict = "met" if predicted.first_s <= LIMIT_S else "MISSED"
        print(f"\n{said}, bar at most {LIMIT_S} s until the result: {verdict}")
    benchmark.pedantic(predict, args=(clip,), rounds=1)
