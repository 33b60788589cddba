"""Small networks over sequences, on toys that take the order in time, or both modalities."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from mercli.classifiers import Family, Rows, clip_means, search, to_onnx, train, train_and_hold_out
from mercli.classifiers.calibrated import softmax
from mercli.classifiers.joint import Joint, fit_joint
from mercli.classifiers.networks import refuse_without_torch
from mercli.classifiers.recurrent import Recurrent, fit_recurrent
from mercli.errors import UsageError
from mercli.fusion import Layout
from mercli.inference import Classifier

torch = pytest.importorskip("torch")

STEPS = 6
LAYOUT = Layout(STEPS, voice=2, face=3)
RECURRENT = Family(partial(fit_recurrent, steps=STEPS), ({"units": 8, "epochs": 120},))
JOINT = Family(partial(fit_joint, layout=LAYOUT), ({"channels": 8, "epochs": 50},))
BRIEF_RECURRENT = replace(RECURRENT, grid=({"units": 3, "epochs": 2},))
BRIEF_JOINT = replace(JOINT, grid=({"channels": 3, "epochs": 2},))


def rows_of(X: NDArray[np.float64], labels: NDArray[np.str_], n_speakers: int) -> Rows:
    """A clip a row, the speakers in turn."""
    n = len(X)
    speakers = np.array([f"s{i % n_speakers}" for i in range(n)])
    return Rows(X.astype(np.float32), labels, speakers, np.arange(n), np.ones(n, bool))


def in_time(n: int = 64, *, seed: int = 0) -> Rows:
    """What rises and what falls: shuffled in time, the two are the same."""
    rng = np.random.default_rng(seed)
    rising = rng.random(n) < 0.5
    ramp = np.linspace(-1, 1, STEPS)[:, np.newaxis] * [1.0, -0.5]
    X = np.where(rising[:, None, None], ramp, -ramp) + 0.2 * rng.normal(size=(n, STEPS, 2))
    X -= X.mean(axis=1, keepdims=True)  # nor does the mean tell
    return rows_of(X.reshape(n, -1), np.where(rising, "happy", "sad"), 2)


def in_both(n: int = 128, *, seed: int = 0, speakers: int = 2) -> Rows:
    """Four classes: the voice tells one half from the other, the face the classes of a half."""
    rng = np.random.default_rng(seed)
    aroused, pleased = rng.random((2, n)) < 0.5
    voice = np.where(aroused, 1, -1)[:, None, None] + 0.5 * rng.normal(size=(n, STEPS, 2))
    face = np.where(pleased, 1, -1)[:, None, None] + 0.5 * rng.normal(size=(n, STEPS, 3))
    X = np.concatenate((voice.reshape(n, -1), face.reshape(n, -1), np.ones((n, 2))), axis=1)
    labels = np.where(aroused, np.where(pleased, "happy", "angry"), np.where(pleased, "neutral", "sad"))
    return rows_of(X, labels, speakers)


def without(rows: Rows, *missing: str) -> Rows:
    """As it is where a modality is missing."""
    X, end = rows.X.copy(), STEPS * LAYOUT.voice
    for modality in missing:
        span, flag = {"voice": (slice(0, end), -2), "face": (slice(end, -2), -1)}[modality]
        X[:, span] = 0
        X[:, flag] = 0
    return replace(rows, X=X)


def right(posteriors: NDArray[np.float64], labels: NDArray[np.str_]) -> float:
    answers = np.unique(labels)[posteriors.argmax(axis=1)]
    return float(np.mean(answers == labels))


def held_out(family: Family | str, rows: Rows) -> float:
    """How often the answer is right for speakers that were not learnt from."""
    found = train_and_hold_out(family, rows, seed=0)
    assert found is not None
    return right(found[1], rows.labels)


def in_onnx(estimator, X: NDArray[np.float32]) -> NDArray[np.float64]:
    classes = tuple(estimator.classes_)
    return Classifier(to_onnx(estimator), classes, classes, X.shape[1], "a model").posteriors(X)


def strange(rows: Rows) -> NDArray[np.float32]:
    """Sequences unlike those of the training: other, larger by far, and nothing at all."""
    flags = rows.X[:, -2:]
    X = np.concatenate((rows.X, 50 * rows.X, 1e6 * rows.X, 0 * rows.X))
    X[:, -2:] = np.tile(flags, (4, 1)) if rows.X.shape[1] == LAYOUT.n_features else X[:, -2:]
    return X


# What is learnt


def test_a_recurrent_network_learns_the_order_in_time_and_holds_it_for_speakers_left_out() -> None:
    rows = in_time()
    assert held_out(RECURRENT, rows) > 0.9
    flat = rows.X.reshape(len(rows.X), STEPS, -1)
    assert held_out("lda", replace(rows, X=flat.mean(axis=1))) < 0.7  # the mean says nothing
    (network,) = fit_recurrent(rows, RECURRENT.grid, 0, steps=STEPS)
    unseen = in_time(seed=1)
    assert right(network.scores(unseen.X), unseen.labels) > 0.9
    backwards = unseen.X.reshape(len(unseen.X), STEPS, -1)[:, ::-1].reshape(len(unseen.X), -1)
    assert right(network.scores(backwards), unseen.labels) < 0.1


def test_a_joint_network_learns_what_takes_both_modalities() -> None:
    rows, unseen = in_both(), in_both(seed=1)
    assert held_out(JOINT, rows) > 0.9
    for modality in ("voice", "face"):
        (joint,) = fit_joint(without(rows, modality), JOINT.grid, 0, layout=LAYOUT)
        said = joint.scores(without(unseen, modality).X)
        assert 0.4 < right(said, unseen.labels) < 0.65  # half of it is not to be seen


def test_a_joint_network_that_lost_one_modality_still_tells_what_the_other_does() -> None:
    """Though in its training no clip lacked any: it left them out by itself."""
    (joint,) = fit_joint(in_both(), JOINT.grid, 0, layout=LAYOUT)
    unseen = in_both(seed=1)
    classes = joint.classes_.tolist()
    for missing, kin in (("voice", ("happy", "neutral")), ("face", ("happy", "angry"))):
        said = softmax(joint.scores(without(unseen, missing).X))
        of_kin = said[:, [classes.index(name) for name in kin]].sum(axis=1)
        assert np.mean((of_kin > 0.5) == np.isin(unseen.labels, kin)) > 0.9


def test_a_joint_network_learns_from_clips_that_lack_one() -> None:
    rows = in_both()
    X = rows.X.copy()
    X[::3], X[1::3] = without(rows, "voice").X[::3], without(rows, "face").X[1::3]
    (joint,) = fit_joint(replace(rows, X=X), JOINT.grid, 0, layout=LAYOUT)
    unseen = in_both(seed=1)
    assert right(joint.scores(unseen.X), unseen.labels) > 0.9


def test_a_clip_s_stretches_are_calibrated_together() -> None:
    rows = in_time(48)
    twice = Rows(
        *(np.repeat(part, 2, axis=0) for part in (rows.X, rows.labels, rows.speakers, rows.clips, rows.heard))
    )
    found = train_and_hold_out(BRIEF_RECURRENT, twice, seed=0)
    assert found is not None
    estimator, said = found
    assert said.shape == (48, 2)
    assert np.allclose(said.sum(axis=1), 1)
    whole = estimator.predict_proba(twice.X)
    assert np.allclose(clip_means(whole, twice.clips), whole[::2])


# What has a say


@pytest.fixture(scope="module")
def joint() -> Joint:
    (found,) = fit_joint(in_both(60), BRIEF_JOINT.grid, 0, layout=LAYOUT)
    return found


@pytest.mark.parametrize("missing", ["voice", "face"])
def test_the_numbers_of_a_modality_that_is_missing_have_no_say(joint: Joint, missing: str) -> None:
    rows, end = in_both(20, seed=1), STEPS * LAYOUT.voice
    gone = without(rows, missing).X
    span = {"voice": slice(0, end), "face": slice(end, -2)}[missing]
    filled = gone.copy()
    filled[:, span] = rows.X[:, span] + 7
    assert np.array_equal(joint.scores(filled), joint.scores(gone))
    assert not np.allclose(joint.scores(gone), joint.scores(rows.X))
    left = gone.copy()
    left[:, {"voice": slice(end, -2), "face": slice(0, end)}[missing]] += 1
    assert not np.allclose(joint.scores(left), joint.scores(gone))


def test_each_modality_s_answer_rests_on_the_other_where_both_are_there(joint: Joint) -> None:
    """By attention: with both, the scores are not the sum of what each says alone."""
    rows = in_both(20, seed=1)
    voice, face, nothing = (
        joint.scores(without(rows, *gone).X) for gone in (("face",), ("voice",), ("voice", "face"))
    )
    assert np.ptp(nothing, axis=0).max() < 1e-12
    assert not np.allclose(joint.scores(rows.X), voice + face - nothing, atol=1e-3)


def test_the_numbers_of_what_was_missing_in_training_have_no_say_either() -> None:
    rows = without(in_both(60), "face")
    filled = rows.X.copy()
    filled[:, STEPS * LAYOUT.voice : -2] = 5
    one, other = (
        fit_joint(these, BRIEF_JOINT.grid, 0, layout=LAYOUT)[0] for these in (rows, replace(rows, X=filled))
    )
    assert np.array_equal(one.means[1], other.means[1])
    assert np.array_equal(one.scales[1], other.scales[1])
    assert np.allclose(one.scores(rows.X), other.scores(rows.X), atol=1e-6)


def test_a_value_counts_as_four_deviations_at_most(joint: Joint) -> None:
    (recurrent,) = fit_recurrent(in_time(40), BRIEF_RECURRENT.grid, 0, steps=STEPS)
    sign = np.where(np.arange(recurrent.n_features) % 3, 1, -1)
    far = np.stack([sign * 1e3, sign * 1e6]).astype(np.float32)
    assert np.array_equal(*recurrent.scores(far))
    both = np.concatenate(
        (np.stack([np.full(joint.n_features - 2, x) for x in (1e3, 1e6)]), np.ones((2, 2))), axis=1
    )
    assert np.array_equal(*joint.scores(both.astype(np.float32)))


@pytest.mark.parametrize("channel", [0, 1])
def test_a_channel_that_never_changes_is_no_obstacle(channel: int) -> None:
    rows = in_time(40)
    X = rows.X.reshape(len(rows.X), STEPS, -1).copy()
    X[:, :, channel] = 3
    (found,) = fit_recurrent(replace(rows, X=X.reshape(len(X), -1)), BRIEF_RECURRENT.grid, 0, steps=STEPS)
    assert np.isfinite(found.scores(rows.X)).all()


# The ONNX form and what PyTorch says


@pytest.mark.parametrize("classes", [2, 4])
def test_the_recurrent_network_s_onnx_form_agrees_to_1e_5_whatever_it_is_given(classes: int) -> None:
    rows = in_time(60)
    if classes == 4:
        rows = replace(rows, labels=np.array([f"{label}{i % 2}" for i, label in enumerate(rows.labels)]))
    estimator = train(replace(RECURRENT, grid=({"units": 5, "epochs": 6},)), rows, seed=0)
    assert estimator is not None
    X = strange(in_time(30, seed=1))
    assert np.abs(in_onnx(estimator, X) - estimator.predict_proba(X)).max() < 1e-5


@pytest.mark.parametrize("missing", [(), ("voice",), ("face",), ("voice", "face")])
def test_the_joint_network_s_onnx_form_agrees_to_1e_5_whatever_it_is_given(missing: tuple[str, ...]) -> None:
    estimator = train(replace(JOINT, grid=({"channels": 5, "epochs": 6},)), in_both(60), seed=0)
    assert estimator is not None
    X = strange(without(in_both(30, seed=1), *missing))
    assert np.abs(in_onnx(estimator, X) - estimator.predict_proba(X)).max() < 1e-5


def trained_by(module: str, monkeypatch: pytest.MonkeyPatch) -> list:
    """A list that gets PyTorch's own networks, as they were trained."""
    networks = []
    from mercli.classifiers import networks as shared

    train_network = shared.train_network

    def watched(network, *rest, **how):
        networks.append(network)
        return train_network(network, *rest, **how)

    monkeypatch.setattr(importlib.import_module(f"mercli.classifiers.{module}"), "train_network", watched)
    return networks


