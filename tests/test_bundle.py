"""A bundle on disk: what is read is what was written, or nothing is read at all."""

import ast
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper
from synthetic import THREE, classifier, front_end, onnx_model, small_bundle

import mercli
import mercli_kernels
import mercli_models
from mercli import bundle as bundles
from mercli.bundle import CARD, MANIFEST, Bundle, FusionPart, Model, VoicePart
from mercli.emotions import ALL, FER2013
from mercli.errors import BundleError, UsageError
from mercli.evidence import Evidence
from mercli.files import sha256
from mercli.inference import Network
from mercli.judge import Judge
from mercli.soundness import check_sound
from mercli.voice.sets import feature_set
from mercli.voice.spec import VoiceSpec

N_VOICE = len(feature_set(VoiceSpec()).clip_names())
N_FACE = 7 * 7 + 3 * 2  # of seven classes seven statistics, of the place two
FILES = (MANIFEST, CARD, "voice.onnx", "face-network.onnx", "face.onnx", "fusion.onnx")


def untrained(classes=THREE, **changes) -> Bundle:
    """A small bundle with all parts, quick to open."""
    face = front_end().face
    assert face is not None
    whole = Bundle(
        "untrained",
        classes,
        VoicePart(VoiceSpec(), classifier(N_VOICE, classes)),
        replace(face, model=classifier(N_FACE, classes)),
        FusionPart("product", classifier(2 * len(classes), classes)),
        {"corpus": "none", "scores": {"voice": {"accuracy": 0.25}}},
        "# A card\n",
    )
    return replace(whole, **changes)


@pytest.fixture
def folder(tmp_path):
    """A bundle, saved."""
    bundles.save(untrained(), tmp_path / "bundle")
    return tmp_path / "bundle"


def read_manifest(folder):
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def sign(folder, manifest):
    """Write a manifest whose own digest is right: what someone does who knows how bundles are made."""
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    (folder / MANIFEST).write_text(json.dumps({**rest, "digest": sha256(text.encode())}), encoding="utf-8")


def put(folder, name, data):
    """Exchange a file, and make the hashes right again."""
    (folder / name).write_bytes(data)
    manifest = read_manifest(folder)
    manifest["files"][name] = {"sha256": sha256(data), "bytes": len(data)}
    sign(folder, manifest)


def change(folder, **parts):
    sign(folder, {**read_manifest(folder), **parts})


def refusal(folder):
    """The one sentence a user gets who predicts with the bundle."""
    with pytest.raises(BundleError) as caught:
        check_sound(bundles.load(folder))
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert len(sentence) < 500 + len(str(folder))
    return sentence


class TestRoundTrip:
    @pytest.mark.parametrize(
        "bundle",
        [
            untrained(),
            untrained(fusion=None),
            untrained(face=None, fusion=None),
            untrained(voice=None, fusion=None),
            untrained(ALL, card="Ä ✓\n\n|a|\n", name="Mein Bündel 2"),
            front_end(),
            small_bundle(),
        ],
        ids=["whole", "no fusion", "voice", "face", "eight", "front end", "trained"],
    )
    def test_what_is_loaded_equals_what_was_saved(self, tmp_path, bundle):
        bundles.save(bundle, tmp_path / "b")
        loaded = bundles.load(tmp_path / "b")
        assert replace(loaded, digest="") == bundle

    def test_the_digest_is_that_of_the_content(self, tmp_path):
        digests = []
        for number, bundle in enumerate(
            [untrained(), untrained(), untrained(card="other"), untrained(name="other")]
        ):
            bundles.save(bundle, tmp_path / str(number))
            digests.append(bundles.load(tmp_path / str(number)).digest)
        assert digests[0] == digests[1]
        assert len(set(digests)) == 3
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)

    def test_a_table_names_the_bundle_so_that_it_can_be_told_from_any_other(self, folder):
        bundle = bundles.load(folder)
        assert bundle.label == f"untrained@{bundle.digest[:12]}"

    def test_only_models_a_manifest_and_a_card_are_written(self, folder):
        assert {path.name for path in folder.iterdir()} == set(FILES)

    def test_saving_what_was_loaded_changes_no_byte(self, folder, tmp_path):
        bundles.save(bundles.load(folder), tmp_path / "again")
        for name in FILES:
            assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


