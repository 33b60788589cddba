"""Media made once a session, with what mercli.sample draws and says: no outside file is needed."""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from serving import Server

from mercli.sample import draw_portrait, synthesise_voice, write_audio, write_video

settings.register_profile("mercli", deadline=None)  # machines are shared: how long an example takes says nothing
settings.load_profile("mercli")

Picture = NDArray[np.uint8]

WIDTH, HEIGHT, FPS = 320, 240, 25
CLIP_S = 1.2


def portraits(n: int = round(CLIP_S * FPS), *, expression: str = "happy", drift_px: float = 1.0) -> list[Picture]:
    """A face 125 px high that drifts to the right and opens and closes its mouth."""
    return [
        draw_portrait(
            WIDTH,
            HEIGHT,
            head_px=125,
            centre_px=(WIDTH / 2 + drift_px * (i - n / 2), HEIGHT / 2 - 10),
            expression=expression,
            mouth_open=0.5 + 0.5 * np.sin(i),
        )
        for i in range(n)
    ]


def walls(n: int = round(CLIP_S * FPS)) -> list[Picture]:
    """The same room without anyone in it."""
    return [draw_portrait(WIDTH, HEIGHT, head_px=125, centre_px=(WIDTH / 2, 50 * HEIGHT))] * n


def voice(duration_s: float = CLIP_S, *, seed: int = 0) -> NDArray[np.float32]:
    return synthesise_voice(duration_s, sample_rate_hz=16000, expression="happy", seed=seed)


@pytest.fixture(autouse=True)
def signals():
    """Requests to end are taken by every test as by a program in a terminal, whatever one before has set.

    A command that was interrupted in this process ignores further ones, and a shell has its background jobs ignore
    Ctrl-C: what a test starts would inherit that.
    """
    usual = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    for name, handler in usual.items():
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), handler)


@pytest.fixture(scope="session")
def draw_frames() -> Callable[..., list[Picture]]:
    """``draw_frames(n, expression=..., drift_px=...)`` gives frames of one drawn face, 320 x 240."""
    return portraits


@pytest.fixture(scope="session")
def speak() -> Callable[..., NDArray[np.float32]]:
    """``speak(duration_s, seed=...)`` gives a synthetic voice at 16 kHz."""
    return voice


@pytest.fixture(scope="session")
def media_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's media lie; tests that change a file copy it first."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def talking_video(media_folder: Path) -> Path:
    """A face and a voice: 30 frames at 25 a second, AAC."""
    return write_video(media_folder / "talking.mp4", portraits(), samples=voice())


@pytest.fixture(scope="session")
def silent_video(media_folder: Path) -> Path:
    """A face; its sound track holds digital silence."""
    silence = np.zeros(round(CLIP_S * 16000), np.float32)
    return write_video(media_folder / "silent.mp4", portraits(), samples=silence)


@pytest.fixture(scope="session")
def mute_video(media_folder: Path) -> Path:
    """A face; no sound track."""
    return write_video(media_folder / "mute.mp4", portraits())


@pytest.fixture(scope="session")
def faceless_video(media_folder: Path) -> Path:
    """A voice; the picture is an empty room."""
    return write_video(media_folder / "faceless.mp4", walls(), samples=voice())


@pytest.fixture(scope="session")
def sound_only(media_folder: Path) -> Path:
    """A voice in a wav file."""
    return write_audio(media_folder / "voice.wav", voice())


@pytest.fixture(scope="session")
def blank_video(media_folder: Path) -> Path:
    """Black frames and no sound track: neither voice nor face."""
    return write_video(media_folder / "blank.mp4", [np.zeros((HEIGHT, WIDTH), np.uint8)] * 30)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on this machine, with no proxy before it, that serves what a test gives it."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.over.set()
        serving.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recordings beside the project; a test that uses them is marked ``data``."""
    folder = Path(__file__).parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the recordings beside the project (../shared/data) are absent")
    return folder
