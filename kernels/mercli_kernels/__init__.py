"""Numba kernels for short-term audio features: arrays in, arrays out."""

from mercli_kernels.cycles import CYCLE_NAMES, cycle_measures
from mercli_kernels.functionals import clip_functionals, clip_functionals_names
from mercli_kernels.jit import KernelUse, compiled_kernels, keep_nothing
from mercli_kernels.mel import mel_filter_bank
from mercli_kernels.mid_term import (
    delta_names,
    delta_stream,
    deltas,
    mid_term_statistics,
    mid_term_stream,
    statistic_names,
)
from mercli_kernels.pitch import Pitch, track_pitch
from mercli_kernels.short_term import SHORT_TERM_NAMES, short_term_features, short_term_stream
from mercli_kernels.speech import SPEECH_NAMES, speech_contours, speech_part
from mercli_kernels.warmup import warm_up
from mercli_kernels.waveform import Level, measure_level

__all__ = [
    "CYCLE_NAMES",
    "SHORT_TERM_NAMES",
    "SPEECH_NAMES",
    "KernelUse",
    "Level",
    "Pitch",
    "clip_functionals",
    "clip_functionals_names",
    "compiled_kernels",
    "cycle_measures",
    "delta_names",
    "delta_stream",
    "deltas",
    "keep_nothing",
    "measure_level",
    "mel_filter_bank",
    "mid_term_statistics",
    "mid_term_stream",
    "short_term_features",
    "short_term_stream",
    "speech_contours",
    "speech_part",
    "statistic_names",
    "track_pitch",
    "warm_up",
]
