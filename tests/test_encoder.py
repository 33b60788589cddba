"""A voice measured by a speech network: what it has to be, what is made of its frames, and the commands."""

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper
from speech import DIM, HOP, WINDOW, speech_network
from synthetic import THREE, classifier, clouds, front_end, small_bundle
from typer.testing import CliRunner

from mercli import bundle as bundles
from mercli import cli, encoders, fitting, pipeline, training
from mercli.bundle import Bundle, VoicePart
from mercli.errors import BundleError, UsageError
from mercli.evaluation import score
from mercli.files import sha256
from mercli.limits import Limits
from mercli.sample import draw_portrait, synthesise_voice, write_audio, write_video
from mercli.setup import Setup, open_bundle
from mercli.voice.encoder import Encoder, _moments
from mercli.voice.encoder_spec import LARGEST_BYTES, EncoderSpec
from mercli.voice.sets import feature_set
from mercli.voice.spec import VoiceSpec
from mercli.voice.speech_network import Pace, SpeechNetwork
from mercli.voice.spool import Spool
from mercli.voice.track import VoiceTrack
from mercli.worker import Lost

RATE_HZ = 16000
MODEL = speech_network()
ENCODER = EncoderSpec("encoder.onnx", sha256(MODEL), len(MODEL), DIM)
SPEC = VoiceSpec("encoder", WINDOW / RATE_HZ, HOP / RATE_HZ, encoder=ENCODER)


@pytest.fixture(scope="module")
def network():
    return SpeechNetwork(MODEL, "encoder.onnx")


@pytest.fixture(scope="module")
def sound(speak):
    return speak(3.1)


def spooled(samples, **how):
    spool = Spool(**how)
    spool.write(samples)
    return spool


def made_of(*nodes):
    """The small network, and nodes between its frames and its output."""
    return speech_network(
        last=[helper.make_node(kind, ins.split(), [out], **how) for kind, ins, out, how in nodes]
    )


class TestTheNetwork:
    def test_a_second_of_sound_gives_fifty_frames(self, network):
        frames = network.frames(np.ones(RATE_HZ, np.float32))
        assert frames.shape == (1 + (RATE_HZ - WINDOW) // HOP, DIM)
        assert frames.dtype == np.float32
        assert network.dim == DIM

    def test_its_pace_is_found_out_to_the_sample(self, network):
        assert network.pace() == Pace(WINDOW, HOP)
        wav2vec2 = ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))
        assert SpeechNetwork(speech_network(layers=wav2vec2, dim=4), "e").pace() == Pace(400, 320)

    def test_where_edges_are_padded_a_frame_is_as_long_as_a_hop(self):
        padded = speech_network(layers=((320, 320),), pads=(0, 319))
        assert SpeechNetwork(padded, "e").pace() == Pace(320, 320)

    def test_of_several_outputs_the_first_of_three_axes_counts(self, network):
        several = SpeechNetwork(speech_network(more_outputs=True), "e")
        samples = np.linspace(-1, 1, 4000, dtype=np.float32)
        assert np.array_equal(several.frames(samples), network.frames(samples))

    def test_a_network_for_one_sound_at_a_time_is_as_good(self, network):
        single = SpeechNetwork(speech_network(shape_in=(1, "samples")), "e")
        samples = np.linspace(-1, 1, 4000, dtype=np.float32)
        assert np.array_equal(single.frames(samples), network.frames(samples))

    def test_the_content_of_its_file_is_not_kept_beside_it(self):
        model = speech_network(seed=2)
        before = sys.getrefcount(model)
        network = SpeechNetwork(model, "e")
        assert sys.getrefcount(model) == before
        assert network.dim == DIM

    @pytest.mark.parametrize(
        ("model", "sentence"),
        [
            (b"", "is not an ONNX model that can be run"),
            (b"a web page in its place", "is not an ONNX model that can be run"),
            (MODEL[:-100], "is not an ONNX model that can be run"),
            (speech_network(type_in=TensorProto.INT64), "does not take float32 batches of one"),
            (speech_network(shape_in=(2, "samples")), "does not take float32 batches of one"),
            (speech_network(more_inputs=True), "has 2 inputs; one was expected"),
            (speech_network(shape_in=("batch", RATE_HZ)), "does not take a waveform of any length"),
            (classifier(9, THREE, shape_in=("n", 1, "m")).onnx, "does not take a waveform of any length"),
            (classifier(RATE_HZ, THREE, shape_in=("n", "m")).onnx, "has no output of frames"),
            (
                made_of(("Neg", "transposed", "negative", {}), ("Sqrt", "negative", "frames", {})),
                "no numbers (NaN",
            ),
            (
                made_of(
                    ("RandomUniformLike", "transposed", "noise", {}), ("Add", "transposed noise", "frames", {})
                ),
                "gives the same sound two answers; export it as it is for use",
            ),
            (
                made_of(("ReduceMean", "transposed axis", "frames", {"keepdims": 1})),
                "gives a second of sound 1 x 16 values",
            ),
            (speech_network(layers=((20000, 320),)), "cannot be run"),
        ],
        ids=[
            "empty",
            "text",
            "cut",
            "integers",
            "pairs",
            "inputs",
            "one length",
            "three axes in",
            "no frames",
            "NaN",
            "chance",
            "pooled",
            "longer than a second",
        ],
    )
    def test_another_kind_of_model_is_refused_in_a_sentence(self, model, sentence):
        with pytest.raises(BundleError) as refused:
            SpeechNetwork(model, "encoder.onnx")
        assert str(refused.value).startswith("the voice encoder encoder.onnx ")
        assert sentence in str(refused.value)
        assert str(refused.value).isprintable()

    def test_a_network_with_data_in_another_file_is_refused(self, tmp_path, monkeypatch):
        model = ModelProto.FromString(MODEL)
        weights = model.graph.initializer[2]
        (tmp_path / "weights.bin").write_bytes(weights.raw_data)
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value="weights.bin")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(BundleError, match="keeps data in another file, and is refused: a model has to be one"):
            SpeechNetwork(model.SerializeToString(), "encoder.onnx")

    def test_frames_too_near_to_each_other_are_refused(self):
        with pytest.raises(BundleError, match="gives a frame every 10 samples; at least 20 are taken"):
            SpeechNetwork(speech_network(layers=((10, 10),)), "e").pace()

    def test_frames_whose_number_does_not_grow_with_the_sound_are_refused(self):
        ends = [("start", 0), ("end", 30)]
        limits = [("Constant", "", name, {"value_ints": [value]}) for name, value in ends]
        first_thirty = made_of(*limits, ("Slice", "transposed start end axis", "frames", {}))
        with pytest.raises(BundleError, match="gives 30 frames for 1 s of sound, 49 were expected"):
            SpeechNetwork(first_thirty, "e").pace()


