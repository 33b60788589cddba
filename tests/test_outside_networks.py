"""Face networks from elsewhere: asked as their contract says, tried, added to the cache, and used by commands."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from outside import CLASSES, contract, network, weights_of
from synthetic import front_end, onnx_model, small_bundle
from typer.testing import CliRunner

import mercli
from mercli import bundle as bundles
from mercli import face_networks, registry
from mercli.cli import app
from mercli.errors import BundleError, MercliError, UsageError
from mercli.face.contract import Contract
from mercli.face.spec import FaceSpec
from mercli.face.track import FaceNetwork
from mercli.face_networks import OutsideNetwork, find
from mercli.files import sha256
from mercli.fusion import FOREST, PRODUCT
from mercli.sample import draw_portrait, synthesise_voice, write_video
from mercli.setup import make_setup
from mercli.soundness import check_face_network, check_sound

PX = 16
CROPS = np.random.default_rng(1).integers(0, 256, (5, PX, PX), dtype=np.uint8)

Mercli = Callable[..., tuple[int, str, str]]


def spec_of(data: dict[str, Any]) -> FaceSpec:
    agreed = Contract.from_json(data)
    return FaceSpec(agreed.known, agreed.size_px, contract=agreed)


def look(model: bytes, data: dict[str, Any], crops: NDArray[np.uint8] = CROPS) -> NDArray[np.float32]:
    posteriors, embeddings = FaceNetwork(model, spec_of(data)).look(crops)
    assert embeddings.shape == (len(crops), 0)
    return posteriors


def expected(values: NDArray[np.float64], **shape: Any) -> NDArray[np.float64]:
    """What the network says of input values [n, ...], by NumPy."""
    logits = values.reshape(len(values), -1) @ weights_of(**shape)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return result


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, but for the compiled kernels."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(registry.cache_folder() / "kernels"))
    monkeypatch.setenv(registry.CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def mercli_says() -> Mercli:
    """``mercli_says(*words)`` gives exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, list(map(str, words)))
        assert "Traceback" not in done.stderr
        return done.exit_code, done.stdout, done.stderr

    return run


def write(folder: Path, name: str, model: bytes, data: object) -> tuple[Path, Path]:
    """A network's file and its contract beside it."""
    file, beside = folder / f"{name}.onnx", folder / f"{name}.json"
    file.write_bytes(model)
    beside.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return file, beside


@pytest.fixture
def good(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path, "good", network(), contract())


# What a network is given, and what it said


@pytest.mark.parametrize("nhwc", [False, True])
@pytest.mark.parametrize(
    ("mean", "std"), [([0], [1]), ([0], [255]), ([127.5], [127.5]), ([129.3], [64.15])], ids=str
)
def test_grey_values_are_given_less_the_mean_and_divided_by_the_deviation(nhwc, mean, std):
    data = contract(mean=mean, std=std, layout="NHWC" if nhwc else "NCHW")
    said = look(network(nhwc=nhwc), data)
    assert said == pytest.approx(expected((CROPS.astype(np.float64) - mean[0]) / std[0]), abs=1e-4)


@pytest.mark.parametrize("nhwc", [False, True])
def test_each_of_three_channels_is_given_the_grey_values_by_its_own_mean_and_deviation(nhwc):
    mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    data = contract(channels=3, mean=mean, std=std, layout="NHWC" if nhwc else "NCHW")
    values = (CROPS[..., np.newaxis].astype(np.float64) - mean) / std
    values = values if nhwc else np.moveaxis(values, 3, 1)
    said = look(network(channels=3, nhwc=nhwc), data)
    assert said == pytest.approx(expected(values, channels=3), abs=1e-5)


def test_logits_become_probabilities():
    said = look(network(after=()), contract(output="logits"))
    assert said == pytest.approx(look(network(), contract()), abs=1e-6)