class TestTampering:
    @pytest.fixture(autouse=True)
    def _nothing_is_opened(self, monkeypatch):
        def opened(*_):
            pytest.fail("a model was opened before the bundle was refused")

        monkeypatch.setattr(Network, "__init__", opened)

    @pytest.mark.parametrize("name", FILES[1:])
    @pytest.mark.parametrize("place", [0, 0.5, -1])
    def test_one_bit_of_a_file(self, folder, name, place):
        data = bytearray((folder / name).read_bytes())
        data[int(place * len(data)) if place > 0 else place] ^= 1
        (folder / name).write_bytes(data)
        assert re.search(f"{name} has SHA-256 [0-9a-f]{{12}}…, [0-9a-f]{{12}}… was expected", refusal(folder))

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("0.25", "0.95"),
            ("0.05", "0.06"),
            ('"input_px": 16', '"input_px": 48'),
            ('"happy"', '"angry"'),
            ("none", "all"),
        ],
    )
    def test_one_value_of_the_manifest(self, folder, old, new):
        text = (folder / MANIFEST).read_text()
        assert old in text
        (folder / MANIFEST).write_text(text.replace(old, new, 1))
        assert "bundle.json was changed since it was written" in refusal(folder)

    @pytest.mark.parametrize("name", FILES)
    def test_a_file_that_is_gone(self, folder, name):
        (folder / name).unlink()
        assert re.search(f"{re.escape(name)} (cannot be read|in it)", refusal(folder))

    @pytest.mark.parametrize("name", FILES[1:])
    def test_a_file_cut_short_or_made_longer(self, folder, name):
        data = (folder / name).read_bytes()
        for other in (data[:-1], data + b"\0", b""):
            (folder / name).write_bytes(other)
            assert f"{name} has {len(other)} bytes, {len(data)} were expected" in refusal(folder)

    def test_files_that_changed_places(self, folder):
        a, b = folder / "face.onnx", folder / "voice.onnx"
        one, other = a.read_bytes(), b.read_bytes()
        a.write_bytes(other)
        b.write_bytes(one)
        assert "were expected" in refusal(folder)

    @pytest.mark.parametrize(
        "name",
        [
            "../outside.onnx",
            "/etc/hostname",
            "a/b.onnx",
            "..",
            ".",
            "",
            ".hidden",
            "a\0b",
            "a\\b",
            "x" * 9999,
            "x" * 9999 + "/",
        ],
    )
    def test_a_name_that_leads_elsewhere(self, folder, name):
        (folder.parent / "outside.onnx").write_bytes(b"x")
        files = read_manifest(folder)["files"]
        change(folder, files={**files, name: {"sha256": sha256(b"x"), "bytes": 1}})
        assert "is not a plain file name" in refusal(folder)

    @pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
    def test_a_file_that_is_none(self, folder, kind):
        path = folder / "voice.onnx"
        data = path.read_bytes()
        path.unlink()
        if kind == "link":
            (folder.parent / "outside.onnx").write_bytes(data)
            path.symlink_to(folder.parent / "outside.onnx")
        elif kind == "folder":
            path.mkdir()
        else:
            os.mkfifo(path)
        assert "voice.onnx is not a regular file" in refusal(folder)

    @pytest.mark.parametrize("kind", ["link", "link to nothing", "folder", "pipe", "device"])
    def test_a_manifest_that_is_no_file(self, folder, kind):
        path = folder / MANIFEST
        path.rename(folder.parent / "outside.json")
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to({"link": folder.parent / "outside.json", "device": "/dev/zero"}.get(kind, "nothing"))
        assert "bundle.json is not a regular file" in refusal(folder)

    @pytest.mark.parametrize("version", [True, 2.0, 0, 1, 3, None, "2", [[[[[[[[[]]]]]]]]], "9" * 100_000])
    def test_a_version_this_one_does_not_know(self, folder, version):
        change(folder, format_version=version)
        assert "another version of mercli wrote it" in refusal(folder)

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"\x80\x04]", b"\xff" * 9, b"[" * 1_000_000, b'{"a":' * 500_000, b"1" * 5000],
        ids=["empty", "cut", "pickle", "no utf-8", "deep list", "deep object", "long number"],
    )
    def test_a_manifest_that_is_no_json(self, folder, content):
        (folder / MANIFEST).write_bytes(content)
        assert "bundle.json is not JSON" in refusal(folder)

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
    def test_a_manifest_with_a_number_that_is_none(self, folder, number):
        text = (folder / MANIFEST).read_text()
        (folder / MANIFEST).write_text(text.replace('"accuracy": 0.25', f'"accuracy": {number}'))
        assert f"bundle.json is not JSON ({number} is not finite)" in refusal(folder)

    @pytest.mark.parametrize("place", ['"name": "untrained"', '"accuracy": 0.25', '"format_version": 2'])
    def test_a_manifest_with_a_key_given_twice(self, folder, place):
        text = (folder / MANIFEST).read_text()
        (folder / MANIFEST).write_text(text.replace(place, f"{place}, {place}"))
        assert "bundle.json is not JSON (a key is given twice in one object)" in refusal(folder)

    @pytest.mark.parametrize("content", [b"[]", b"null", b"1", b'"mercli-bundle"', b"{}", b'{"format": "other"}'])
    def test_a_manifest_of_something_else(self, folder, content):
        (folder / MANIFEST).write_bytes(content)
        assert "is not that of a mercli bundle" in refusal(folder)

    def test_a_manifest_too_long_to_be_one_is_not_read_to_its_end(self, folder):
        with (folder / MANIFEST).open("r+b") as file:
            file.truncate(1 << 34)  # a hole, on most file systems
        assert "bundle.json is over 4 MB" in refusal(folder)

    def test_files_too_large_to_be_held_are_not_read(self, folder):
        size = 1 << 34
        with (folder / "voice.onnx").open("r+b") as file:
            file.truncate(size)
        files = read_manifest(folder)["files"]
        change(folder, files={**files, "voice.onnx": {"sha256": "0" * 64, "bytes": size}})
        assert "its files are over 512 MB" in refusal(folder)

    @pytest.mark.parametrize("depth", range(900, 1000, 3))
    def test_a_manifest_just_about_as_deep_as_python_can_read(self, folder, depth):
        text = (folder / MANIFEST).read_text()
        (folder / MANIFEST).write_text(text.replace('"corpus": "none"', f'"corpus": {"[" * depth}{"]" * depth}'))
        assert re.search("was changed since|is not JSON", refusal(folder))

    def test_a_folder_that_is_not_there_or_is_none(self, tmp_path):
        assert "give the folder that `mercli fit` wrote" in refusal(tmp_path / "nowhere")
        (tmp_path / "file").write_text("x")
        assert "give the folder that `mercli fit` wrote" in refusal(tmp_path / "file")
        (tmp_path / "empty").mkdir()
        assert "no bundle.json in it, so it is no bundle" in refusal(tmp_path / "empty")

    @pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000])
    def test_a_folder_of_a_name_that_is_too_long(self, tmp_path, name):
        assert "File name too long" in refusal(tmp_path / name)

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="all folders are open to this user")
    def test_a_folder_that_may_not_be_looked_into(self, folder):
        folder.chmod(0)
        try:
            assert "Permission denied" in refusal(folder)
        finally:
            folder.chmod(0o700)

    def test_a_folder_in_a_ring_of_links(self, tmp_path):
        (tmp_path / "a").symlink_to(tmp_path / "b")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        assert "no bundle" in refusal(tmp_path / "a")


