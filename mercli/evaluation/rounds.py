"""Train and judge in turn, so that nobody is judged by models that know the speaker."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercli import corpora, training
from mercli.bundle import Bundle
from mercli.emotions import ordered
from mercli.errors import CorpusError, UsageError
from mercli.table import Posteriors, Table
from mercli.training import Recipe
from mercli.wording import shortened

FOLDS, LOSO, ORIGINAL = "folds", "loso", "original"


@dataclass(frozen=True, slots=True)
class Protocol:
    """Say who trains and who tests.

    Parameters
    ----------
    name : str
        ``"folds"``, ``"loso"`` for leave one speaker out, ``"original"``, or as in ``"8/12/4"``.
    sizes : tuple of int or None
        For the last two, how many speakers train the voice and face models, train the fusion, and test.
    draws : int
        How many times they are drawn.
    """

    name: str
    sizes: tuple[int, int, int] | None = None
    draws: int = 1


@dataclass(frozen=True, slots=True)
class Round:
    """Hold a trained bundle, and the rows of the table [shape=(n,)] whose speakers it does not know."""

    bundle: Bundle
    tested: NDArray[np.int_]


@dataclass(frozen=True, slots=True)
class Answers:
    """Hold what was said of some rows of a table; a row may stand more than once.

    Parameters
    ----------
    rows : np.ndarray of int [shape=(n,)]
        Which.
    said : Posteriors
        What was said of each.
    rounds : np.ndarray of int [shape=(n,)]
        In which round, from 0.
    """

    rows: NDArray[np.int_]
    said: Posteriors
    rounds: NDArray[np.int_]


def parse_protocol(text: str, draws: int | None = None) -> Protocol:
    """Read what a user asks for.

    Parameters
    ----------
    text : str
        ``"folds"``, ``"loso"``, ``"original"`` or three numbers of speakers.
    draws : int, optional
        How many times to draw them; without it once, or ten times for the original.

    Raises
    ------
    UsageError
        If it is none of these.

    Examples
    --------
    >>> parse_protocol("8/12/4").sizes
    (8, 12, 4)
    """
    name = text.strip().lower()
    if name in (FOLDS, LOSO):
        if draws is not None:
            raise UsageError(
                f"--draws is for speakers that are drawn, as by 8/12/4; {name} judges every speaker once"
            )
        return Protocol(name)
    if name == ORIGINAL:
        return Protocol(name, (8, 12, 4), draws or 10)
    match = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", name)
    if match is None:
        raise UsageError(
            f"no protocol {shortened(text)}; there are {FOLDS}, {LOSO}, {ORIGINAL}, and numbers of speakers, such "
            "as 8/12/4"
        )
    models, fusion, test = map(int, match.groups())
    return Protocol(name, (models, fusion, test), draws or 1)


def fit_sizes(protocol: Protocol, n_speakers: int) -> Protocol:
    """Have a protocol ask for no more speakers than there are, or raise a UsageError.

    The original's numbers, of 24 speakers, are made smaller in proportion; at least one tests, one trains the
    fusion and two the models.
    """
    if protocol.sizes is None or sum(protocol.sizes) <= n_speakers:
        return protocol
    if protocol.name != ORIGINAL:
        raise UsageError(
            f"the corpus has {n_speakers} speakers, but the protocol {protocol.name} asks for "
            f"{sum(protocol.sizes)}; ask for fewer"
        )
    if n_speakers < 4:
        raise UsageError(f"the protocol of the original takes at least four speakers; here are {n_speakers}")
    total = sum(protocol.sizes)
    test = max(1, round(n_speakers * protocol.sizes[2] / total))
    models = max(2, round(n_speakers * protocol.sizes[0] / total))
    return Protocol(protocol.name, (models, n_speakers - models - test, test), protocol.draws)


def divide(
    labels: Sequence[str], speakers: Sequence[str], protocol: Protocol, *, seed: int
) -> list[NDArray[np.int_]]:
    """Give the rows of each fold, no speaker in two of them; of leave one speaker out, those of each speaker."""
    if protocol.name == LOSO and len(set(speakers)) > 1:
        return [np.flatnonzero(np.array(speakers) == name) for name in sorted(set(speakers))]
    return corpora.folds(labels, speakers, seed=seed)


def rounds(
    table: Table,
    base: Bundle,
    protocol: Protocol,
    *,
    seed: int,
    recipe: Recipe | None = None,
    speakers: Sequence[str] | None = None,
) -> Iterator[Round]:
    """Train a bundle for each fold or draw, from the first step on, without the speakers that it is tested on.

    Parameters
    ----------
    table : Table
        Labelled evidence.
    base : Bundle
        The front end.
    protocol : Protocol
        Who trains and who tests.
    seed : int
        Of folds, draws and forests.
    recipe : Recipe, optional
        See `training.fit`. What it leaves open is chosen anew each time, on the speakers trained on.
    speakers : sequence of str, optional
        Those to draw from; without it, those of the table.

    Yields
    ------
    Round
        In the order of folds or draws.

    Raises
    ------
    CorpusError
        If there is too little to train on.
    """
    if protocol.sizes is None:
        everyone = np.arange(len(table.labels))
        for tested in divide(table.labels, table.speakers, protocol, seed=seed):
            rest = table.take(np.setdiff1d(everyone, tested))
            yield Round(training.fit(rest, base, name="fold", seed=seed, recipe=recipe), tested)
        return
    for draw in range(protocol.draws):
        drawn = corpora.split_speakers(speakers or sorted(set(table.speakers)), protocol.sizes, seed=seed + draw)
        models, fusion = (table.of_speakers(part) for part in drawn[:2])
        tested = np.flatnonzero([who in drawn[2] for who in table.speakers])
        if not len(tested):
            raise CorpusError("nothing to test on: no file of the speakers that were drawn to test is of use")
        made = training.fit(models, base, name="draw", seed=seed, fusion_on=fusion, recipe=recipe)
        yield Round(made, tested)


def judge_rounds(rounds: Iterable[Round], table: Table, classes: Sequence[str]) -> Answers:
    """Let each round's bundle judge its rows, as `predict` does, and gather the answers."""
    rows, said = [], []
    for each in rounds:
        rows.append(each.tested)
        said.append(training.judge_all(each.bundle, table.take(each.tested), classes))
    parts = [
        np.concatenate([getattr(part, name) for part in said]) for name in ("voice", "face", "fused", "words")
    ]
    numbers = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
    return Answers(np.concatenate(rows), Posteriors(*parts), numbers)