def test_large_logits_become_probabilities_too():
    said = look(network(after=(), weights=1000 * weights_of()), contract(output="logits", mean=[0], std=[1]))
    assert np.isfinite(said).all()
    assert said.sum(axis=1) == pytest.approx(1)


def test_a_class_that_is_left_out_leaves_its_probability_to_the_others():
    names = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
    data = contract(classes=names)
    assert spec_of(data).classes == ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear")
    everything = expected((CROPS.astype(np.float64) - 127.5) / 127.5, n_classes=8)[:, :7]
    kept = everything / everything.sum(axis=1, keepdims=True)
    assert look(network(8), data) == pytest.approx(kept, abs=1e-5)


def test_a_frame_of_nothing_but_a_class_that_is_left_out_says_nothing_of_the_others():
    weights = np.zeros((PX * PX, 3))
    weights[:, 2] = 1.0
    data = contract(classes=["happy", "sad", None], mean=[0], std=[1])
    assert look(network(3, weights=weights), data, CROPS[:1]) == pytest.approx(np.array([[0.5, 0.5]]))


def test_classes_that_count_as_one_have_their_probabilities_added():
    agreed = Contract.from_json(contract(classes=["happy", "calm", "neutral"])).within(["happy", "neutral"])
    assert agreed.known == ("happy", "neutral")
    said, _ = FaceNetwork(network(3), FaceSpec(agreed.known, PX, contract=agreed)).look(CROPS)
    each = expected((CROPS.astype(np.float64) - 127.5) / 127.5, n_classes=3)
    assert said == pytest.approx(np.stack([each[:, 0], each[:, 1] + each[:, 2]], axis=1), abs=1e-5)


@pytest.mark.parametrize("old", [False, True])
def test_a_network_that_takes_one_picture_at_a_time_is_given_each_by_itself(old):
    assert look(network(batch=1, old=old), contract()) == pytest.approx(look(network(), contract()), abs=1e-6)


def test_a_network_whose_axes_are_of_any_size_is_taken_by_its_contract():
    said = look(network(shape_in=["n", "c", "h", "w"]), contract())
    assert said == pytest.approx(look(network(), contract()), abs=1e-6)


def test_of_several_outputs_the_one_that_is_named_is_taken():
    model = network(outputs=("scores", "again"))
    assert look(model, contract(output_name="again")) == pytest.approx(look(network(), contract()))
    with pytest.raises(
        BundleError, match=r"has outputs 'scores', 'again'; name one as output_name in its contract"
    ):
        look(model, contract())


@pytest.mark.parametrize(
    ("how", "data", "said"),
    [
        ({"nhwc": True}, {}, r"takes \[n, 16, 16, 1\]; by its contract \(NCHW\) it takes \[n, 1, 16, 16\]"),
        ({"channels": 3}, {}, r"takes \[n, 3, 16, 16\]; by its contract"),
        ({"px": 24}, {}, r"takes \[n, 1, 24, 24\]; by its contract"),
        ({"shape_in": ["n", PX * PX]}, {}, r"takes \[n, 256\]; by its contract"),
        ({"batch": 2}, {}, "does not take float32 batches of any size"),
        (
            {"n_classes": 8},
            {},
            r"gives \[n, 8\]; by its contract it gives \[n, 7\], a value for each of its classes",
        ),
        ({}, {"output_name": "y"}, "has no output 'y'; it has 'scores'"),
        ({"after": ()}, {}, "it gives what are no probabilities where its contract says so: are they logits?"),
        ({}, {"output": "logits"}, "it gives probabilities where its contract says logits"),
        ({"after": ("Log", "Sqrt")}, {}, "gave values that are not finite"),
        ({"weights": np.full((256, 7), np.nan)}, {}, "holds a weight that is NaN; it is refused"),
        ({"shape_in": ["n", "c", "h", "w"], "channels": 3}, {}, "cannot be run"),
    ],
)
def test_a_network_that_does_not_do_as_its_contract_says_is_refused(how, data, said):
    with pytest.raises(BundleError, match=said) as caught:
        check_face_network(network(**how), spec_of(contract(**data)))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("how", [{}, {"nhwc": True}, {"batch": 1}, {"batch": 1, "old": True}])