def without(key):
    def remove(manifest):
        *path, last = key.split(".")
        for name in path:
            manifest = manifest[name]
        del manifest[last]

    remove.__name__ = f"without {key}"
    return remove


def with_(key, value):
    def put_in(manifest):
        *path, last = key.split(".")
        for name in path:
            manifest = manifest[name]
        manifest[last] = value

    put_in.__name__ = f"{key} {value!r}"[:40]
    return put_in


class TestManifestsThatDoNotMakeSense:
    """Their hashes are right: whoever wrote them knew how, or meant harm."""

    @pytest.mark.parametrize(
        "edit",
        [
            *map(without, ["name", "classes", "training", "files", "voice.spec", "voice.model", "face.network"]),
            *map(
                without,
                ["voice.model.file", "voice.model.classes", "face.spec", "face.spec.classes", "face.model"],
            ),
            without("fusion.model"),
            without("fusion.kind"),
            *[with_("fusion.kind", value) for value in ("svm", "", None, 1, ["product"], {})],
            *[with_("face.spec.pooling", value) for value in ("max", "", None, 1, ["mean"], {})],
            *[with_("face.spec.embedding_size", value) for value in (-1, 4097, 1.0, True, "0", None)],
            with_("voice.spec.extra", 1),
            with_("face.spec.extra", 1),
            with_("voice.spec.feature_set", "other"),
            *[with_("voice.spec.window_s", value) for value in (0, -1, 1e9, "0.05", None, True, [])],
            *[with_("voice.spec.window_s", value) for value in (0.001, 0.0012)],
            *[with_("voice.spec.hop_s", value) for value in (0, 1e-5)],
            *[with_("voice.spec.mid_hop_s", value) for value in (0, 61, 10**400)],
            *[with_("voice.spec", value) for value in ([], "spec", 7)],
            *[with_("face.spec.input_px", value) for value in (0, -16, 1 << 40, 16.0, True, "16", None)],
            *[
                with_("face.spec.classes", value)
                for value in ("hapy", [], ["happy"] * 7, [["happy"]] * 7, list(range(7)), 7)
            ],
            with_("face.spec.classes", dict.fromkeys(FER2013, 1)),
            with_("face.spec.detector", ["haar"]),
            *[
                with_("classes", value)
                for value in ([], ["happy"], "happy", ["sad", "angry"], [*THREE, "bored"], [1, 2])
            ],
            *[with_(key, dict.fromkeys(THREE, 1)) for key in ("classes", "voice.model.classes")],
            *[
                with_("voice.model.classes", value)
                for value in ([], ["fear", "sad", "happy"], ["sad", "sad", "happy"])
            ],
            with_("voice.model.classes", [[], {}, "sad"]),
            *[with_("voice.model.file", value) for value in ("gone.onnx", None, ["voice.onnx"], {})],
            *[with_(key, value) for key in ("voice", "face", "fusion", "files") for value in ([1], "x", 7)],
            *[with_("name", value) for value in (None, "", "a\nb", "x" * 999, "\x1b[31m", 7, "\udcff")],
            *[with_("name", f"a{mark}b") for mark in "\u202e\u2066\u200f\u200b\u2028\ufeff\x85\x7f"],
            *[with_("name", f"{sign}1+1") for sign in "=+-@\uff1d\uff0b\uff0d\uff20"],
            *[with_("training", value) for value in (None, 7, "text", [], [["corpus", "none"]])],
            with_("files", {}),
            with_("files", None),
            *[with_("files", {"voice.onnx": value}) for value in (None, [], {}, {"sha256": 1, "bytes": "1"})],
            *[with_("files", {CARD: {"sha256": "0" * 64, "bytes": size}}) for size in (True, 9.0, -1, None, "9")],
            *[
                with_("files", {CARD: {"sha256": digest, "bytes": 9}})
                for digest in ("", "0" * 63, "\x1b[31m\n", "A" * 64, ["0" * 64])
            ],
        ],
    )
    def test_they_are_refused_in_a_sentence(self, folder, edit):
        manifest = read_manifest(folder)
        edit(manifest)
        sign(folder, manifest)
        assert "bundle.json is not understood" in refusal(folder)

    @pytest.mark.parametrize("name", ["untrained-2", "a=b", "bündel +1", "日本"])
    def test_a_name_may_hold_what_it_may_not_begin_with(self, folder, name):
        change(folder, name=name)
        assert bundles.load(folder).name == name

    def test_a_bundle_without_voice_and_face(self, folder):
        change(folder, voice=None, face=None)
        assert "neither voice nor face" in refusal(folder)

    def test_a_bundle_without_a_card(self, folder):
        files = read_manifest(folder)["files"]
        change(folder, files={name: entry for name, entry in files.items() if name != CARD})
        assert "MODEL_CARD.md" in refusal(folder)

    def test_a_card_that_is_no_text(self, folder):
        put(folder, CARD, b"\xff\xfe\xff")
        assert "bundle.json is not understood" in refusal(folder)

    def test_a_face_network_of_classes_that_the_bundle_lacks_needs_a_clip_model(self, folder):
        manifest = read_manifest(folder)
        manifest["face"]["model"] = None
        sign(folder, manifest)
        assert "of the face network" in refusal(folder)


