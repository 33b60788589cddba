"""What three faulty files cost a batch: one segfaults its worker, one hangs, one allocates without end.

Wall-clock time of the command as typed, on the same 197 good files, with and without the three, in turns.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from story import Figure

from mercli.sample import draw_portrait, synthesise_voice, write_video

FAULTS = Path(__file__).parents[1] / "tests" / "faults"
GOOD, TIMEOUT_S, TURNS = 197, 10, 3


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make the good files alone, and the same with the faulty ones among them."""
    place = tmp_path_factory.mktemp("faults")
    (place / "good").mkdir()
    (place / "all").mkdir()
    faces = [
        draw_portrait(320, 240, head_px=125, centre_px=(160 + i, 110), mouth_open=np.sin(i) ** 2)
        for i in range(30)
    ]
    clip = write_video(place / "clip.mp4", faces, samples=synthesise_voice(1.2, expression="happy"))
    for i in range(GOOD):
        for folder in ("good", "all"):
            shutil.copy(clip, place / folder / f"{i:03}.mp4")
    for name in ("050-segfault", "100-hang", "150-grow"):
        number, fault = name.split("-")
        shutil.copy(clip, place / "all" / f"{fault}-{number}.mp4")
    return place / "good", place / "all"


def seconds(folder: Path) -> float:
    output = folder.parent / f"{folder.name}.csv"
    command = [sys.executable, "-m", "mercli", "predict", str(folder), "-o", str(output), "--overwrite", "-q"]
    options = ["-j", "2", "--timeout", str(TIMEOUT_S), "--max-memory", "1500M"]
    began = time.monotonic()
    ended = subprocess.run(
        [*command, *options], env={**os.environ, "PYTHONPATH": str(FAULTS)}, check=False, capture_output=True
    )
    took = time.monotonic() - began
    rows = output.read_text(encoding="utf-8").splitlines()[1:]
    assert ended.returncode == (1 if folder.name == "all" else 0), ended.stderr
    assert sum(",ok," in row for row in rows) == GOOD
    return took


def test_three_faulty_files_among_two_hundred(ratios, folders):
    good, everything = folders
    turns = [(seconds(good), seconds(everything)) for _ in range(TURNS)]
    costs = tuple(faulty / (alone + TIMEOUT_S) for alone, faulty in turns)
    figure = Figure(
        "the command on 200 files, by the wall clock",
        "197 and three faulty ones",
        "the 197 alone plus the timeout",
        costs,
        costs,
        at_most=1.5,
        note="; ".join(f"{alone:.1f} s alone, {faulty:.1f} s with the three" for alone, faulty in turns),
    )
    ratios.record(figure)
    assert figure.met, figure