def test_a_network_that_does_as_its_contract_says_is_sound(how):
    check_face_network(network(**how), spec_of(contract(layout="NHWC" if how.get("nhwc") else "NCHW")))


# Found by what a user types


def test_a_file_with_its_contract_beside_it_is_found(good):
    found = find(str(good[0]))
    assert (found.name, found.file, found.sha256) == ("good", str(good[0]), sha256(good[0].read_bytes()))
    assert found.contract == Contract.from_json(contract())
    assert found.label == f"good@{found.sha256[:12]}"


def test_what_cannot_be_found_is_said(tmp_path):
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(network())
    (tmp_path / "folder.onnx").mkdir()
    answers = {
        "absent": "no face network 'absent'; there is emotion-ferplus-8, and any .onnx file with its contract",
        "": "no face network ''; there is",
        "yunet": "yunet finds faces, turned ones too; --face-network takes one that names emotions",
        "emotion-ferplus-8": "type `mercli models pull emotion-ferplus-8`",
        str(alone): f"{alone} has no contract beside it: write {tmp_path / 'alone.json'}",
        str(tmp_path / "none.onnx"): "cannot be read (No such file or directory)",
        str(tmp_path / "folder.onnx"): "is not a file",
        "x" * 5000 + ".onnx": "cannot be read (File name too long)",
        "null\0.onnx": "cannot be read (embedded null byte)",
    }
    for name, said in answers.items():
        with pytest.raises(UsageError) as caught:
            find(name)
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"size_px": 1, "size_px": 2}', "is not JSON (a key is given twice in one object)"),
        ("[]", "it is no JSON object"),
        ("{}", "size_px is missing"),
        (" " * (1 << 20) + "{}", "is over 1 MB, so it is none"),
    ],
)
def test_a_contract_that_is_not_understood_is_refused(tmp_path, text, said):
    file, beside = write(tmp_path, "a", network(), text)
    with pytest.raises(UsageError) as caught:
        find(str(file))
    assert str(caught.value).startswith(f"the contract {beside}")
    assert said in str(caught.value)


def test_a_file_that_was_changed_since_it_was_found_is_refused(good):
    found = find(str(good[0]))
    content = good[0].read_bytes()
    for changed in (content[:-1] + bytes([content[-1] ^ 1]), content + b"x"):
        good[0].write_bytes(changed)
        with pytest.raises(BundleError, match="was changed while the run was going on"):
            found.read()


# Added to the cache


def test_a_network_is_added_shown_checked_and_removed(mercli_says, good, cache):
    file, beside = good
    assert mercli_says("models", "add", file, "--contract", beside) == (0, "good\n", "")
    place = cache / "networks" / "good" / "network.onnx"
    assert place.read_bytes() == file.read_bytes()
    file.unlink()
    assert find("good").contract == Contract.from_json(contract())
    assert (
        f"good  {place.stat().st_size:,} bytes, terms not given; names emotions in faces"
        in mercli_says("models", "list")[1]
    )
    shown = mercli_says("models", "show", "good")[1]
    for fact in (str(place), sha256(place.read_bytes()), "added on this machine", '"NCHW"', "[127.5]", '"angry"'):
        assert fact in shown
    assert mercli_says("models", "verify") == (0, "good  good\n", "")
    assert mercli_says("models", "remove", "good") == (0, f"removed {place.parent}\n", "")
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    assert beside.exists()
    assert mercli_says("models", "show", "good")[0] == 2


def test_what_is_added_is_named_like_its_file_unless_a_name_is_given(tmp_path, mercli_says):
    file, beside = write(tmp_path, "My Net (v2)", network(), contract())
    assert mercli_says("models", "add", file, "--contract", beside)[1] == "my-net-v2\n"
    assert mercli_says("models", "add", file, "--contract", beside, "--name", "other")[1] == "other\n"
    assert registry.names() == ["yunet", "emotion-ferplus-8", "my-net-v2", "other"]


