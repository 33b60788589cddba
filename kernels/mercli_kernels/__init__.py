"""Numba kernels for short-term audio features: arrays in, arrays out."""

from mercli_kernels.jit import KernelUse, compiled_kernels
from mercli_kernels.mel import mel_filter_bank
from mercli_kernels.mid_term import delta_names, deltas, mid_term_statistics, statistic_names
from mercli_kernels.short_term import SHORT_TERM_NAMES, short_term_features
from mercli_kernels.warmup import warm_up

__all__ = [
    "SHORT_TERM_NAMES",
    "KernelUse",
    "compiled_kernels",
    "delta_names",
    "deltas",
    "mel_filter_bank",
    "mid_term_statistics",
    "short_term_features",
    "statistic_names",
    "warm_up",
]
