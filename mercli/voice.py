"""The voice: 16 kHz samples -> short-term -> mid-term -> one vector a clip."""

import numpy as np
from numpy.typing import NDArray

from mercli.errors import MissingModality
from mercli.media import SAMPLE_RATE_HZ
from mercli.voice_spec import VoiceSpec
from mercli_kernels import (
    SHORT_TERM_NAMES,
    delta_names,
    deltas,
    mid_term_statistics,
    short_term_features,
    statistic_names,
)

SILENCE_DB = -60.0
"""A clip whose loudest window stays under this level, re full scale, holds no voice."""


def vector_names() -> tuple[str, ...]:
    """Name the entries of a voice vector, such as ``mfcc_3_std`` or ``delta_zcr_mean``.

    Returns
    -------
    tuple of str
        136 names: the means of 34 features and their deltas, then the deviations.
    """
    return tuple(statistic_names((*SHORT_TERM_NAMES, *delta_names(SHORT_TERM_NAMES))))


def voice_vector(samples: NDArray[np.float32], spec: VoiceSpec) -> NDArray[np.float32]:
    """Describe the voice of one clip.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)]
        16 kHz mono.
    spec : VoiceSpec
        Windows and hops.

    Returns
    -------
    np.ndarray [shape=(136,)]
        The mean over mid-term windows of each feature's mean and deviation; `vector_names` names them.

    Raises
    ------
    MissingModality
        If the sound is silent or shorter than one window: the message is the reason as a phrase.
    """
    window = round(spec.window_s * SAMPLE_RATE_HZ)
    if len(samples) < window:
        raise MissingModality(f"the sound is shorter than {spec.window_s * 1000:.0f} ms")
    if _loudest_db(samples, window) < SILENCE_DB:
        raise MissingModality("the sound is silent")
    features = short_term_features(
        samples, sample_rate_hz=SAMPLE_RATE_HZ, window_s=spec.window_s, hop_s=spec.hop_s
    )
    mid_term = mid_term_statistics(
        np.concatenate([features, deltas(features)], axis=1),
        window_frames=max(1, round(spec.mid_window_s / spec.hop_s)),
        hop_frames=max(1, round(spec.mid_hop_s / spec.hop_s)),
    )
    vector: NDArray[np.float32] = mid_term.mean(axis=0).astype(np.float32)
    return vector


def _loudest_db(samples: NDArray[np.float32], window: int) -> float:
    """Give the level of the loudest window, in dB re full scale, a constant offset taken off."""
    whole = len(samples) // window * window
    power = np.square(samples[:whole] - samples.mean()).reshape(-1, window).mean(axis=1)
    return float(10 * np.log10(power.max() + 1e-12))