@pytest.mark.parametrize(
    "name", ["", "Upper", "../up", "a/b", ".hidden", "-x", "x" * 65, "nul\0", "net.onnx", "yunet"]
)
def test_a_name_that_a_network_cannot_have_is_refused(good, name, cache):
    with pytest.raises(UsageError, match=r"no network can be called|is the name of a network that can be pulled"):
        face_networks.add(*good, name)
    assert not cache.exists()


def test_a_file_among_the_networks_is_none(mercli_says, good, cache):
    face_networks.add(*good)
    (cache / "networks" / "note.txt").touch()
    assert registry.names() == ["yunet", "emotion-ferplus-8", "good"]
    assert mercli_says("models", "verify")[0] == 0


def test_what_does_not_fit_its_contract_is_not_added(mercli_says, tmp_path, cache):
    bad = {
        "layout": (network(nhwc=True), contract()),
        "logits": (network(after=()), contract()),
        "broken": (b"no network", contract()),
        "empty": (b"", contract()),
        "unclear": (network(), contract(size_px=0)),
    }
    for name, (model, data) in bad.items():
        file, beside = write(tmp_path, name, model, data)
        code, out, err = mercli_says("models", "add", file, "--contract", beside)
        assert (code, out, err.count("\n")) == (2, "", 1), name
        assert str(tmp_path / name) in err
    assert not cache.exists()


def test_another_network_or_contract_of_a_name_is_not_replaced_unless_that_is_asked_for(
    mercli_says, tmp_path, good
):
    assert face_networks.add(*good).name == "good"
    assert face_networks.add(*good).name == "good"  # the same again is no other
    more = {
        "network": (network(weights=2 * weights_of()), contract()),
        "contract": (network(), contract(mean=[0])),
    }
    for what, (model, data) in more.items():
        file, beside = write(tmp_path, what, model, data)
        before = find("good")
        words = ("models", "add", file, "--contract", beside, "--name", "good")
        code, _, err = mercli_says(*words)
        assert code == 2
        assert f"there is another {what} of the name good; give --name another one, or --overwrite it" in err
        assert find("good") == before
        assert mercli_says(*words, "--overwrite")[0] == 0
        assert find("good") != before
        face_networks.add(*good, overwrite=True)


def test_a_network_that_was_damaged_in_the_cache_is_refused_and_named(mercli_says, good):
    place = face_networks.add(*good).place
    content = place.read_bytes()
    for damaged in (content[:-1] + bytes([content[-1] ^ 1]), content[:-1], b""):
        place.write_bytes(damaged)
        with pytest.raises(
            UsageError, match="was damaged or changed: type `mercli models add FILE --contract JSON --name good"
        ):
            find("good")
        assert mercli_says("models", "verify")[0] == 1
    place.unlink()
    with pytest.raises(UsageError, match="good is not on this machine yet: type `mercli models add FILE"):
        find("good")
    code, out, err = mercli_says("models", "verify", "good")
    assert (code, out) == (1, "")
    assert err.startswith("mercli: good is not on this machine")
    assert "good is not on this machine" in mercli_says("models", "list")[1]
    face_networks.add(*good)
    assert mercli_says("models", "verify", "good") == (0, "good  good\n", "")


@pytest.mark.parametrize("text", ["", "{}", "[]", "[" * 100_000, '{"format": "mercli-network"}', " " * (1 << 21)])
def test_where_what_is_known_of_a_network_was_damaged_it_is_said_and_the_others_are_listed(
    mercli_says, good, text
):
    note = face_networks.add(*good).place.with_name("network.json")
    face_networks.add(*good, "other")
    note.write_text(text)
    with pytest.raises(MercliError, match=r"what is known of the network good was damaged or changed"):
        find("good")
    code, out, _ = mercli_says("models", "list")
    assert code == 0
    assert "was damaged or changed" in out
    assert "other  " in out
    assert mercli_says("models", "verify")[0] == 1
    with pytest.raises(UsageError, match="or give --overwrite"):
        face_networks.add(*good)
    assert mercli_says("models", "remove", "good")[0] == 0
    assert registry.names() == ["yunet", "emotion-ferplus-8", "other"]


