"""Numba kernels for short-term audio features: arrays in, arrays out."""