class TestModelsThatDoNotFit:
    """Every hash is right, but the model is another one."""

    @pytest.mark.parametrize("name", ["voice.onnx", "face-network.onnx", "face.onnx", "fusion.onnx"])
    @pytest.mark.parametrize("kind", ["pickle", "joblib"])
    def test_a_pickle_by_the_name_of_a_model_is_not_run(self, folder, name, kind):
        marker = folder.parent / "ran"

        class Trap:
            def __reduce__(self):
                return os.mkdir, (str(marker),)

        dumped = io.BytesIO()
        (pickle if kind == "pickle" else joblib).dump(Trap(), dumped)
        put(folder, name, dumped.getvalue())
        assert re.search("the .* is not an ONNX model that can be run", refusal(folder))
        assert not marker.exists()
        pickle.loads(dumped.getvalue())  # noqa: S301  # it would have been run
        assert marker.exists()

    @pytest.mark.parametrize("name", [MANIFEST, CARD])
    def test_a_pickle_in_the_place_of_a_text_is_not_run(self, folder, name):
        marker = folder.parent / "ran"

        class Trap:
            def __reduce__(self):
                return os.mkdir, (str(marker),)

        (folder / name).write_bytes(pickle.dumps(Trap()))
        refusal(folder)
        assert not marker.exists()

    @pytest.mark.parametrize(
        ("model", "sentence"),
        [
            (b"", "is not an ONNX model that can be run"),
            (b"\x00" * 100, "is not an ONNX model that can be run"),
            (classifier(N_VOICE, THREE).onnx[:-40], "is not an ONNX model that can be run"),
            (classifier(N_VOICE - 1, THREE).onnx, f"takes {N_VOICE - 1} features; this bundle's are {N_VOICE}"),
            (classifier(N_VOICE, FER2013).onnx, "does not give 3 probabilities"),
            (classifier(N_VOICE, THREE, output="scores_").onnx, "does not give 3 probabilities"),
            (classifier(N_VOICE, THREE, more_inputs=True).onnx, "has 2 inputs; one was expected"),
            (
                classifier(N_VOICE, THREE, type_in=TensorProto.INT64).onnx,
                "does not take float32 batches of any size",
            ),
            (classifier(N_VOICE, THREE, shape_in=(4, N_VOICE)).onnx, "does not take float32 batches of any size"),
            (classifier(N_VOICE, THREE, shape_in=("n", 1, N_VOICE)).onnx, "takes 136 features; this"),
        ],
        ids=["empty", "zeros", "cut", "features", "classes", "output", "inputs", "integers", "one size", "rank"],
    )
    def test_a_voice_model_of_another_kind(self, folder, model, sentence):
        put(folder, "voice.onnx", model)
        assert sentence in refusal(folder)

    def test_a_face_network_of_another_size(self, folder):
        put(
            folder, "face-network.onnx", onnx_model(np.ones((64, 7)), output="posteriors", shape_in=("n", 1, 8, 8))
        )
        assert "the face network does not turn grey 16 x 16 crops into 7 values of posteriors" in refusal(folder)

    def test_a_face_network_of_another_number_of_classes(self, folder):
        weights, shape_in = np.ones((256, 6)), ("n", 1, 16, 16)
        put(folder, "face-network.onnx", onnx_model(weights, output="posteriors", shape_in=shape_in))
        assert "the face network does not turn grey 16 x 16 crops into 7 values of posteriors" in refusal(folder)

    def test_a_face_model_of_another_number_of_classes_or_features(self, folder):
        put(folder, "face.onnx", classifier(N_FACE, FER2013).onnx)
        assert "the face model does not give 3 probabilities" in refusal(folder)
        put(folder, "face.onnx", classifier(N_FACE - 3, THREE).onnx)
        assert f"the face model takes {N_FACE - 3} features; this bundle's are {N_FACE}" in refusal(folder)

    @pytest.mark.parametrize(
        ("key", "what"), [("voice", "voice model"), ("face", "face model"), ("fusion", "fusion model")]
    )
    def test_classes_in_the_manifest_that_a_model_does_not_give(self, folder, key, what):
        manifest = read_manifest(folder)
        manifest[key]["model"]["classes"] = ["sad", "happy"]
        sign(folder, manifest)
        assert f"the {what} does not give 2 probabilities; it is another model" in refusal(folder)

    @pytest.mark.parametrize("classes", [["angry", "happy"], list(FER2013)])
    def test_classes_of_the_bundle_that_its_parts_do_not_give(self, folder, classes):
        change(folder, classes=classes)
        assert re.search(r"classes \(.*\) of voice.onnx|the fusion model takes 6 features", refusal(folder))

    @pytest.mark.parametrize("other", FILES)
    @pytest.mark.parametrize("part", ["voice.model", "face.network", "face.model", "fusion.model"])
    def test_a_part_that_points_at_the_file_of_another(self, folder, part, other):
        key, inner = part.split(".")
        manifest = read_manifest(folder)
        own = manifest[key][inner]["file"]
        manifest[key][inner]["file"] = other
        sign(folder, manifest)
        if own == other:
            check_sound(bundles.load(folder))
        else:
            refusal(folder)

    def test_a_fusion_for_another_number_of_classes(self, folder):
        put(folder, "fusion.onnx", classifier(14, THREE).onnx)
        assert "the fusion model takes 14 features; this bundle's are 6" in refusal(folder)

    def test_a_fusion_of_another_kind_than_the_manifest_says(self, folder):
        """What a joint network takes is not what a product takes."""
        manifest = read_manifest(folder)
        manifest["fusion"]["kind"] = "joint"
        sign(folder, manifest)
        n_features = 24 * (2 * 34 + 7 + 3) + 2
        assert f"the fusion model takes 6 features; this bundle's are {n_features}" in refusal(folder)

    @pytest.mark.parametrize("pooling", ["mean", "recurrent"])
    def test_a_face_model_of_frames_that_were_pooled_otherwise_than_the_manifest_says(self, folder, pooling):
        manifest = read_manifest(folder)
        manifest["face"]["spec"]["pooling"] = pooling
        sign(folder, manifest)
        n_features = {"mean": 7, "recurrent": 24 * (7 + 3)}[pooling]
        assert f"the face model takes {N_FACE} features; this bundle's are {n_features}" in refusal(folder)

    def test_a_face_network_without_the_embedding_that_the_manifest_tells_of(self, folder):
        manifest = read_manifest(folder)
        manifest["face"]["spec"]["embedding_size"] = 5
        sign(folder, manifest)
        put(folder, "face.onnx", classifier(N_FACE + 3 * 5, THREE).onnx)
        assert "crops into 7 values of posteriors and 5 values of embedding; it is another model" in refusal(
            folder
        )

    @pytest.mark.parametrize("place", ["weights", "constant", "branch"])
    @pytest.mark.parametrize("location", ["outside.bin", "../outside.bin", "*/_ORT_MEM_ADDR_/*"])
    def test_a_model_with_data_in_another_file(self, folder, monkeypatch, place, location):
        # onnxruntime reads such a file, relative to the folder it runs in, even when given the model as bytes.
        monkeypatch.chdir(folder)
        (folder / "outside.bin").write_bytes(np.ones((N_VOICE, 3), np.float32).tobytes())
        put(folder, "voice.onnx", with_outside_data(location, place))
        assert "the voice model keeps data in another file, and is refused" in refusal(folder)

    def test_the_word_location_in_a_model_is_no_data_in_another_file(self, folder):
        model = ModelProto.FromString(classifier(N_VOICE, THREE).onnx)
        model.doc_string = "location"
        put(folder, "voice.onnx", model.SerializeToString())
        check_sound(bundles.load(folder))

    @pytest.mark.parametrize("after", ["Neg", "Log"])
    def test_a_model_that_gives_no_probabilities_gives_no_answer(self, after):
        weights = np.zeros((N_VOICE, 3)) if after == "Log" else np.ones((N_VOICE, 3))
        voice = VoicePart(VoiceSpec(), Model(onnx_model(weights, after=after), THREE))
        judge = Judge(untrained(voice=voice))
        with pytest.raises(BundleError, match="the voice model gave a clip no probabilities"):
            judge.judge(Evidence(voice=np.ones((1, N_VOICE), np.float32)))


