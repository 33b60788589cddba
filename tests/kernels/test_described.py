"""Every column of every set has a description that stands by itself."""

from collections import Counter

import pytest

from mercli.measurement import set_names
from mercli.voice.sets import default_spec, feature_set
from mercli_kernels.described import PATTERNS, SOURCES, describe

SETS = pytest.mark.parametrize("name", set_names())


@SETS
def test_every_column_of_every_level_is_described_exactly_once(name):
    features = feature_set(default_spec(name))
    short, mid, clip = features.short_term_names(), features.mid_term_names(), features.clip_names()
    columns = Counter(entry.name for entry in describe(name))
    assert set(columns) == {*short, *mid, *clip}
    assert set(columns.values()) == {1}
    assert tuple(columns) == (*short, *mid)
    assert Counter(entry.name for pattern in PATTERNS[name] for entry in pattern.columns()) == columns


@SETS
def test_a_description_has_all_it_should_and_is_that_of_no_other_column(name):
    described = describe(name)
    for entry in described:
        assert all((entry.unit, entry.formula, entry.source)), entry
        assert not set("{}|") & set(entry.unit + entry.formula + entry.source), entry
        assert set(entry.source.split("; ")) <= set(SOURCES), entry
    assert [formula for formula, n in Counter(entry.formula for entry in described).items() if n > 1] == []


def test_every_source_is_used():
    used = {key for name in PATTERNS for entry in describe(name) for key in entry.source.split("; ")}
    assert used == set(SOURCES)


def test_units_are_composed_with_those_of_the_contours():
    units = {entry.name: entry.unit for entry in describe("mercli-1")}
    assert units["voiced_mel_7_p95"] == "dB"
    assert units["voiced_spectral_centroid_delta_abs"] == "Hz per 10 ms"
    assert units["corr_f0_level"] == units["level_skewness"] == "1"
    assert units["segment_slope_mean"] == "semitone/s"


def test_a_set_that_is_not_there_has_no_description():
    with pytest.raises(ValueError, match="'mercli-0'"):
        describe("mercli-0")
