"""The contract of a face network: what can be said in it, and what is refused with which words."""

import json
import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mercli import registry, strict_json
from mercli.emotions import ALL, FER2013
from mercli.face.contract import Contract
from mercli.face.spec import FaceSpec
from mercli.registry import network
from mercli.registry.network import read_list

GOOD: dict[str, Any] = {
    "size_px": 64,
    "channels": 1,
    "layout": "NHWC",
    "mean": [127.5],
    "std": [127.5],
    "output": "probabilities",
    "classes": ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"],
}


def refusal(**changed: Any) -> str:
    """What is said of the good contract with something changed, or left out where it is `...`."""
    data = {key: value for key, value in {**GOOD, **changed}.items() if value is not ...}
    with pytest.raises(ValueError, match=r".") as caught:
        Contract.from_json(data)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
    return str(caught.value)


def test_a_contract_is_read_as_it_was_written():
    more = {"output_name": "y", "detector": "yunet", "margin": 0.8, "licence": "MIT", "source": "nowhere"}
    for data in (GOOD, {**GOOD, **more}):
        assert Contract.from_json(data).to_json() == data


def test_synonyms_of_classes_are_understood_and_those_outside_the_vocabulary_left_out():
    names = ["Neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", None]
    contract = Contract.from_json({**GOOD, "classes": names})
    assert contract.classes == ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", None, None)
    assert contract.known == ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear")


@pytest.mark.parametrize("key", GOOD)
def test_a_key_that_is_needed_and_missing_is_named(key):
    assert refusal(**{key: ...}) == f"{key} is missing"


def test_an_unknown_key_is_refused_with_those_there_are():
    said = refusal(normalisation="imagenet")
    assert said.startswith(
        "there is no key 'normalisation'; there are size_px, channels, layout, mean, std, output"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("size_px", value) for value in (7, 513, 64.0, True, "64", None)),
        *(("channels", value) for value in (0, 2, 4, True, 1.0, "1", None)),
        *(("layout", value) for value in ("nchw", "HWC", "", None, 1, ["NHWC"])),
        *(("mean", value) for value in (127.5, [], [1, 2], ["1"], [True], [1e7], [math.nan], [10**400], None, {})),
        *(("std", value) for value in (127.5, [], [1, 2], [0], [-1], [1e-9], [math.inf], None)),
        *(("output", value) for value in ("scores", "", None, 1, ["logits"])),
        *(("classes", value) for value in ("happy", [], ["happy"], {"happy": 1, "sad": 2}, None, ["happy"] * 101)),
        ("output_name", 3),
        ("output_name", ""),
        ("licence", "two\nlines"),
        ("source", "\x1b[31mred"),
        ("source", "x" * 501),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_the_name_of_its_key(key, value):
    assert refusal(**{key: value}).startswith(f"{key} is ")


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["happy", "sad", "hapy"], "no class 'hapy'; there are angry, disgust"),
        (["happy", "sad", 1], "a class is 1; a name or null was expected"),
        (["happy", "joy", "sad"], "two of the classes are happy"),
        (["happy", None, "contempt"], "fewer than two of the classes are among angry, disgust"),
    ],
)
def test_classes_that_make_no_sense_are_refused(classes, said):
    assert refusal(classes=classes).startswith(said)


@pytest.mark.parametrize("value", [0.2, 3.1, "1", True, math.nan, [1]])
def test_a_margin_that_makes_no_sense_is_refused(value):
    assert refusal(margin=value, detector="haar").startswith("margin is ")


@pytest.mark.parametrize("half", [{"margin": 0.9}, {"detector": "haar"}])
def test_a_margin_is_of_the_boxes_of_a_detector(half):
    assert refusal(**half) == "detector and margin go together: a margin is of the boxes of one detector"


@pytest.mark.parametrize("data", [None, [], "contract", 1, [GOOD]])
def test_what_is_no_object_is_no_contract(data):
    with pytest.raises(ValueError, match="it is no JSON object"):
        Contract.from_json(data)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(ALL),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text takes long to draw
@given(st.dictionaries(st.sampled_from([*GOOD, "margin", "detector", "licence", "x"]), plain))
def test_whatever_is_changed_in_a_contract_it_is_read_or_refused_in_words(changed):
    try:
        contract = Contract.from_json({**GOOD, **changed})
    except ValueError:
        refusal(**changed)
        return
    assert Contract.from_json(json.loads(json.dumps(contract.to_json()))) == contract


