"""The clips of the demo: a happy and a sad face that talk, and an angry voice."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mercli.errors import UsageError
from mercli.sample.babble import synthesise_voice
from mercli.sample.drawing import draw_portrait
from mercli.sample.writing import FPS, SAMPLE_RATE_HZ, write_audio, write_video

_CLIP_S = 2.2


def write_sample_videos(folder: str | Path) -> list[Path]:
    """Write a happy and a sad face that talk, and an angry voice without a face.

    Parameters
    ----------
    folder : Path
        Where to write; made when it is not there.

    Returns
    -------
    list of Path
        happy.mp4, sad.mp4 and angry-voice.wav, the same each time.

    Raises
    ------
    UsageError
        If nothing can be written there.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}; choose another place") from error
    files = []
    for seed, expression in enumerate(("happy", "sad")):
        voice = synthesise_voice(_CLIP_S, sample_rate_hz=SAMPLE_RATE_HZ, expression=expression, seed=seed)
        files.append(write_video(folder / f"{expression}.mp4", _talk(voice, expression), samples=voice))
    voice = synthesise_voice(_CLIP_S, sample_rate_hz=SAMPLE_RATE_HZ, expression="angry", seed=2)
    return [*files, write_audio(folder / "angry-voice.wav", voice)]


def _talk(voice: NDArray[np.float32], expression: str) -> Iterator[NDArray[np.uint8]]:
    """Draw the frames of a face whose mouth follows its voice."""
    hop = SAMPLE_RATE_HZ // FPS
    pieces = voice[: len(voice) // hop * hop].reshape(-1, hop)
    loudness = np.sqrt(np.square(pieces).mean(axis=1))
    liveliness = 0.4 if expression == "sad" else 1.0
    for index, level in enumerate(loudness / loudness.max()):
        time_s = index / FPS
        sway, nod = liveliness * np.sin(2 * np.pi * np.array([0.5, 0.8]) * time_s)
        since_blink_s = (time_s + 0.7) % 1.5
        yield draw_portrait(
            480,
            360,
            head_px=230,
            centre_px=(240 + 14 * sway, 165 + 4 * nod),
            tilt_deg=3 * sway,
            expression=expression,
            # An expression comes: the first frames are nearer to rest.
            strength=min(1.0, 0.4 + 1.2 * time_s),
            mouth_open=0.8 * float(level),
            eyes_open=min(1.0, abs(since_blink_s - 0.1) / 0.1),
            gaze=0.3 * sway,
        )
