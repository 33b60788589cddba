"""Compiled once, then read from disk; and the examples in the docstrings."""

import doctest
import importlib
import json
import os
import pkgutil
import subprocess
import sys

import numpy as np
import pytest

import mercli_kernels
from mercli_kernels import jit

# Every kind of array that a caller may bring, after the warm-up.
RUN = """
import json
import numpy as np
from mercli_kernels import compiled_kernels, cycle_measures, deltas, mid_term_statistics, short_term_features
from mercli_kernels import speech_contours, track_pitch, warm_up

warm_up()
after_warm_up = compiled_kernels()
rng = np.random.default_rng(0)
stereo = rng.standard_normal((9000, 2))
for samples in (stereo.ravel(), stereo.ravel().astype(np.float32), stereo[:, 0]):
    samples.flags.writeable = False
    features = short_term_features(samples, sample_rate_hz=22050, window_s=0.025, hop_s=0.01)
    features.flags.writeable = False
    for table in (features, features.astype(np.float32), features[:, ::2], deltas(features)):
        mid_term_statistics(table, window_frames=np.int32(7), hop_frames=3)
voice = stereo.ravel().astype(np.float32)
for samples in (voice, voice[1000:9000]):
    pitch = track_pitch(samples, 1 + (samples.size - 400) // 160)
    cycle_measures(samples, pitch)
    for rate in (1.0, 1.12):
        speech_contours(samples, pitch, rate=rate)
assert compiled_kernels() == after_warm_up, "a kernel met arrays that the warm-up had not"
print(json.dumps([use._asdict() for use in after_warm_up]))
"""


def run_in_a_new_process(cache_dir):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache_dir)}
    environment.pop("MERCLI_KERNELS_CACHE", None)  # a test beside this one may have settled it for its own workers
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.long
def test_the_second_process_compiles_nothing(tmp_path):
    first, second = run_in_a_new_process(tmp_path), run_in_a_new_process(tmp_path)
    assert len(first) == len(second) > 0
    assert {(use["loaded"], use["compiled"]) for use in first} == {(0, 1)}
    assert {(use["loaded"], use["compiled"]) for use in second} == {(1, 0)}


def test_without_a_folder_for_the_cache_kernels_still_compile(monkeypatch):
    def njit_without_a_folder(function, *, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(function, **options)

    njit = jit.njit
    monkeypatch.setattr(jit, "njit", njit_without_a_folder)
    monkeypatch.setattr(jit, "_dispatchers", [])

    @jit.kernel
    def double(values):
        for i in range(values.shape[0]):
            values[i] *= 2

    values = np.ones(3)
    double(values)
    assert values.tolist() == [2, 2, 2]
    assert jit.compiled_kernels() == (jit.KernelUse("double", loaded=0, compiled=1),)


@pytest.mark.parametrize("module", [m.name for m in pkgutil.iter_modules(mercli_kernels.__path__)])
def test_the_examples_in_the_docstrings_run(module):
    results = doctest.testmod(importlib.import_module(f"mercli_kernels.{module}"))
    assert results.failed == 0