def test_a_folder_that_holds_something_else_is_not_removed_nor_replaced(mercli_says, good):
    place = face_networks.add(*good).place
    (place.parent / "thesis.txt").write_text("years of work")
    for words in (("remove", "good"), ("add", good[0], "--contract", good[1], "--overwrite")):
        code, _, err = mercli_says("models", *words)
        assert code == 2
        assert "holds 'thesis.txt', which is no part of the network good; nothing was changed" in err
    assert sorted(path.name for path in place.parent.iterdir()) == ["network.json", "network.onnx", "thesis.txt"]


def test_what_is_removed_through_a_link_is_nothing(good, cache, tmp_path):
    face_networks.add(*good)
    outside = tmp_path / "outside"
    (cache / "networks" / "good").rename(outside)
    (cache / "networks" / "good").symlink_to(outside)
    with pytest.raises(UsageError, match="is no folder that mercli made; nothing was changed"):
        registry.remove("good")
    assert len(list(outside.iterdir())) == 2


def test_a_network_that_was_pulled_is_removed_with_what_is_left_of_its_download(mercli_says, cache, monkeypatch):
    tiny = replace(registry.NETWORKS["yunet"], file="tiny.onnx", size_bytes=1, sha256=sha256(b"x"))
    monkeypatch.setitem(registry.NETWORKS, "yunet", tiny)
    code, _, err = mercli_says("models", "remove", "yunet")
    assert (code, err) == (2, "mercli: yunet was not pulled; there is nothing to remove\n")
    cache.mkdir()
    for name in ("tiny.onnx", "tiny.onnx.part", "mine.onnx"):
        (cache / name).write_bytes(b"x")
    assert mercli_says("models", "verify") == (0, "yunet  good\n", "")
    code, out, _ = mercli_says("models", "remove", "yunet")
    assert (code, out) == (0, f"removed {cache / 'tiny.onnx'}\nremoved {cache / 'tiny.onnx.part'}\n")
    assert [path.name for path in cache.iterdir()] == ["mine.onnx"]


def test_verify_tells_what_was_changed_and_what_is_missing_where_it_is_asked_for(mercli_says, cache):
    assert mercli_says("models", "verify") == (0, "", "no network was pulled or added\n")
    code, _, err = mercli_says("models", "verify", "yunet")
    assert (code, err) == (1, "mercli: yunet is not on this machine yet: type `mercli models pull yunet`\n")
    cache.mkdir()
    registry.find("yunet").place.write_bytes(b"another file")
    code, _, err = mercli_says("models", "verify")
    assert code == 1
    assert "was damaged or changed: type `mercli models pull yunet` again" in err
    for command in ("verify", "show", "remove", "pull"):
        code, _, err = mercli_says("models", command, "yolo")
        assert (code, err) == (2, "mercli: no network 'yolo'; there is yunet, emotion-ferplus-8\n")


def test_what_is_published_is_shown_with_its_contract_though_it_was_not_pulled(mercli_says):
    code, out, _ = mercli_says("models", "show", "emotion-ferplus-8")
    assert code == 0
    for fact in ("not pulled", "35,040,571", "https://github.com/onnx/models/", "MIT", '"logits"', "null", "64"):
        assert fact in out


def test_there_is_nowhere_to_pull_an_added_network_from(good):
    place = face_networks.add(*good).place
    assert registry.pull("good") == place
    place.unlink()
    with pytest.raises(UsageError, match="good was added on this machine; there is nowhere to pull it from"):
        registry.pull("good")


