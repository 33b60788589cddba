"""What a file costs, counted, not timed: frames decoded, detections, crops, calls of networks, models opened.

The counters stand around the real objects. Bounds are relative to the clip, so that a faster way passes too.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnxruntime as ort
import pytest

from mercli import bundle as bundles
from mercli.face.detect import Haar
from mercli.pipeline import observe_file, predict_file, start_worker
from mercli.sample import synthesise_voice, write_video
from mercli.setup import make_setup, open_bundle

FPS, SECONDS = 30, 8
LOOKED_AT_HZ = 10
DETECTION_PX = 320  # the longer side of the picture that a detector sees
BATCH = 32


class CountedContainer:
    """A container that counts what is decoded of it."""

    def __init__(self, container: Any, counts: Counter[str]) -> None:
        self._container, self._counts = container, counts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def __enter__(self) -> "CountedContainer":
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    def demux(self, *streams: Any, **how: Any) -> Iterator["CountedPacket"]:
        return (CountedPacket(packet, self._counts) for packet in self._container.demux(*streams, **how))

    def decode(self, *streams: Any, **how: Any) -> Iterator[Any]:
        return (frame for packet in self.demux(*streams, **how) for frame in packet.decode())


class CountedPacket:
    """A packet that counts the frames that it is decoded to."""

    def __init__(self, packet: Any, counts: Counter[str]) -> None:
        self._packet, self._counts = packet, counts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._packet, name)

    def decode(self) -> list[Any]:
        frames: list[Any] = self._packet.decode()
        self._counts[f"{self._packet.stream.type} decoded"] += len(frames)
        return frames


@pytest.fixture(scope="module")
def clip(draw_frames: Callable[..., list[Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that drifts to and fro, 640 x 480, with a voice: about half of its frames are referred to by none."""
    some = [frame.repeat(2, axis=0).repeat(2, axis=1) for frame in draw_frames(30, drift_px=0.7)]
    there_and_back = [*some, *reversed(some)]
    frames = (there_and_back[index % len(there_and_back)] for index in range(FPS * SECONDS))
    path = tmp_path_factory.mktemp("counted") / "clip.mp4"
    return write_video(path, frames, fps=FPS, samples=synthesise_voice(SECONDS, expression="happy"))


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count from now on."""
    counted: Counter[str] = Counter()
    open_container, load = av.open, bundles.load
    detect, confirm = Haar.detect, Haar.confirm
    session, run = ort.InferenceSession.__init__, ort.InferenceSession.run

    def counted_open(*args: Any, **how: Any) -> Any:
        counted["files opened"] += 1
        return CountedContainer(open_container(*args, **how), counted)

    def counted_load(folder: Path) -> Any:
        counted["bundles loaded"] += 1
        return load(folder)

    def counted_detect(self: Haar, picture: Any, least_px: float) -> Any:
        counted["searches"] += 1
        counted["longest side searched"] = max(counted["longest side searched"], *picture.shape)
        return detect(self, picture, least_px)

    def counted_confirm(self: Haar, picture: Any, box: Any) -> Any:
        counted["confirmations"] += 1
        return confirm(self, picture, box)

    def counted_session(self: Any, *args: Any, **how: Any) -> None:
        counted["models opened"] += 1
        session(self, *args, **how)

    def counted_run(self: Any, outputs: Any, inputs: dict[str, Any], *args: Any, **how: Any) -> Any:
        for values in inputs.values():
            if np.ndim(values) == 4:  # faces; classifiers take vectors
                counted["batches"] += 1
                counted["crops"] += len(values)
        return run(self, outputs, inputs, *args, **how)

    monkeypatch.setattr(av, "open", counted_open)
    monkeypatch.setattr(bundles, "load", counted_load)
    monkeypatch.setattr(Haar, "detect", counted_detect)
    monkeypatch.setattr(Haar, "confirm", counted_confirm)
    monkeypatch.setattr(ort.InferenceSession, "__init__", counted_session)
    monkeypatch.setattr(ort.InferenceSession, "run", counted_run)
    return counted


def started(*modalities: str) -> Any:
    """A worker that is ready for its first file."""
    folder, bundle = open_bundle()
    setup = make_setup(folder, bundle, modalities or None)
    start_worker(setup, first=True)
    return setup


def frames_of(path: Path, which: str = "DEFAULT") -> dict[str, int]:
    """How many frames FFmpeg decodes of each stream."""
    decoded: Counter[str] = Counter()
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.skip_frame = which
        for packet in container.demux():
            decoded[packet.stream.type] += len(packet.decode())
    return decoded


def test_frames_that_no_other_refers_to_are_not_decoded(clip: Path, counts: Counter[str]) -> None:
    setup = started()
    all_frames, referred = frames_of(clip)["video"], frames_of(clip, "NONREF")["video"]
    assert referred < 0.7 * all_frames  # else the clip shows nothing
    counts.clear()
    assert predict_file(clip, setup).status == "ok"
    assert 0 < counts["video decoded"] <= referred + 2


def test_a_file_is_read_once(clip: Path, counts: Counter[str]) -> None:
    setup, sound = started(), frames_of(clip)["audio"]
    counts.clear()
    predict_file(clip, setup)
    assert counts["files opened"] == 1
    assert 0 < counts["audio decoded"] <= sound


def test_ten_frames_a_second_are_looked_at(clip: Path) -> None:
    seen = observe_file(clip, started())
    assert seen.n_frames is not None
    assert 0.5 * SECONDS * LOOKED_AT_HZ < seen.n_frames <= SECONDS * LOOKED_AT_HZ + 2


def test_a_face_that_is_followed_is_seldom_looked_for_and_the_whole_picture_is_searched_less(
    clip: Path, counts: Counter[str]
) -> None:
    setup = started()
    counts.clear()
    seen = observe_file(clip, setup)
    assert seen.n_frames is not None
    assert seen.n_face_frames == seen.n_frames
    assert 0 < counts["confirmations"] <= seen.n_frames / 3
    assert 0 < counts["searches"] <= 1 + seen.n_frames / 20
    assert counts["longest side searched"] < 2 * DETECTION_PX


def test_faces_are_judged_once_each_in_full_batches(clip: Path, counts: Counter[str]) -> None:
    setup = started()
    counts.clear()
    seen = observe_file(clip, setup)
    assert seen.n_face_frames is not None
    assert seen.n_face_frames > 1.5 * BATCH  # else there is no batch to fill
    assert 0 < counts["crops"] <= seen.n_face_frames
    assert counts["batches"] <= math.ceil(counts["crops"] / BATCH) + 1


def test_a_worker_opens_its_models_once(clip: Path, counts: Counter[str]) -> None:
    setup = started()
    assert counts["models opened"] or counts["bundles loaded"]
    counts.clear()
    for _ in range(3):
        predict_file(clip, setup)
    assert (counts["models opened"], counts["bundles loaded"]) == (0, 0)


def test_for_the_voice_alone_no_picture_is_decoded(clip: Path, counts: Counter[str]) -> None:
    setup = started("voice")
    counts.clear()
    assert predict_file(clip, setup).status == "ok"
    assert counts["video decoded"] == counts["searches"] == counts["crops"] == 0


def test_for_the_face_alone_no_sound_is_decoded(clip: Path, counts: Counter[str]) -> None:
    setup = started("face")
    counts.clear()
    assert predict_file(clip, setup).status == "ok"
    assert counts["audio decoded"] == 0