def with_outside_data(location, place):
    """A voice model whose weights are in another file: outright, as a constant, or as one within a branch."""
    tensor = TensorProto(name="weights", dims=[N_VOICE, 3], data_type=1, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", str(N_VOICE * 3 * 4))):
        tensor.external_data.add(key=key, value=value)
    model = ModelProto.FromString(classifier(N_VOICE, THREE).onnx)
    if place == "weights":
        model.graph.initializer[0].CopyFrom(tensor)
        return model.SerializeToString()
    del model.graph.initializer[:]
    if place == "constant":
        nodes = [helper.make_node("Constant", [], ["weights"], value=tensor)]
    else:
        value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [N_VOICE, 3])
        side = helper.make_graph([helper.make_node("Constant", [], ["inner"], value=tensor)], "side", [], [value])
        truth = helper.make_node(
            "Constant", [], ["yes"], value=helper.make_tensor("", TensorProto.BOOL, [], [True])
        )
        nodes = [truth, helper.make_node("If", ["yes"], ["weights"], then_branch=side, else_branch=side)]
    nodes += list(model.graph.node)
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pristine") / "bundle"
    bundles.save(untrained(), folder)
    return folder


@pytest.fixture(scope="module")
def victim(pristine, tmp_path_factory):
    return Path(shutil.copytree(pristine, tmp_path_factory.mktemp("victim") / "bundle"))