def test_the_scores_are_those_of_pytorch_s_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    from mercli.classifiers.scaling import standardised

    networks = trained_by("recurrent", monkeypatch)
    rows = in_time(40)
    (recurrent,) = fit_recurrent(rows, BRIEF_RECURRENT.grid, 0, steps=STEPS)
    Z = standardised(rows.X.reshape(40, STEPS, -1), recurrent.mean, recurrent.scale)
    assert recurrent.scores(rows.X) == pytest.approx(mean_score(networks, Z), abs=1e-5)
    networks = trained_by("joint", monkeypatch)
    rows = without(in_both(40), "face")
    rows = replace(rows, X=np.where(np.arange(40)[:, np.newaxis] % 2, rows.X, in_both(40).X))
    (joint,) = fit_joint(rows, BRIEF_JOINT.grid, 0, layout=LAYOUT)
    *sequences, flags = LAYOUT.split(rows.X)
    parts = [standardised(*three) for three in zip(sequences, joint.means, joint.scales, strict=True)]
    flat = np.concatenate([part.reshape(40, -1) for part in parts] + [flags], axis=1)
    assert joint.scores(rows.X) == pytest.approx(mean_score(networks, flat), abs=1e-5)


def mean_score(networks: list, values: NDArray[np.float64]) -> NDArray[np.float64]:
    with torch.no_grad():
        said = [network.eval()(torch.from_numpy(values.astype(np.float32))).numpy() for network in networks]
    assert len(said) == 3
    mean: NDArray[np.float64] = np.mean(said, axis=0)
    return mean


