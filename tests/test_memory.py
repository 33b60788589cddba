"""Memory does not grow: not with the length of a file, not with the number of files."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mercli.sample import draw_portrait, write_audio, write_video

Samples = NDArray[np.float32]

# The peak of the process itself: getrusage counts that of the process which started it, too.
pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much is held")

OBSERVE = """
import itertools, sys
from pathlib import Path
from mercli.errors import MediaError
from mercli.face.detect import Haar
from mercli.observer import Observer
from mercli.setup import open_bundle

def held_kib(which):
    return int(Path("/proc/self/status").read_text().split(which + ":")[1].split()[0])

def observe(path):
    try:
        observer.observe(path)
    except MediaError:
        pass

observer = Observer(open_bundle()[1], ("voice", "face"), Haar())
"""
PEAK = """
from mercli.judge import Judge
from mercli.moments import moments

judge = Judge(open_bundle()[1])
with observer.observing(Path(sys.argv[1])) as (seen, voice):
    assert seen.voice is not None and seen.face is not None and seen.damage is None, seen
    said = judge.over_time(moments(seen, voice))  # a timeline takes no more either
assert len(said.fused) == seen.duration_s
print(seen.duration_s, held_kib("VmHWM"))
"""
GROWTH = """
files = itertools.cycle(sorted(Path(sys.argv[1]).iterdir()))
for stop in (int(sys.argv[2]), int(sys.argv[3]) - int(sys.argv[2])):
    for path in itertools.islice(files, stop):
        observe(path)
    print(held_kib("VmRSS"))
"""


def run(code: str, *arguments: object) -> list[float]:
    command = [sys.executable, "-c", OBSERVE + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [float(number) for number in done.stdout.split()]


@pytest.fixture(scope="module")
def write_minutes(media_folder: Path, speak: Callable[..., Samples]) -> Callable[[int], Path]:
    """``write_minutes(n)`` gives a video of a face that talks for n minutes."""
    ten_s = speak(10.0)
    pictures = [draw_portrait(160, 120, head_px=62, centre_px=(80 + x, 60)) for x in range(4)]

    def write(n: int) -> Path:
        frames = (pictures[i % 4] for i in range(60 * n))
        samples = np.tile(ten_s, 6 * n)
        path = media_folder / f"{n}-minutes.mkv"
        return write_video(path, frames, fps=1, samples=samples, codec="mpeg4", audio_codec="pcm_s16le")

    return write


@pytest.mark.parametrize("minutes", [12, pytest.param(60, marks=pytest.mark.long)])
def test_a_long_video_needs_no_more_memory_than_one_of_a_minute(
    write_minutes: Callable[[int], Path], minutes: int
) -> None:
    peaks = []
    for n in (1, minutes):
        path = write_minutes(n)
        duration_s, peak_kib = run(PEAK, path)
        path.unlink()
        assert duration_s == pytest.approx(60 * n, abs=1)
        peaks.append(peak_kib)
    assert peaks[1] < 1.15 * peaks[0], (
        f"{peaks[0] / 1024:.0f} MB for a minute, {peaks[1] / 1024:.0f} for {minutes}"
    )


@pytest.fixture(scope="module")
def mixed_files(
    tmp_path_factory: pytest.TempPathFactory, talking_video: Path, blank_video: Path, speak: Callable[..., Samples]
) -> Path:
    """A folder of videos, sound files and broken ones."""
    folder = tmp_path_factory.mktemp("mixed")
    whole = talking_video.read_bytes()
    (folder / "a.mp4").write_bytes(whole)
    (folder / "b.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "c.mp4").write_bytes(blank_video.read_bytes())
    (folder / "d.mp4").write_bytes(b"no media at all")
    damaged = np.frombuffer(whole, np.uint8).copy()
    damaged[len(whole) // 4 : len(whole) // 2 : 50] ^= 255
    (folder / "e.mp4").write_bytes(damaged.tobytes())
    sound = write_audio(folder / "f.wav", speak(1.0)).read_bytes()
    (folder / "g.wav").write_bytes(sound[: len(sound) // 2])
    write_audio(folder / "h.flac", np.tile(speak(1.0), 6))
    return folder


@pytest.mark.parametrize(("n_first", "n_last"), [(50, 150), pytest.param(100, 500, marks=pytest.mark.long)])
def test_a_worker_does_not_grow_from_file_to_file(mixed_files: Path, n_first: int, n_last: int) -> None:
    first_kib, last_kib = run(GROWTH, mixed_files, n_first, n_last)
    assert last_kib - first_kib < 6 * 1024, f"{first_kib / 1024:.1f} MB, then {last_kib / 1024:.1f}"