@pytest.fixture(scope="module")
def shipped_victim(tmp_path_factory):
    return Path(shutil.copytree(mercli_models.path(), tmp_path_factory.mktemp("shipped") / "bundle"))


def opens_or_is_refused(folder):
    sentence = ""
    try:
        check_sound(bundles.load(folder))
    except BundleError as error:
        sentence = str(error)
    assert sentence.isprintable() or not sentence


def mutate(manifest, data):
    """Put any value anywhere, or take one away."""
    place = manifest
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            break
        place = inner
    if data.draw(st.booleans()) and isinstance(place, dict):
        del place[key]
    else:
        place[key] = data.draw(any_json)


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*ALL, *FILES]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


class TestWhateverIsWrittenThere:
    @settings(max_examples=100)
    @given(data=st.data())
    def test_changed_bytes_of_the_manifest_give_a_sentence_or_change_nothing(self, pristine, victim, data):
        text = bytearray((pristine / MANIFEST).read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            start = data.draw(st.integers(0, len(text)))
            end = data.draw(st.integers(start, min(len(text), start + 5)))
            text[start:end] = data.draw(st.binary(max_size=5))
        (victim / MANIFEST).write_bytes(text)
        try:
            loaded = bundles.load(victim)
        except BundleError:
            return
        assert loaded == bundles.load(pristine)

    @settings(max_examples=200)
    @given(data=st.data())
    def test_any_value_anywhere_in_it_with_hashes_made_right_gives_a_bundle_or_a_sentence(
        self, pristine, victim, data
    ):
        manifest = read_manifest(pristine)
        mutate(manifest, data)
        sign(victim, manifest)
        opens_or_is_refused(victim)

    @settings(max_examples=300)
    @given(data=st.data())
    def test_any_values_anywhere_in_that_of_the_shipped_bundle_give_a_bundle_or_a_sentence(
        self, shipped_victim, data
    ):
        manifest = read_manifest(mercli_models.path())
        for _ in range(data.draw(st.integers(1, 3))):
            mutate(manifest, data)
        sign(shipped_victim, manifest)
        opens_or_is_refused(shipped_victim)

    # The same bytes each time: the parser is not ours to fuzz.
    @settings(max_examples=60, derandomize=True)
    @given(data=st.data(), name=st.sampled_from(["voice.onnx", "face-network.onnx", "fusion.onnx"]))
    def test_any_bytes_of_a_model_with_hashes_made_right_give_a_bundle_or_a_sentence(
        self, pristine, victim, data, name
    ):
        shutil.copytree(pristine, victim, dirs_exist_ok=True)
        model = bytearray((pristine / name).read_bytes())
        ends = st.integers(0, 200).flatmap(lambda n: st.sampled_from([n, len(model) - 1 - n]))
        for _ in range(data.draw(st.integers(1, 3))):
            model[data.draw(ends)] = data.draw(st.integers(0, 255))
        put(victim, name, bytes(model))
        opens_or_is_refused(victim)


class TestSaving:
    def listing(self, folder):
        return sorted(path.name for path in folder.iterdir())

    def test_an_older_bundle_is_replaced_and_nothing_else_is_left(self, folder):
        bundles.save(untrained(fusion=None, card="new"), folder)
        assert bundles.load(folder).card == "new"
        assert "fusion.onnx" not in self.listing(folder)
        assert self.listing(folder.parent) == ["bundle"]

    def test_a_damaged_bundle_can_be_replaced(self, folder):
        (folder / "voice.onnx").unlink()
        (folder / MANIFEST).write_text("{")
        bundles.save(untrained(), folder)
        bundles.load(folder)

    def test_an_empty_folder_is_filled_and_folders_above_are_made(self, tmp_path):
        (tmp_path / "empty").mkdir()
        bundles.save(untrained(), tmp_path / "empty")
        bundles.save(untrained(), tmp_path / "a" / "b" / "c")
        assert bundles.load(tmp_path / "empty") == bundles.load(tmp_path / "a" / "b" / "c")

    def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(self, folder):
        link = folder.parent / "link"
        link.symlink_to(folder, target_is_directory=True)
        bundles.save(untrained(card="new"), link)
        assert link.is_symlink()
        assert bundles.load(folder).card == "new"
        assert self.listing(folder.parent) == ["bundle", "link"]

    def test_a_folder_that_is_no_bundle_is_left_alone(self, tmp_path):
        (tmp_path / "thesis.tex").write_text("years of work")
        with pytest.raises(UsageError, match="is a folder but no bundle; give -o a new name"):
            bundles.save(untrained(), tmp_path)
        assert self.listing(tmp_path) == ["thesis.tex"]

    def test_a_bundle_among_other_files_is_left_alone(self, folder):
        (folder / "thesis.tex").write_text("years of work")
        with pytest.raises(UsageError, match=r"holds 'thesis.tex', which is no part of a bundle"):
            bundles.save(untrained(card="new"), folder)
        assert bundles.load(folder).card == "# A card\n"

    def test_a_file_in_the_way_is_left_alone(self, tmp_path):
        path = tmp_path / "file"
        path.write_text("x")
        with pytest.raises(UsageError, match="is a file; -o names the folder"):
            bundles.save(untrained(), path)
        with pytest.raises(UsageError, match="takes no new folder"):
            bundles.save(untrained(), path / "bundle")
        assert path.read_text() == "x"

    @pytest.mark.parametrize("name", ["x" * 300, "日" * 86, "loop", "loop/b", "absent/loop/../" + "x" * 300])
    def test_a_place_that_takes_no_bundle_is_refused_before_the_work(self, tmp_path, name):
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(UsageError, match=r"^cannot write .*; choose another place with -o$"):
            bundles.refuse_to_replace(tmp_path / name)
        assert self.listing(tmp_path) == ["loop"]

    @pytest.mark.parametrize("mode", [0o555, 0o444, 0])
    def test_rights_that_are_missing_are_said_before_the_work(self, mode):
        """As a user without all rights, in a folder that every user may look into."""
        if not hasattr(os, "setuid"):
            pytest.skip("this system has no such rights")
        code = (
            "import os, pathlib, sys; from mercli import bundle; from mercli.errors import UsageError\n"
            "os.geteuid() or os.setuid(65534)\n"
            "for name in sys.argv[1:]:\n"
            "  try: bundle.refuse_to_replace(pathlib.Path(name))\n"
            "  except UsageError as error: print(error)"
        )
        with tempfile.TemporaryDirectory() as name:
            closed = Path(name) / "closed"
            bundles.save(untrained(), closed / "old")
            closed.chmod(mode)
            Path(name).chmod(0o755)
            folders = (closed, closed / "old", closed / "new", closed / "a" / "new")
            done = subprocess.run(
                [sys.executable, "-c", code, *folders], capture_output=True, text=True, check=True
            )
            own, *others = done.stdout.splitlines()
            assert own.startswith((f"cannot replace {closed}: ", f"{closed} is a folder but no bundle"))
            reason = f"{closed} takes no new folder (Permission denied); choose another place with -o"
            assert others == [f"cannot write {folder}: {reason}" for folder in folders[1:]]

    def test_a_bundle_with_the_longest_name_there_is_can_be_written_and_replaced(self, tmp_path):
        for card in ("old", "new"):
            bundles.save(untrained(card=card), tmp_path / ("x" * 255))
        assert bundles.load(tmp_path / ("x" * 255)).card == "new"
        assert self.listing(tmp_path) == ["x" * 255]

    def test_the_folder_one_stands_in_is_not_pulled_away(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(
            UsageError, match="cannot be replaced as a whole; give -o the name of a new folder in it"
        ):
            bundles.save(untrained(), Path())

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()])
    @pytest.mark.parametrize("step", ["write_bytes", "write_text"])
    def test_a_save_that_fails_keeps_the_old_bundle_and_leaves_nothing_behind(
        self, folder, monkeypatch, error, step
    ):
        before = bundles.load(folder)

        def fail(*_, **__):
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(Path, step, fail)
            with pytest.raises(UsageError if isinstance(error, OSError) else type(error)):
                bundles.save(untrained(card="new"), folder)
        assert bundles.load(folder) == before
        assert self.listing(folder.parent) == ["bundle"]

    def test_a_move_that_fails_keeps_the_old_bundle(self, folder, monkeypatch):
        before, rename = bundles.load(folder), Path.rename

        def fail(self, target):
            if self.suffix == ".part":
                raise OSError(5, "Input/output error")
            return rename(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", fail)
            with pytest.raises(UsageError, match=r"cannot write .*bundle: Input/output error"):
                bundles.save(untrained(card="new"), folder)
        assert bundles.load(folder) == before
        assert self.listing(folder.parent) == ["bundle"]

    def test_a_card_with_bytes_of_a_name_that_is_no_utf_8_can_be_written(self, tmp_path):
        bundles.save(untrained(card="mercli fit b\udcff"), tmp_path / "b")
        assert bundles.load(tmp_path / "b").card == "mercli fit b\\udcff"


PACKAGES = [Path(package.__file__).parent for package in (mercli, mercli_kernels, mercli_models)]
FORBIDDEN_MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "cloudpickle",
    "dill",
    "marshal",
    "shelve",
    "runpy",
    "code",
    "imp",
}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "importlib.import_module", "builtins.eval", "builtins.exec"),
    *("joblib.load", "torch.load", "torch.jit.load", "numpy.load", "numpy.lib.npyio.load", "onnx.load"),
    *("pandas.read_pickle", "skops.io.load", "yaml.load", "yaml.unsafe_load"),
}