def judge_held_out(table: Table, base: Bundle, *, seed: int, recipe: Recipe | None = None) -> Posteriors:
    """Judge every row of a table once, by a bundle trained on the other folds' speakers; see `rounds`.

    Returns
    -------
    Posteriors
        A row each, over the classes of the whole table; NaN where speakers cannot be left out.
    """
    classes = ordered(table.labels)
    said = Posteriors.nothing(len(table.labels), len(classes))
    for each in rounds(table, base, Protocol(FOLDS), seed=seed, recipe=recipe):
        part = training.judge_all(each.bundle, table.take(each.tested), classes)
        for modality in ("voice", "face", "fused", "words"):
            getattr(said, modality)[each.tested] = getattr(part, modality)
    return said


def describe(protocol: Protocol, table: Table, *, seed: int) -> str:
    """Say in words who trained and who tested, and what the intervals are."""
    intervals = "Intervals: 95 %, bootstrap over speakers."
    if protocol.sizes is None:
        n = len(divide(table.labels, table.speakers, protocol, seed=seed))
        each = f"{n} folds with no speaker in two of them"
        if protocol.name == LOSO:
            each = "One speaker is left out at a time"
        alone = (
            " With one speaker left to train on, a fold's fusion is the mean of voice and face."
            if len(set(table.speakers)) == 2
            else ""
        )
        return (
            f"{each}; voice, face and fusion models are trained anew each time without those they are tested on."
            f"{alone} {intervals}"
        )
    models, fusion, test = protocol.sizes
    times = "once"
    if protocol.draws > 1:
        times = f"{protocol.draws} times, and a clip that was tested several times counts as often"
    return (
        f"Speakers are drawn, with seed {seed}, {times}: {models} train the voice and face models, {fusion} the "
        f"fusion, {test} test. {intervals}"
    )
