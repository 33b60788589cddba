"""What a bundle may say of windows and hops: all that the kernels take, and nothing else."""

import json
import warnings
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercli.voice.encoder_spec import EncoderSpec
from mercli.voice.sets import DEFAULT, NAMES, default_spec, feature_set
from mercli.voice.spec import MERCLI_1, VoiceSpec
from mercli.voice.track import voice_views

SPANS = [field.name for field in fields(VoiceSpec) if field.type is float]
SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, 3200).astype(np.float32)  # 0.2 s

ENCODER = EncoderSpec("network.onnx", "0" * 64, 1000, 16)
SPECS = {
    "original-34": VoiceSpec(),
    "mercli-1": MERCLI_1,
    "encoder": VoiceSpec("encoder", window_s=0.025, hop_s=0.02, encoder=ENCODER),
}


def spec(**changes):
    return VoiceSpec.from_json({**VoiceSpec().to_json(), **changes})


spans = st.floats(0.001, 0.1) | st.floats(0.001, 60) | st.sampled_from([0.001, 1, 60])


@given(window=st.floats(0.001, 0.1), hop=spans, mid_window=spans, mid_hop=spans)
def test_what_is_accepted_makes_a_vector(window, hop, mid_window, mid_hop):
    try:
        accepted = spec(window_s=window, hop_s=hop, mid_window_s=mid_window, mid_hop_s=mid_hop)
    except ValueError:
        assert round(window * 16_000) < 20
        return
    with warnings.catch_warnings(action="error"):
        views = voice_views(SOUND, accepted)
    assert views.shape == (1, len(feature_set(accepted).clip_names()))
    assert np.isfinite(views).all()


@pytest.mark.parametrize("window_s", [0.001, 0.0012, 0.00121])
def test_a_window_shorter_than_the_kernels_take_is_refused_with_its_length(window_s):
    with pytest.raises(ValueError, match=f"window_s {window_s} is shorter than 20 samples"):
        spec(window_s=window_s)
    with pytest.raises(ValueError, match="at least 20 samples"):
        voice_views(SOUND, VoiceSpec(window_s=window_s))


def test_the_shortest_window_is_accepted():
    assert spec(window_s=0.00122).window_s == 0.00122
    assert spec(window_s=0.00125, hop_s=0.001, mid_window_s=0.001, mid_hop_s=1).mid_window_s == 0.001


@pytest.mark.parametrize("name", SPANS)
@pytest.mark.parametrize("value", [0, -1, 1e-5, 61, 10**400, float("nan"), float("inf"), "1", None, True, [1]])
def test_what_is_no_span_is_refused_with_its_value(name, value):
    with pytest.raises(ValueError, match=f"{name} .* is no span of 0.001 to 60 s"):
        spec(**{name: value})


@pytest.mark.parametrize("name", ["wav2vec", "", None, ["original-34"]])
def test_a_feature_set_that_is_not_known_is_refused(name):
    with pytest.raises(ValueError, match="unknown voice feature set"):
        spec(feature_set=name)
    with pytest.raises(ValueError, match="unknown voice feature set"):
        feature_set(VoiceSpec(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_feature_set_is_found_by_its_name_and_read_back(name):
    own = SPECS[name]
    assert own.feature_set == name
    assert feature_set(own).spec is own
    assert VoiceSpec.from_json(json.loads(json.dumps(own.to_json()))) == own


def test_the_windows_a_set_is_meant_for_are_given_by_its_name():
    assert default_spec("original-34") == VoiceSpec()
    assert default_spec(DEFAULT) == MERCLI_1
    for name in ("encoder", "wav2vec", ""):
        with pytest.raises(ValueError, match=f"unknown voice feature set {name!r}"):
            default_spec(name)


@pytest.mark.parametrize("name", SPANS)
def test_the_windows_of_mercli_1_are_fixed(name):
    other = replace(MERCLI_1, **{name: 0.03})
    for refuse in (feature_set, lambda spec: VoiceSpec.from_json(spec.to_json())):
        with pytest.raises(ValueError, match="the windows of mercli-1 are fixed"):
            refuse(other)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_recorded_for_the_encoder_and_for_no_other_set(name):
    assert ("encoder" in SPECS[name].to_json()) == (name == "encoder")
    other = replace(SPECS[name], encoder=None if name == "encoder" else ENCODER).to_json()
    with pytest.raises(ValueError, match=f"an encoder is given or missing for the voice feature set '{name}'"):
        VoiceSpec.from_json(other)


@pytest.mark.parametrize("encoder", ["network.onnx", None, [], {"file": "a"}, {**ENCODER.to_json(), "dim": 0}])
def test_an_encoder_that_is_none_is_refused(encoder):
    with pytest.raises((ValueError, TypeError)):
        VoiceSpec.from_json({**SPECS["encoder"].to_json(), "encoder": encoder})


def test_the_window_of_an_encoder_is_a_second_at_most():
    assert VoiceSpec.from_json({**SPECS["encoder"].to_json(), "window_s": 1}).window_s == 1
    with pytest.raises(ValueError, match=r"window_s 1\.5 of an encoder is no span of 0\.001 to 1 s"):
        VoiceSpec.from_json({**SPECS["encoder"].to_json(), "window_s": 1.5})