def test_a_cache_that_cannot_be_written_is_named(good, cache):
    cache.write_text("a file")
    with pytest.raises(UsageError, match=rf"cannot write .*name another folder in {registry.CACHE}"):
        face_networks.add(*good)
    assert cache.read_text() == "a file"


# In the place of a bundle's own


def outside(data: dict[str, Any] | None = None, *, file: Path) -> OutsideNetwork:
    content = file.read_bytes()
    return OutsideNetwork("mine", str(file), len(content), sha256(content), Contract.from_json(data or contract()))


def test_in_a_bundle_it_answers_for_each_frame_and_the_clips_answer_is_their_mean(good):
    bundle = outside(file=good[0]).put_into(small_bundle())
    assert bundle.face is not None
    assert bundle.face.model is None
    assert bundle.face.spec.classes == CLASSES


def test_the_classes_that_a_bundle_does_not_know_are_left_out(good):
    inside = outside(file=good[0]).within(small_bundle())
    assert inside.contract.known == small_bundle().classes == ("angry", "happy", "sad")
    assert inside.put_into(small_bundle()).classes == small_bundle().classes


def test_a_network_that_shares_no_classes_with_a_bundle_is_refused(good):
    data = contract(classes=["calm", "fear", "disgust", "surprise", "neutral", "sad", None])
    with pytest.raises(
        UsageError, match=r"the face network mine knows .*; fewer than two of them are among the cl"
    ):
        outside(data, file=good[0]).within(small_bundle())


def test_the_product_fuses_on_and_what_learnt_the_errors_of_the_own_face_does_not(good):
    bundle, given = small_bundle(), outside(file=good[0]).within(small_bundle())
    assert bundle.fusion is not None
    assert bundle.fusion.kind == PRODUCT
    assert given.put_into(bundle).fusion == bundle.fusion
    forest = replace(bundle, fusion=replace(bundle.fusion, kind=FOREST))
    assert given.put_into(forest).fusion is None


def test_the_face_is_judged_of_a_bundle_that_has_none(good):
    given = outside(file=good[0])
    voice = replace(front_end(), face=None)
    setup = make_setup(Path(), voice, None, face_network=given)
    assert setup.modalities == ("voice", "face")
    with pytest.raises(UsageError, match="--face-network is for the face, which --modalities leaves out"):
        make_setup(Path(), voice, ["voice"], face_network=given)


# In commands


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_predict_judges_faces_by_it_and_names_it(mercli_says, talking_video, tmp_path):
    weights = np.zeros((PX * PX, 7))
    weights[:, 3] = 0.05
    file, _ = write(tmp_path, "always-happy", network(weights=weights), contract(mean=[0], std=[255]))
    own, other = tmp_path / "own.csv", tmp_path / "other.csv"
    assert mercli_says("predict", talking_video, "-o", own, "-q", "-j", 1)[0] == 0
    assert mercli_says("predict", talking_video, "-o", other, "-q", "-j", 1, "--face-network", file)[0] == 0
    (before,), (after,) = table(own), table(other)
    assert after["face_emotion"] == "happy"
    assert float(after["face_p_happy"]) > 0.9
    assert after["voice_p_angry"] == before["voice_p_angry"]
    assert after["face_p_happy"] != before["face_p_happy"]
    digest = sha256(file.read_bytes())[:12]
    assert after["bundle"] == f"{before['bundle']}+always-happy@{digest}"


def test_predict_reads_files_again_where_the_network_is_another(mercli_says, mute_video, tmp_path):
    output = tmp_path / "a.csv"
    for name, weights in (("one", weights_of()), ("two", 3 * weights_of())):
        file, beside = write(tmp_path, name, network(weights=weights), contract())
        words = ("predict", mute_video, "-o", output, "-j", 1, "--face-network")
        assert mercli_says(*words, file)[0] == 0
        (first,) = table(output)
        assert first["bundle"].split("+")[1].startswith(f"{name}@")
        assert "continuing: 1 of 1 file done already" in mercli_says(*words, file)[2]
        beside.write_text(json.dumps(contract(mean=[0])))
        assert mercli_says(*words, file)[0] == 0
        assert table(output) != [first]


