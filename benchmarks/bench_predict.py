"""`predict` against decoding the same file with PyAV alone: the floor under any tool that reads video.

The decoder reads both streams of the file once, every frame, on one thread, and throws all of it away. The clips
are drawn, so that the benchmark needs nothing; with recordings beside the project (shared/data) it races on some
of those too.
"""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from mercli.pipeline import predict_file, start_worker
from mercli.sample import draw_portrait, synthesise_voice, write_video
from mercli.setup import make_setup, open_bundle

RECORDINGS = Path(__file__).parents[2] / "shared" / "data"
SECONDS, FPS = 3, 30


def decode(path: Path) -> int:
    with av.open(str(path)) as container:
        for stream in container.streams:
            stream.codec_context.thread_count = 1
        return sum(1 for packet in container.demux() for _ in packet.decode())


def portraits(width: int, height: int) -> Iterator[np.ndarray]:
    for index in range(SECONDS * FPS):
        sway = np.sin(2 * np.pi * index / FPS / 2)
        centre = (width / 2 + 0.03 * width * sway, height * 0.46)
        yield draw_portrait(width, height, head_px=0.6 * height, centre_px=centre, expression="happy")


@pytest.fixture(scope="module", params=[(1280, 720), (360, 270)], ids=["drawn 720p", "drawn 270p"])
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / f"{request.param[1]}.mp4"
    voice = synthesise_voice(SECONDS, expression="happy")
    return write_video(path, portraits(*request.param), fps=FPS, samples=voice)


def race(ratios, benchmark, name: str, path: Path) -> None:
    folder, bundle = open_bundle()
    setup = make_setup(folder, bundle, None)
    start_worker(setup, first=True)
    assert predict_file(path, setup).status == "ok"
    contenders = {"predict": lambda: predict_file(path, setup), "decoding every frame": lambda: decode(path)}
    for ratio in ratios.race(name, contenders, turns=7):
        benchmark.extra_info[ratio.other] = str(ratio)
    benchmark.pedantic(contenders["predict"], rounds=3)


def test_predicting_a_drawn_clip(ratios, benchmark, drawn):
    race(ratios, benchmark, f"a drawn clip of {SECONDS} s, {drawn.stem}p", drawn)


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["ravdess-video/Actor_01/01-01-01-01-01-01-01.mp4", "javanese-video/01-01-01_01.mp4"]
)
def test_predicting_a_recording(ratios, benchmark, name):
    path = RECORDINGS / name
    if not path.is_file():
        pytest.skip(f"needs {name} in shared/data beside the project")
    race(ratios, benchmark, f"a recording, {name.split('/')[0]}", path)
