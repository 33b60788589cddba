"""Everything compiled before the first real signal, and before worker processes start."""

import numpy as np

from mercli_kernels.cycles import cycle_measures
from mercli_kernels.functionals import clip_functionals
from mercli_kernels.mid_term import mid_term_statistics
from mercli_kernels.pitch import track_pitch
from mercli_kernels.short_term import short_term_features
from mercli_kernels.speech import speech_contours


def warm_up() -> None:
    """Compile every kernel, or load it from numba's cache.

    Call it once in the parent process: numba's cache has races when several processes fill it at a time.

    Examples
    --------
    >>> from mercli_kernels import warm_up
    >>> warm_up()
    """
    # Each kernel has a single signature, whatever the callers' arrays are, so one signal reaches all of them.
    ramp = np.linspace(-1.0, 1.0, 800)
    features = short_term_features(ramp, sample_rate_hz=16000)
    mid_term_statistics(features, window_frames=1, hop_frames=1)
    buzz = (np.arange(800) % 80).astype(np.float32)
    pitch = track_pitch(buzz, 3)
    clip_functionals(speech_contours(buzz, pitch), cycle_measures(buzz, pitch))
