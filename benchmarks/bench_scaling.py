"""How much faster two workers are than one over a hundred clips, and what the parent costs meanwhile.

Wall-clock time of the command as typed, with ``-j 1`` and ``-j 2``, in turns, on clips of two to five seconds. The
parent's share is its own processor time, without its workers', against the wall-clock time of the run.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from mercli.sample import draw_portrait, synthesise_voice, write_video

CLIPS, LENGTHS_S, TURNS = 100, (2, 3, 4, 5), 3
LEAST_SPEEDUP = 1.85
POLL_S = 0.05


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("scaling")
    (place / "clips").mkdir()
    sources = []
    for seconds_long in LENGTHS_S:
        faces = [
            draw_portrait(320, 240, head_px=125, centre_px=(160 + i / 5, 110), mouth_open=np.sin(i) ** 2)
            for i in range(25 * seconds_long)
        ]
        path = place / f"{seconds_long}.mp4"
        sources.append(write_video(path, faces, samples=synthesise_voice(seconds_long, expression="happy")))
    for i in range(CLIPS):
        shutil.copy(sources[i % len(sources)], place / "clips" / f"{i:03}.mp4")
    return place / "clips"


def run(folder: Path, jobs: int) -> tuple[float, float]:
    """Give the seconds that the command takes, and those of the processor that the parent alone does."""
    output = folder.parent / f"{jobs}.csv"
    command = [sys.executable, "-m", "mercli", "predict", str(folder), "-o", str(output), "--overwrite", "-q"]
    began = time.monotonic()
    with psutil.Popen([*command, "-j", str(jobs)], stderr=subprocess.PIPE) as process:
        used_s = 0.0
        while process.poll() is None:
            try:
                times = process.cpu_times()
                used_s = max(used_s, times.user + times.system)
            except psutil.NoSuchProcess:
                break
            time.sleep(POLL_S)
        took_s = time.monotonic() - began
    assert output.read_text(encoding="utf-8").count(",ok,") == CLIPS
    return took_s, used_s


def test_two_workers_against_one(benchmark, folder, capsys):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two workers need two processors")
    turns = [(run(folder, 1), run(folder, 2)) for _ in range(TURNS)]
    speedup = statistics.median(one / two for (one, _), (two, _) in turns)
    share = statistics.median(used / two for _, (two, used) in turns)
    times = "; ".join(f"{one:.1f} s with one, {two:.1f} s with two" for (one, _), (two, _) in turns)
    said = f"{CLIPS} clips, -j 2 on two processors: {speedup:.2f}x as fast as -j 1 ({times})"
    met = "met" if speedup >= LEAST_SPEEDUP else "MISSED"
    benchmark.extra_info["scaling"] = said
    with capsys.disabled():
        print(f"\n{said}, bar at least {LEAST_SPEEDUP}x: {met}")
        print(f"the parent takes {share:.1%} of a processor, its own start and end included")
    benchmark.pedantic(run, args=(folder, 2), rounds=1)