def what_could_run_what_it_reads(source):
    """Name each import and call in a module that can turn data into code, by whatever name it goes there."""
    tree = ast.parse(source)
    full = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            full |= {alias.asname or alias.name.split(".")[0]: alias.name for alias in node.names if alias.asname}
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom):
            full |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            if FORBIDDEN_MODULES & {*(node.module or "").split("."), *(alias.name for alias in node.names)}:
                yield str(node.module)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            first, _, rest = ast.unparse(node).partition(".")
            called = f"{full.get(first, first)}.{rest}".rstrip(".")
            if called in FORBIDDEN_CALLS or called.endswith((".pickle.load", ".pickle.loads")):
                yield called
        elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "weights_only"):
            yield str(node.arg)


def test_nothing_that_is_installed_can_unpickle_or_evaluate_what_it_reads():
    sources = [path for package in PACKAGES for path in package.rglob("*.py")]
    assert len(sources) > 20
    for path in sources:
        assert not list(what_could_run_what_it_reads(path.read_text(encoding="utf-8"))), path


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import dill as d",
        "from joblib.externals import cloudpickle",
        "eval(text)",
        "map(exec, lines)",
        "import numpy as np; np.load(path)",
        "import numpy as n; n.load(path)",
        "from numpy import load as read; read(path)",
        "reader(path, allow_pickle=True)",
        "import joblib; joblib.load(path)",
        "from joblib import load; load(path)",
        "import torch; torch.load(path)",
        "import onnx; onnx.load(path)",
        "from pandas import read_pickle; read_pickle(path)",
    ],
)
def test_the_search_for_what_can_unpickle_or_evaluate_finds_it(line):
    assert list(what_could_run_what_it_reads(line))


def test_nothing_that_is_installed_is_a_pickle():
    suffixes = {path.suffix for package in PACKAGES for path in package.rglob("*") if path.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".npy", ".npz", ".bin", ".h5"}