def test_predict_refuses_a_network_that_does_not_fit_its_contract(mercli_says, mute_video, tmp_path):
    file, _ = write(tmp_path, "bad", network(after=()), contract())
    code, out, err = mercli_says("predict", mute_video, "-q", "-j", 1, "--face-network", file)
    assert (code, out) == (2, "")
    assert f"{file} does not fit its contract: it gives what are no probabilities" in err


def test_predict_in_python_takes_it_too(good, mute_video):
    (said,) = mercli.predict(mute_video, jobs=1, face_network=good[0])
    assert said.status == "partial"
    assert said.emotion in CLASSES


THREE = ("angry", "happy", "sad")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 speakers x 3 classes x 2 takes, with a face each and no sound."""
    folder = tmp_path_factory.mktemp("outside") / "corpus"
    folder.mkdir()
    rows = ["file,label,speaker"]
    for i, label in enumerate(THREE * 6):
        speaker, take = divmod(i // 3, 2)
        shade = 0.8 + 0.1 * speaker
        drawn = [
            draw_portrait(200, 150, head_px=90, centre_px=(100 + t, 72), expression=label, mouth_open=t / 5)
            for t in range(4)
        ]
        frames = [np.clip(frame * shade, 0, 255).astype(np.uint8) for frame in drawn]
        path = folder / f"{label}-{speaker}-{take}.mp4"
        sound = synthesise_voice(0.8, sample_rate_hz=16000, expression=label, seed=i)
        write_video(path, frames, fps=5, samples=sound, sample_rate_hz=16000)
        rows.append(f"{path.name},{label},{speaker}")
    (folder / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


def test_fit_trains_a_bundle_behind_it_which_holds_it_and_needs_nothing_else(mercli_says, corpus, tmp_path, cache):
    data = contract(
        classes=["neutral", "calm", "happy", "sad", "angry", None, "fear"], licence="MIT", source="a friend"
    )
    file, beside = write(tmp_path, "mine", network(), data)
    face_networks.add(file, beside)
    output = tmp_path / "made"
    words = ("fit", corpus / "manifest.csv", "-o", output, "-q", "-j", 1, "--modalities", "face")
    code, _, err = mercli_says(*words, "--face-network", "mine")
    assert code == 0, err
    shutil.rmtree(cache / "networks")
    file.unlink()
    made = bundles.load(output)
    assert made.face is not None
    assert made.face.network == network()
    assert made.face.spec.contract == Contract.from_json(data)
    assert made.classes == THREE
    assert made.training["face_network"] == {"name": "mine", "sha256": sha256(network())}
    for fact in ("the network `mine`", sha256(network()), "From: a friend. Terms: MIT."):
        assert fact in made.card
    check_sound(made)
    (said,) = mercli.predict(corpus / "sad-0-0.mp4", bundle=output, jobs=1)
    assert said.emotion in THREE
    again = tmp_path / "again"
    words = ("fit", corpus / "manifest.csv", "-o", again, "-q", "-j", 1, "--modalities", "face", "--base", output)
    assert mercli_says(*words)[0] == 0
    assert bundles.load(again).training["face_network"] == made.training["face_network"]


def test_evaluate_trains_and_tests_behind_it(mercli_says, good, corpus, tmp_path):
    words = ("evaluate", corpus / "manifest.csv", "-q", "-j", 1, "--modalities", "face", "--protocol")
    found = tmp_path / "a.json"
    for protocol in ("loso", "original"):
        code, _, err = mercli_says(*words, protocol, "--face-network", good[0], "--json", found, "--overwrite")
        if protocol == "loso":
            assert code == 0, err
            assert "face" in json.loads(found.read_text())["scores"]
        else:
            assert "recipe is fixed" not in err
    code, _, err = mercli_says("evaluate", corpus / "manifest.csv", "--face-network", good[0])
    assert (code, err) == (2, "mercli: --face-network is for training, which --protocol does\n")
    code, _, err = mercli_says(*words, "loso", "--modalities", "voice", "--face-network", good[0])
    assert (code, err) == (2, "mercli: --face-network is for the face, which --modalities leaves out\n")


def test_no_output_takes_the_place_of_a_network_or_its_contract(mercli_says, good, corpus):
    words = (
        "evaluate",
        corpus / "manifest.csv",
        "-q",
        "--protocol",
        "loso",
        "--face-network",
        good[0],
        "--overwrite",
    )
    before = [path.read_bytes() for path in good]
    code, _, err = mercli_says(*words, "--json", good[1])
    assert code == 2, err
    assert str(good[1]) in err
    assert [path.read_bytes() for path in good] == before


def test_a_bundle_of_mercli_s_own_kind_is_no_network_from_elsewhere():
    model = onnx_model(weights_of(), output="posteriors", shape_in=("n", 1, PX, PX))
    with pytest.raises(BundleError, match="the face network has no contract"):
        check_face_network(model, FaceSpec(CLASSES, PX))


# Real ones


XCEPTION = contract(64, layout="NHWC", licence="MIT", source="oarriaga/face_classification")


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "oarriaga_mini_xception_102_066",
        pytest.param("oarriaga_big_xception_54_066", marks=pytest.mark.long),
    ],
)
def test_a_network_of_others_tells_the_faces_of_fer2013_as_its_author_says(shared_data, name, tmp_path):
    """Its author says .66, and what was measured beside mercli on all of these pictures is .654 and .668."""
    import cv2

    file = tmp_path / f"{name}.onnx"
    shutil.copy(shared_data / "models" / file.name, file)
    beside = file.with_suffix(".json")
    beside.write_text(json.dumps(XCEPTION))
    known = face_networks.add(file, beside)
    assert known.contract is not None
    faces = np.load(shared_data / "faces" / "fer2013.npz", allow_pickle=False)
    chosen = np.flatnonzero(faces["split"] == "PrivateTest")[:1500]
    crops = np.stack([cv2.resize(face, (64, 64)) for face in faces["images"][chosen]])
    said, _ = FaceNetwork(file.read_bytes(), spec_of(XCEPTION)).look(crops)
    accuracy = (said.argmax(axis=1) == faces["labels"][chosen]).mean()
    assert 0.6 < accuracy < 0.72


@pytest.mark.data
def test_yunet_and_a_classifier_are_had_over_http_with_every_fault_refused(
    shared_data, server, cache, monkeypatch
):
    for file in ("face_detection_yunet_2023mar.onnx", "oarriaga_mini_xception_102_066.onnx"):
        content = (shared_data / "models" / file).read_bytes()
        published = replace(
            registry.NETWORKS["yunet"],
            name="served",
            file=file,
            size_bytes=len(content),
            sha256=sha256(content),
            contract=Contract.from_json(XCEPTION) if "xception" in file else None,
        )
        monkeypatch.setitem(registry.NETWORKS, "served", published)
        wrong = content[:-1] + bytes([content[-1] ^ 1])
        before = sorted(cache.rglob("*"))
        for url in (
            server.serve(wrong),
            server.serve(content[:-1]),
            server.serve(content, cuts=(50_000,) * 9),
            server.serve(content, cuts=(50_000,) * 9, stalls=True),
        ):
            with pytest.raises(MercliError, match=r"gave another file|the connection broke|said nothing"):
                registry.pull("served", url, timeout_s=0.3)
            assert [path for path in sorted(cache.rglob("*")) if path.is_file()] == [
                path for path in before if path.is_file()
            ]
        assert registry.pull("served", server.serve(content)).read_bytes() == content
    assert find("served").contract == Contract.from_json(XCEPTION)
