"""Numba kernels for short-term audio features: arrays in, arrays out."""

from mercli_kernels.jit import KernelUse, compiled_kernels
from mercli_kernels.mel import mel_filter_bank
from mercli_kernels.mid_term import (
    delta_names,
    delta_stream,
    deltas,
    mid_term_statistics,
    mid_term_stream,
    statistic_names,
)
from mercli_kernels.short_term import SHORT_TERM_NAMES, short_term_features, short_term_stream
from mercli_kernels.warmup import warm_up
from mercli_kernels.waveform import Level, measure_level

__all__ = [
    "SHORT_TERM_NAMES",
    "KernelUse",
    "Level",
    "compiled_kernels",
    "delta_names",
    "delta_stream",
    "deltas",
    "measure_level",
    "mel_filter_bank",
    "mid_term_statistics",
    "mid_term_stream",
    "short_term_features",
    "short_term_stream",
    "statistic_names",
    "warm_up",
]