class TestTheView:
    def test_it_is_the_mean_and_the_deviation_of_all_frames_of_the_sound_at_mean_0_and_deviation_1(
        self, network, sound
    ):
        features = Encoder(SPEC, network)
        frames = network.frames(((sound - sound.mean()) / sound.std()).astype(np.float32)).astype(float)
        (view,) = features.views(spooled(sound))
        assert view.dtype == np.float32
        assert view == pytest.approx(np.concatenate((frames.mean(axis=0), frames.std(axis=0))), abs=1e-4)
        named = dict(zip(features.clip_names(), view, strict=True))
        assert list(named) == [f"embedding_{i}_{what}" for what in ("mean", "std") for i in range(DIM)]

    def test_short_and_mid_term_are_its_frames_and_their_statistics_over_a_second(self, network, sound):
        features, spool = Encoder(SPEC, network), spooled(sound)
        short, mid = (np.concatenate(list(tables(spool))) for tables in (features.short_term, features.mid_term))
        assert short.dtype == mid.dtype == np.float64
        assert short.shape == (1 + (len(sound) - WINDOW) // HOP, len(features.short_term_names()))
        assert mid.shape == (-(-len(short) // 50), len(features.mid_term_names()))
        assert np.allclose(mid[1], np.concatenate((short[50:100].mean(axis=0), short[50:100].std(axis=0))))
        assert np.allclose(features.views(spool)[0, :DIM], short.mean(axis=0), atol=1e-6)

    @pytest.mark.parametrize("gain", [0.1, 10.0, 1e-3, 32768.0])
    @pytest.mark.parametrize("offset", [0.0, 0.3])
    def test_it_does_not_depend_on_gain_or_offset(self, network, sound, gain, offset):
        there = Encoder(SPEC, network).views(spooled((gain * (sound + offset)).astype(np.float32)))
        assert there == pytest.approx(Encoder(SPEC, network).views(spooled(sound)), abs=2e-4)
        # The network itself would hear the difference.
        assert not np.allclose(network.frames(sound), network.frames((gain * sound).astype(np.float32)), atol=1e-2)

    @settings(max_examples=25)
    @given(
        n=st.integers(WINDOW, 45_000),
        block_samples=st.sampled_from([8, 500, 4097, 1 << 20]),
        step=st.sampled_from([300, 4096, 50_000]),
        spool_bytes=st.sampled_from([1, 1 << 24]),
    )
    def test_it_does_not_depend_by_a_bit_on_the_blocks_the_sound_comes_in(
        self, network, sound, n, block_samples, step, spool_bytes
    ):
        expected = Encoder(SPEC, network).views(spooled(sound[:n]))
        with VoiceTrack(Encoder(SPEC, network), block_samples=block_samples, spool_bytes=spool_bytes) as track:
            for start in range(0, n, step):
                track.add(sound[start : min(n, start + step)])
            assert track.views().tobytes() == expected.tobytes()
            assert _moments(track.sound()) == _moments(spooled(sound[:n]))

    def test_a_sound_shorter_than_a_frame_is_no_voice(self, network, sound):
        with VoiceTrack(Encoder(SPEC, network)) as track:
            track.add(sound[8000 : 8000 + WINDOW - 1])
            with pytest.raises(Exception, match="the sound is shorter than 20 ms"):
                track.views()
            track.add(sound[8000:8001])
            view = track.views()
        assert np.isfinite(view).all()
        assert not view[0, DIM:].any()  # of one frame there is no deviation


class TestLongSounds:
    def given_to(self, network, monkeypatch):
        lengths, frames = [], network.frames

        def noted(samples):
            lengths.append(len(samples))
            return frames(samples)

        monkeypatch.setattr(network, "frames", noted)
        return lengths

    def test_the_network_never_sees_more_than_20_s_and_nothing_is_left_out(self, sound, monkeypatch):
        network = SpeechNetwork(MODEL, "e")
        long = np.tile(sound, 20)[: 61 * RATE_HZ]
        lengths = self.given_to(network, monkeypatch)
        short = np.concatenate(list(Encoder(SPEC, network).short_term(spooled(long))))
        assert len(lengths) == 4
        assert max(lengths) <= 20 * RATE_HZ
        assert min(lengths) > 15 * RATE_HZ  # no rest that knows nothing of what was said before
        # This network looks at nothing beyond a frame's window, so that cuts must not show.
        whole = ((long - long.mean(dtype=float)) / long.std(dtype=float)).astype(np.float32)
        lengths.clear()
        assert np.allclose(short, network.frames(whole), atol=1e-3)

    def test_a_sound_of_20_s_is_seen_as_one(self, sound, monkeypatch):
        network = SpeechNetwork(MODEL, "e")
        lengths = self.given_to(network, monkeypatch)
        Encoder(SPEC, network).views(spooled(np.tile(sound, 7)[: 20 * RATE_HZ - HOP]))
        assert lengths == [20 * RATE_HZ - HOP]

    def test_the_view_of_a_long_sound_is_that_of_all_its_frames(self, network, sound):
        louder = np.tile(sound, 20) * np.linspace(0.01, 1, 20 * len(sound), dtype=np.float32)
        features, spool = Encoder(SPEC, network), spooled(louder)
        frames = np.concatenate(list(features.short_term(spool)))
        expected = np.concatenate((frames.mean(axis=0), frames.std(axis=0)))
        assert features.views(spool)[0] == pytest.approx(expected, abs=1e-6)

    @given(
        n=st.integers(20, 4_000_000),
        window=st.integers(20, RATE_HZ),
        hop=st.integers(20, 40_000),
        stretch_s=st.floats(1, 60),
    )
    def test_stretches_are_long_enough_short_enough_and_give_every_frame_once(self, n, window, hop, stretch_s):
        n = max(n, window)
        spec = VoiceSpec("encoder", window / RATE_HZ, hop / RATE_HZ, encoder=replace(ENCODER, stretch_s=stretch_s))
        stretches = list(Encoder(spec)._stretches(n))
        assert stretches[0][0] == 0
        assert stretches[-1][1] == n
        pace, longest = Pace(window, hop), max(stretch_s * RATE_HZ + 1, window + hop - 1)
        assert all(window <= stop - start <= longest for start, stop in stretches)
        assert sum(pace.count(stop - start) for start, stop in stretches) == pace.count(n)
        assert all((after - before) % hop == 0 for (before, _), (after, _) in pairwise(stretches))


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("encoder"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


class TestTheSpecification:
    def test_it_is_read_back(self):
        data = json.loads(json.dumps(SPEC.to_json()))
        assert VoiceSpec.from_json(data) == SPEC
        assert data["encoder"] == {
            "file": "encoder.onnx",
            "sha256": sha256(MODEL),
            "size_bytes": len(MODEL),
            "dim": DIM,
            "stretch_s": 20.0,
        }

    def test_that_of_another_set_says_nothing_of_encoders(self):
        assert "encoder" not in VoiceSpec().to_json()
        assert set(VoiceSpec().to_json()) == {"feature_set", "window_s", "hop_s", "mid_window_s", "mid_hop_s"}

    def test_the_shipped_bundle_is_written_as_it_was(self, tmp_path):
        folder, bundle = open_bundle()
        bundles.save(bundle, tmp_path / "again")
        for path in folder.iterdir():
            if path.name != "bundle.json":
                assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
        assert bundles.load(tmp_path / "again").digest == bundle.digest

    @pytest.mark.parametrize(
        ("key", "values"),
        [
            ("file", ["", "../e.onnx", "a/b", ".hidden", "/etc/passwd", "e\n", "x" * 101, None, 3, ["e"]]),
            ("sha256", ["", "0" * 63, "G" * 64, sha256(b"").upper(), None, 5]),
            ("size_bytes", [0, -1, LARGEST_BYTES + 1, 5.0, True, "5", None]),
            ("dim", [0, -1, 1 << 20, 16.0, True, None]),
            ("stretch_s", [0, 0.5, 61, float("nan"), float("inf"), "20", True, None]),
        ],
    )
    def test_what_is_no_encoder_is_refused(self, key, values):
        for value in values:
            with pytest.raises(ValueError, match=f"encoder {key} "):
                VoiceSpec.from_json({**SPEC.to_json(), "encoder": {**ENCODER.to_json(), key: value}})

    @pytest.mark.parametrize("encoder", [None, [], "encoder.onnx", {}, {**ENCODER.to_json(), "more": 1}])
    def test_what_is_not_made_like_one_is_refused(self, encoder):
        with pytest.raises((ValueError, TypeError)):
            VoiceSpec.from_json({**SPEC.to_json(), "encoder": encoder})

    @given(inner=st.booleans(), data=st.data())
    def test_any_value_anywhere_gives_a_specification_or_is_refused(self, inner, data):
        made = json.loads(json.dumps(SPEC.to_json()))
        place = made["encoder"] if inner else made
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(any_json)
        try:
            spec = VoiceSpec.from_json(made)
        except (ValueError, TypeError):
            return
        assert VoiceSpec.from_json(spec.to_json()) == spec
        assert len(feature_set(spec).clip_names()) == 2 * spec.encoder.dim

    def test_the_set_and_the_encoder_belong_together(self):
        with pytest.raises(ValueError, match="an encoder is given or missing for the voice feature set"):
            VoiceSpec.from_json({**VoiceSpec().to_json(), "encoder": ENCODER.to_json()})
        with pytest.raises(ValueError, match="an encoder is given or missing for the voice feature set"):
            VoiceSpec.from_json({**VoiceSpec().to_json(), "feature_set": "encoder"})

    def test_a_frame_rests_on_a_second_at_most(self):
        with pytest.raises(ValueError, match="window_s 2 of an encoder"):
            VoiceSpec.from_json({**SPEC.to_json(), "window_s": 2})

    def test_names_can_be_had_without_the_network_and_measurements_cannot(self, sound):
        features = feature_set(SPEC)
        assert len(features.clip_names()) == 2 * DIM
        with pytest.raises(ValueError, match=r"the voice encoder encoder\.onnx was not opened"):
            features.views(spooled(sound))

    def test_a_network_of_other_frames_is_refused(self, network):
        with pytest.raises(BundleError, match="gives frames of 16 values; 15 were expected"):
            Encoder(replace(SPEC, encoder=replace(ENCODER, dim=15)), network)

    @pytest.mark.parametrize("name", ["voice.onnx", "Face.ONNX", "bundle.json", "MODEL_CARD.md"])
    def test_a_bundle_whose_encoder_has_the_name_of_a_part_is_refused(self, tmp_path, name):
        spec = replace(SPEC, encoder=replace(ENCODER, file=name))
        bundle = Bundle("b", THREE, VoicePart(spec, classifier(2 * DIM, THREE)))
        with pytest.raises(UsageError, match=f"a bundle has a file {name} of its own"):
            bundles.save(bundle, tmp_path / "b")
        manifest, contents = bundles._to_manifest(bundle)
        (tmp_path / "b").mkdir()
        for file, data in {**contents, "bundle.json": json.dumps(manifest).encode()}.items():
            (tmp_path / "b" / file).write_bytes(data)
        with pytest.raises(BundleError, match="is one of the bundle's own"):
            bundles.load(tmp_path / "b")


# The commands, on real media


def mercli(*words, check=None, **how):
    """Run the real command line in a process of its own."""
    command = [sys.executable, "-m", "mercli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **how)
    if check is not None:
        assert done.returncode == check, done.stderr
    assert "Traceback" not in done.stderr
    return done


def says(*words):
    """Run the command line in this process: the exit code, and what it says to the user."""
    done = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert "Traceback" not in done.output
    return done.exit_code, " ".join(done.output.split())


def say(label, speaker, duration_s=0.9):
    return synthesise_voice(duration_s, sample_rate_hz=RATE_HZ, expression=label, seed=10 * speaker)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("encoders")


@pytest.fixture(scope="module")
def encoder(place):
    path = place / "networks" / "encoder.onnx"
    path.parent.mkdir()
    path.write_bytes(MODEL)
    return path


@pytest.fixture(scope="module")
def recordings(place):
    """3 speakers x 3 classes, sound only."""
    folder = place / "radio"
    folder.mkdir()
    rows = ["file,label,speaker"]
    for label, speaker in product(THREE, range(1, 4)):
        write_audio(folder / f"{label}-{speaker}.wav", say(label, speaker), sample_rate_hz=RATE_HZ)
        rows.append(f"{label}-{speaker}.wav,{label},{speaker}")
    (folder / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def fitted(place, encoder, recordings):
    """A bundle whose voice an encoder measures, and what was said; the encoder is not in it."""
    output = place / "bundle"
    return output, mercli("fit", recordings, "-o", output, "--voice-encoder", encoder, check=0)


@pytest.fixture
def bundle(fitted, tmp_path):
    """A copy of the bundle, to put things into."""
    return Path(shutil.copytree(fitted[0], tmp_path / "bundle"))


@pytest.fixture(scope="module")
def table(fitted, encoder, recordings):
    """What predict makes of the recordings."""
    return mercli(
        "predict", recordings, "--bundle", fitted[0], "--voice-encoder", encoder, "-j", 1, check=0
    ).stdout


class TestFit:
    def test_the_bundle_refers_to_the_encoder_and_does_not_hold_it(self, fitted):
        output, _ = fitted
        assert {path.name for path in output.iterdir()} == {
            "bundle.json",
            "MODEL_CARD.md",
            "voice.onnx",
            "words.onnx",  # those of the base
        }
        assert json.loads((output / "bundle.json").read_text())["voice"]["spec"] == SPEC.to_json()
        assert bundles.load(output).voice.spec == SPEC

    def test_the_card_and_the_record_name_it(self, fitted):
        output, _ = fitted
        assert bundles.load(output).training["voice_encoder"] == {"file": "encoder.onnx", "sha256": sha256(MODEL)}
        card = " ".join((output / "MODEL_CARD.md").read_text().split())
        assert f"the speech network `encoder.onnx` ({len(MODEL):,} bytes, SHA-256 `{sha256(MODEL)}`)" in card
        assert "owes its users the terms of that network too" in card

    def test_the_card_and_the_record_of_another_bundle_say_nothing_of_it(self):
        _, shipped = open_bundle()
        assert "voice_encoder" not in shipped.training
        assert "speech network" not in shipped.card

    def test_its_scores_are_those_of_the_views(self, fitted):
        output, done = fitted
        found = bundles.load(output).training["scores"]["voice"]
        assert (found["n"], found["n_speakers"]) == (9, 3)
        assert f"{found['accuracy']:.3f}" in done.stdout

    @pytest.mark.long
    def test_with_faces_it_takes_the_face_network_of_the_base(self, encoder, tmp_path):
        folder = tmp_path / "theatre"
        folder.mkdir()
        rows = ["file,label,speaker"]
        for label, speaker in product(THREE, range(1, 4)):
            frames = [
                draw_portrait(200, 150, head_px=90, centre_px=(100 + i, 72), expression=label, mouth_open=i / 5)
                for i in range(5)
            ]
            path = folder / f"{label}-{speaker}.mp4"
            write_video(path, frames, fps=5, samples=say(label, speaker), sample_rate_hz=RATE_HZ)
            rows.append(f"{path.name},{label},{speaker}")
        (folder / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
        done = mercli("fit", folder, "-o", tmp_path / "both", "--voice-encoder", encoder, "-q", check=0)
        assert "fusion" in done.stdout
        both = bundles.load(tmp_path / "both")
        assert both.modalities == ("voice", "face", "words")
        assert both.voice.spec == SPEC
        assert both.face.network == open_bundle()[1].face.network
        shutil.copy(encoder, tmp_path / "both")
        done = mercli("predict", folder, "--bundle", tmp_path / "both", check=0)
        assert {row["status"] for row in csv.DictReader(done.stdout.splitlines())} == {"ok"}
        (tmp_path / "both" / "encoder.onnx").unlink()  # the face alone does not need it
        mercli("predict", folder / "sad-1.mp4", "--bundle", tmp_path / "both", "--modalities", "face", check=0)

    def test_a_base_that_is_measured_by_an_encoder_lends_it(self, bundle, encoder, recordings, tmp_path):
        code, said = says("fit", recordings, "-o", tmp_path / "b", "--base", bundle)
        assert code == 2
        assert "bundle bundle needs its voice encoder, which is not in it: encoder.onnx" in said
        shutil.copy(encoder, bundle)
        mercli("fit", recordings, "-o", tmp_path / "b", "--base", bundle, check=0)
        assert bundles.load(tmp_path / "b").voice.spec == SPEC

    def test_a_base_without_a_voice_does_as_well(self, encoder, recordings, tmp_path):
        bundles.save(front_end(), tmp_path / "base")
        words = ("fit", recordings, "-o", tmp_path / "b", "--base", tmp_path / "base", "--voice-encoder", encoder)
        mercli(*words, check=0)
        assert bundles.load(tmp_path / "b").voice.spec == SPEC

    @pytest.mark.parametrize(
        ("model", "sentence"),
        [
            (speech_network(more_inputs=True), "the voice encoder e.onnx has 2 inputs; one was expected"),
            (speech_network(layers=((10, 10),)), "the voice encoder e.onnx gives a frame every 10 samples"),
            (b"version https://git-lfs.github.com/spec/v1", "the voice encoder e.onnx is not an ONNX model"),
        ],
        ids=["inputs", "frames", "git-lfs pointer"],
    )
    def test_another_kind_of_model_ends_it_before_any_file_is_read(self, recordings, tmp_path, model, sentence):
        (tmp_path / "e.onnx").write_bytes(model)
        code, said = says("fit", recordings, "-o", tmp_path / "b", "--voice-encoder", tmp_path / "e.onnx", "-q")
        assert code == 2
        assert said.startswith(f"mercli: {sentence}")
        assert [path.name for path in tmp_path.iterdir()] == ["e.onnx"]

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("gone.onnx", "cannot be read (No such file or directory)"),
            ("", "a bundle cannot refer to a voice encoder by the name ''"),
            ("my encoder.onnx", "by the name 'my encoder.onnx': give the file one of letters, digits"),
            ("voice.onnx", "a bundle has a file voice.onnx of its own; give the voice encoder another name"),
            ("folder", "is not a file"),
            ("pipe", "is not a file"),
            ("large.onnx", "has 2,147,483,648 bytes; no ONNX file has over 2 GB"),
        ],
    )
    def test_what_can_be_no_encoder_is_said_at_once(self, recordings, tmp_path, name, sentence):
        (tmp_path / "folder").mkdir()
        os.mkfifo(tmp_path / "pipe")
        with (tmp_path / "large.onnx").open("wb") as file:
            file.truncate(1 << 31)  # a hole, on most file systems
        for other in ("my encoder.onnx", "voice.onnx"):
            (tmp_path / other).write_bytes(MODEL)
        path = tmp_path / name if name else ""
        code, said = says("fit", recordings, "-o", tmp_path / "b", "--voice-encoder", path, "-q")
        assert code == 2
        assert sentence in said

    def test_it_makes_no_sense_without_the_voice(self, recordings, encoder, tmp_path):
        words = ("--voice-encoder", encoder, "--modalities", "face")
        code, said = says("fit", recordings, "-o", tmp_path / "b", *words)
        assert (code, said) == (2, "mercli: --voice-encoder is for the voice, which --modalities leaves out")

    def test_an_encoder_that_kills_its_worker_is_told_of(self, encoder, monkeypatch):
        monkeypatch.setattr(fitting.batch, "run", lambda *_, **__: [(0, Lost("timeout", "it took over 3 s"))])
        with pytest.raises(UsageError, match=r"encoder\.onnx cannot be tried \(timeout\): it took over 3 s"):
            fitting.try_encoder(encoder, Limits())


class TestThePlaceOfABundle:
    """Users put encoders of hundreds of megabytes into bundles: none is ever lost."""

    @pytest.mark.long
    def test_an_encoder_in_the_folder_stays_when_the_bundle_is_made_anew(self, bundle, encoder, recordings):
        shutil.copy(encoder, bundle)
        own = bundle / "encoder.onnx"
        before = bundles.load(bundle)
        words = ("--voice-encoder", own, "--classes", "happy,sad")
        mercli("fit", recordings, "-o", bundle, *words, check=0)
        assert own.read_bytes() == MODEL
        assert bundles.load(bundle).classes == ("happy", "sad") != before.classes
        assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]
        mercli("predict", recordings, "--bundle", bundle, check=0)

    def test_where_there_are_no_hard_links_it_is_copied(self, bundle, encoder, monkeypatch):
        shutil.copy(encoder, bundle)

        def fail(*_):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(Path, "hardlink_to", fail)
        bundles.save(bundles.load(bundle), bundle)
        assert (bundle / "encoder.onnx").read_bytes() == MODEL

    def test_a_bundle_that_does_not_refer_to_it_does_not_replace_the_folder(self, bundle, encoder, recordings):
        shutil.copy(encoder, bundle)
        before = bundles.load(bundle)
        code, said = says("fit", recordings, "-o", bundle)
        assert code == 2
        assert "holds 'encoder.onnx', which is no part of a bundle; give -o a new name so that nothing" in said
        with pytest.raises(UsageError, match="is no part of a bundle"):
            bundles.save(small_bundle(), bundle)
        assert bundles.load(bundle) == before
        assert (bundle / "encoder.onnx").read_bytes() == MODEL

    @pytest.mark.parametrize("kind", ["link", "folder"])
    def test_what_is_no_file_of_its_own_is_left_alone(self, bundle, encoder, kind):
        if kind == "link":
            (bundle / "encoder.onnx").symlink_to(encoder)
        else:
            (bundle / "encoder.onnx").mkdir()
        with pytest.raises(UsageError, match="is no part of a bundle"):
            bundles.save(bundles.load(bundle), bundle)

    def test_a_save_that_fails_keeps_it(self, bundle, encoder, monkeypatch):
        shutil.copy(encoder, bundle)
        rename = Path.rename

        def fail(self, target):
            if self.suffix == ".part":
                raise OSError(5, "Input/output error")
            return rename(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", fail)
            with pytest.raises(UsageError, match="Input/output error"):
                bundles.save(bundles.load(bundle), bundle)
        assert (bundle / "encoder.onnx").read_bytes() == MODEL

    def test_a_voice_that_could_not_be_trained_does_not_cost_it(self, bundle, encoder, recordings, monkeypatch):
        shutil.copy(encoder, bundle)
        faces = replace(small_bundle(), voice=None, fusion=None)
        scores = {"face": score(np.eye(3), THREE, ["a", "b", "c"], THREE)}
        monkeypatch.setattr(fitting, "fit", lambda *_, **__: fitting.Fitted(faces, scores, {}, {}))
        code, said = says("fit", recordings, "-o", bundle, "--voice-encoder", encoder)
        assert code == 0, said
        assert bundles.load(bundle).voice is None
        assert (bundle / "encoder.onnx").read_bytes() == MODEL


class TestPredict:
    def test_every_recording_has_an_answer(self, table, fitted):
        rows = list(csv.DictReader(table.splitlines()))
        assert len(rows) == 9
        for row in rows:
            assert row["status"] in ("ok", "partial")
            assert sum(float(row[f"voice_p_{name}"]) for name in THREE) == pytest.approx(1, abs=1e-3)
            assert row["bundle"] == bundles.load(fitted[0]).label

    def test_rows_are_the_same_bytes_whatever_the_number_of_workers(self, table, fitted, encoder, recordings):
        words = ("predict", recordings, "--bundle", fitted[0], "--voice-encoder", encoder, "-j", 2)
        assert mercli(*words, check=0).stdout == table

    def test_an_encoder_in_the_folder_is_used_without_being_named(self, table, bundle, encoder, recordings):
        shutil.copy(encoder, bundle)
        assert mercli("predict", recordings, "--bundle", bundle, check=0).stdout == table

    @pytest.mark.long
    def test_a_file_of_another_name_and_the_right_content_is_as_good(
        self, table, fitted, encoder, recordings, tmp_path
    ):
        link = tmp_path / "some where else.bin"
        link.symlink_to(encoder)
        words = ("predict", recordings, "--bundle", fitted[0], "--voice-encoder", link)
        assert mercli(*words, check=0).stdout == table

    def test_without_it_the_user_is_told_which_file_and_what_to_type(self, fitted, recordings):
        code, said = says("predict", recordings, "--bundle", fitted[0])
        assert code == 2
        assert said == (
            "mercli: bundle bundle needs its voice encoder, which is not in it: encoder.onnx "
            f"({len(MODEL):,} bytes, SHA-256 {sha256(MODEL)[:12]}…). "
            f"Type --voice-encoder and the path of that file, or put it into {fitted[0]}"
        )

    @pytest.mark.parametrize("where", ["named", "in the folder"])
    @pytest.mark.parametrize("size", ["other", "same"])
    def test_a_wrong_file_is_refused(self, bundle, recordings, tmp_path, where, size):
        other = speech_network(seed=1) + (b"" if size == "same" else b"\0")
        assert (len(other) == len(MODEL)) == (size == "same")
        path = bundle / "encoder.onnx" if where == "in the folder" else tmp_path / "other.onnx"
        path.write_bytes(other)
        words = ["--voice-encoder", path] if where == "named" else []
        code, said = says("predict", recordings, "--bundle", bundle, *words)
        found = f"SHA-256 {sha256(other)[:12]}…" if size == "same" else f"{len(other):,} bytes"
        assert code == 2
        needed = f"it has {found}; needed is {ENCODER.label}"
        assert said == f"mercli: {path} is not the voice encoder of bundle bundle: {needed}"

    def test_a_link_in_a_bundle_s_folder_is_not_followed(self, bundle, encoder, recordings):
        (bundle / "encoder.onnx").symlink_to(encoder)
        code, said = says("predict", recordings, "--bundle", bundle)
        assert code == 2
        assert "encoder.onnx is not a regular file; type --voice-encoder and the path of the file itself" in said

    @pytest.mark.parametrize(("name", "sentence"), [("gone", "cannot be read (No such"), ("", "is not a file")])
    def test_a_file_that_is_not_there_is_said(self, fitted, recordings, tmp_path, name, sentence):
        path = tmp_path / name if name else ""
        code, said = says("predict", recordings, "--bundle", fitted[0], "--voice-encoder", path)
        assert code == 2
        assert sentence in said

    def test_a_bundle_that_needs_none_is_given_none(self, encoder, recordings):
        code, said = says("predict", recordings, "--voice-encoder", encoder)
        assert code == 2
        assert (
            said == "mercli: bundle mercli-base measures the voice without an encoder; leave --voice-encoder out"
        )

    @pytest.mark.long
    def test_a_run_goes_on_wherever_the_encoder_lies_by_now(self, bundle, encoder, recordings, tmp_path, table):
        shutil.copy(encoder, bundle)
        first = mercli("predict", recordings, "--bundle", bundle, "-o", tmp_path / "t.csv", check=0)
        (bundle / "encoder.onnx").rename(tmp_path / "moved.onnx")
        words = ("--bundle", bundle, "-o", tmp_path / "t.csv", "--voice-encoder", tmp_path / "moved.onnx")
        again = mercli("predict", recordings, *words, check=0)
        assert "continuing" not in first.stderr
        assert "continuing: 9 of 9 files done already" in again.stderr
        assert (tmp_path / "t.csv").read_text() == table

    @pytest.mark.long
    def test_only_workers_open_it(self, fitted, encoder, recordings, monkeypatch):
        monkeypatch.setattr(SpeechNetwork, "__init__", lambda *_: pytest.fail("this process opened the network"))
        code, said = says("predict", recordings, "--bundle", fitted[0], "--voice-encoder", encoder)
        assert code == 0, said

    def test_a_worker_opens_it_once(self, fitted, encoder, recordings, monkeypatch):
        opened, load = [], encoders.load
        monkeypatch.setattr(encoders, "load", lambda *what: opened.append(what) or load(*what))
        setup = Setup(str(fitted[0]), bundles.load(fitted[0]).digest, ("voice",), encoder=str(encoder))
        pipeline._worker.cache_clear()
        seen = [pipeline.observe_file(path, setup) for path in sorted(recordings.glob("sad-*.wav"))]
        assert [evidence.voice.shape for evidence in seen] == [(1, 2 * DIM)] * 3
        assert len(opened) == 1

    def test_a_file_that_changes_during_the_run_is_not_used(self, tmp_path):
        (tmp_path / "encoder.onnx").write_bytes(speech_network(seed=1))
        with pytest.raises(BundleError, match="was changed while the run was going on"):
            encoders.load(tmp_path / "encoder.onnx", ENCODER)


def test_training_records_how_the_voice_was_measured():
    table = clouds(3, modalities=("voice",))
    assert training.fit(table, front_end(), name="b", seed=0).voice.spec == VoiceSpec()
    recipe = training.Recipe(VoiceSpec(hop_s=0.02))
    assert training.fit(table, front_end(), name="b", seed=0, recipe=recipe).voice.spec == recipe.voice