# Repeatability


@pytest.mark.parametrize(
    ("family", "make"), [(BRIEF_RECURRENT, in_time), (BRIEF_JOINT, in_both)], ids=["recurrent", "joint"]
)
def test_the_same_seed_gives_the_same_bytes_and_another_others(family: Family, make: Callable[..., Rows]) -> None:
    def written(seed: int) -> bytes:
        torch.manual_seed(np.random.default_rng().integers(1000))  # whatever was drawn before
        estimator = train(family, make(40), seed=seed)
        assert estimator is not None
        return to_onnx(estimator)

    first = written(3)
    assert written(3) == first
    assert written(4) != first


def test_how_many_threads_pytorch_has_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fit_recurrent(in_time(20), BRIEF_RECURRENT.grid, 0, steps=STEPS)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_setting_of_the_grid_is_a_network_of_its_size() -> None:
    grid = [{"units": 3, "epochs": 1}, {"units": 5, "epochs": 1}]
    found = fit_recurrent(in_time(20), grid, 0, steps=STEPS)
    assert [isinstance(each, Recurrent) for each in found] == [True, True]
    assert [each.members[0]["score.weight"].shape for each in found] == [(2, 3), (2, 5)]


# Without PyTorch


@pytest.mark.parametrize(
    ("train_it", "what"),
    [
        (lambda: train(BRIEF_RECURRENT, in_time(20), seed=0), "a recurrent network"),
        (lambda: train(BRIEF_JOINT, in_both(20), seed=0), "a joint network"),
        (lambda: refuse_without_torch("a thing"), "a thing"),
    ],
    ids=["recurrent", "joint", "any"],
)
def test_without_pytorch_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, train_it: Callable[[], object], what: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None if name == "torch" else name)
    with pytest.raises(UsageError) as caught:
        train_it()
    assert (
        str(caught.value) == f"{what} is trained by PyTorch, which is not installed: pip install 'mercli[train]'"
    )


def test_a_trained_network_judges_without_pytorch(joint: Joint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None if name == "torch" else name)
    assert joint.scores(in_both(5).X).shape == (5, 4)


def test_the_families_that_fit_uses_are_of_the_sequences_it_measures() -> None:
    assert search.recurrent(24).grid
    assert search.joint(LAYOUT).grid
    with pytest.raises(ValueError, match="reshape"):
        search.recurrent(STEPS + 1).fit(in_time(20), ({"units": 2, "epochs": 1},), 0)