@given(
    st.builds(
        dict,
        size_px=st.integers(8, 512),
        layout=st.sampled_from(["NCHW", "NHWC"]),
        output=st.sampled_from(["probabilities", "logits"]),
        mean=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
        std=st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=3),
        channels=st.just(3),
        classes=st.permutations([*FER2013, None, None]),
    )
)
def test_every_contract_that_can_be_said_is_read_and_goes_into_a_bundle(data):
    contract = Contract.from_json(data)
    assert contract.to_json() == data
    spec = FaceSpec(contract.known, contract.size_px, contract=contract)
    assert FaceSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@given(st.permutations([*ALL, None]), st.sets(st.sampled_from(ALL)))
def test_within_some_classes_only_these_are_kept_and_calm_counts_as_neutral(names, wanted):
    contract = Contract.from_json({**GOOD, "classes": names}).within(wanted)
    assert set(contract.known) == {name for name in wanted if name in names}
    for before, after in zip(names, contract.classes, strict=True):
        if before == "calm" and before not in wanted:
            assert after == ("neutral" if "neutral" in wanted else None)
        else:
            assert after == (before if before in wanted else None)


def test_a_specification_without_a_contract_is_written_as_it_always_was():
    assert "contract" not in FaceSpec(FER2013).to_json()


@pytest.mark.parametrize(
    "changed",
    [{"classes": list(reversed(FER2013))}, {"input_px": 48}, {"embedding_size": 2}, {"contract": None}],
)
def test_a_specification_that_says_other_than_its_contract_is_refused(changed):
    contract = Contract.from_json(GOOD)
    data = FaceSpec(contract.known, contract.size_px, contract=contract).to_json()
    with pytest.raises(ValueError, match=r"contract|it is no JSON object"):
        FaceSpec.from_json({**data, **changed})


def test_the_contract_that_the_documentation_shows_is_one():
    page = (Path(__file__).parents[1] / "docs" / "models-command.md").read_text(encoding="utf-8")
    shown = re.search(r"^```json\n(.*?)^```$", page, re.M | re.S)
    assert shown is not None
    assert Contract.from_json(strict_json.loads(shown[1])).known == FER2013
    keys = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", page, re.M))))
    assert {field.name for field in fields(Contract)} <= keys


# The list of networks


LIST = json.loads(Path(network.__file__).with_name("networks.json").read_text())["networks"]
ENTRY = next(entry for entry in LIST if entry["name"] == "emotion-ferplus-8")


def test_the_list_is_read_as_it_was_written():
    assert [entry["name"] for entry in LIST] == list(registry.NETWORKS)
    for entry in LIST:
        known = registry.NETWORKS[entry["name"]]
        assert (known.use, known.file, known.licence, known.url) == tuple(
            entry[key] for key in ("use", "file", "licence", "url")
        )
        assert (known.size_bytes, known.sha256) == (entry["bytes"], entry["sha256"])
        assert list(known.mirrors) == entry["mirrors"]
        assert known.contract == (entry["contract"] and Contract.from_json(entry["contract"]))


@pytest.mark.parametrize(
    "entries",
    [
        [ENTRY, ENTRY],
        [ENTRY, {**ENTRY, "name": "other"}],
        *(
            [{**ENTRY, **changed}]
            for changed in (
                {"name": "Upper"},
                {"name": ""},
                {"file": "../up.onnx"},
                {"url": "http://insecure.invalid/x.onnx"},
                {"mirrors": ["ftp://x"]},
                {"bytes": 0},
                {"bytes": True},
                {"bytes": "1"},
                {"sha256": "ab"},
                {"licence": None},
                {"contract": {}},
                {"extra": 1},
            )
        ),
        [{}],
        [1],
    ],
)
def test_a_list_that_makes_no_sense_is_refused(entries):
    text = json.dumps({"format": "mercli-networks", "format_version": 1, "networks": entries})
    with pytest.raises((ValueError, TypeError, KeyError)):
        read_list(text)


def test_the_contract_of_fer_plus_is_that_of_its_authors():
    contract = registry.find("emotion-ferplus-8").contract
    assert contract is not None
    assert contract.input_shape == (1, 64, 64)
    assert (contract.mean, contract.std, contract.output) == ((0.0,), (1.0,), "logits")
    assert contract.classes == ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", None)


# JSON from strangers


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "[NaN]", "[Infinity]", "[1e999]", "", "{", b"\xff"])
def test_json_that_readers_differ_in_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        strict_json.loads(text)
