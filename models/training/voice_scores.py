r"""Score the voice on speakers, sentences and a language it never heard: the figures of docs/voice.md.

    python models/training/voice_scores.py --ravdess ravdess-speech --javanese javanese-speech

Every model, its setting and its temperature are found without the speakers that it is scored on, and every answer
comes from the ONNX form that `mercli predict` runs. It takes some ten minutes on two cores; --compare, an hour.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from javanese import read_javanese
from mercli import batch, classifiers, corpora, emotions, evaluation, training
from mercli.bundle import Bundle
from mercli.card import score_table
from mercli.corpora import Corpus
from mercli.evaluation import Scores
from mercli.setup import make_setup, open_bundle
from mercli.survey import observe
from mercli.table import Table
from mercli.training import Recipe
from mercli.voice.sets import DEFAULT, default_spec

FIVE = ("angry", "fear", "happy", "sad", "neutral")
SEED = 0
_DRAWS = 10  # of the speakers that train and test on five classes
_PERMUTATIONS = 5


def measure(corpus: Corpus, feature_set: str, jobs: int) -> Table:
    """Measure the sound of a corpus, and altered copies of it."""
    folder, front = open_bundle()
    setup = make_setup(folder, front, ("voice",), voice=default_spec(feature_set))
    measured = observe(corpus, replace(setup, altered=True), jobs=jobs)
    if measured.problems:  # the rows would no longer be those of the files
        raise SystemExit(f"cannot be measured: {measured.problems}")
    return measured.table


class Judged:
    """Models of one recipe, trained and asked."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._front = Bundle(name="front-end", classes=emotions.ALL)

    def said(
        self, table: Table, train: NDArray[np.bool_], test: NDArray[np.bool_], classes: tuple[str, ...]
    ) -> NDArray[np.float64]:
        """Train on some rows and give the posteriors of others."""
        rows = table.take(np.flatnonzero(train))
        made = training.fit(rows, self._front, name="fold", seed=SEED, recipe=self._recipe)
        return training.judge_all(made, table.take(np.flatnonzero(test)), classes).voice

    def by_folds(
        self, table: Table, held_out: list[NDArray[np.bool_]], also: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """Judge the rows of each fold by a model trained on all others, or on those of `also` that are."""
        classes = emotions.ordered(table.labels)
        said = np.full((len(table.labels), len(classes)), np.nan)
        for fold in held_out:
            said[fold] = self.said(table, ~fold if also is None else ~fold & also, fold, classes)
        return said


def folds(table: Table) -> list[NDArray[np.bool_]]:
    """Divide the rows into the folds of `mercli fit`, no speaker in two of them."""
    found = []
    for rows in corpora.folds(table.labels, table.speakers, seed=SEED):
        mask = np.zeros(len(table.labels), np.bool_)
        mask[rows] = True
        found.append(mask)
    return found


def score(said: NDArray[np.float64], table: Table) -> Scores:
    """Score posteriors over the classes of a table."""
    return evaluation.score(said, table.labels, table.speakers, emotions.ordered(table.labels))


def across_sentences(judged: Judged, table: Table, sentences: NDArray[np.str_]) -> NDArray[np.float64]:
    """Train on one sentence, and judge the other one, of other speakers."""
    classes = emotions.ordered(table.labels)
    said = np.full((len(table.labels), len(classes)), np.nan)
    for fold in folds(table):
        for sentence in np.unique(sentences):
            test = fold & (sentences == sentence)
            said[test] = judged.said(table, ~fold & (sentences != sentence), test, classes)
    return said


def few_speakers(judged: Judged, table: Table) -> list[float]:
    """Give the accuracies of models of 8 speakers on 4 others, drawn anew each time."""
    speakers = np.array(table.speakers)
    found = []
    for draw in range(_DRAWS):
        order = np.random.default_rng(draw).permutation(np.unique(speakers))
        test = np.isin(speakers, order[8:12])
        said = judged.said(table, np.isin(speakers, order[:8]), test, emotions.ordered(table.labels))
        found.append(score(said, table.take(np.flatnonzero(test))).accuracy)
    return found


def permuted(table: Table, draw: int) -> Table:
    """Deal each speaker's labels out anew: whatever is learnt then is learnt from who speaks."""
    rng = np.random.default_rng(draw)
    labels, speakers = np.array(table.labels), np.array(table.speakers)
    for who in np.unique(speakers):
        labels[speakers == who] = rng.permutation(labels[speakers == who])
    return replace(table, labels=tuple(labels.tolist()))


def counting_calm(table: Table) -> Table:
    """Count calm as neutral, as `mercli fit` does unless told otherwise."""
    return replace(
        table, labels=tuple(emotions.within(label, emotions.FER2013) or label for label in table.labels)
    )


def show_spread(said: NDArray[np.float64], table: Table) -> None:
    """Print the recall of each class and the accuracy of each speaker."""
    classes = emotions.ordered(table.labels)
    right = np.array(classes)[said.argmax(axis=1)] == np.array(table.labels)
    for title, kinds in (("recalls", np.array(table.labels)), ("speakers", np.array(table.speakers))):
        print(f"{title}: {', '.join(f'{kind} {right[kinds == kind].mean():.2f}' for kind in np.unique(kinds))}")


def of_ravdess(jobs: int, folder: Path, feature_set: str) -> tuple[Table, NDArray[np.str_]]:
    """Measure RAVDESS over its eight classes; give the sentence of each row as well."""
    corpus = corpora.load(folder, classes=emotions.ALL)
    sentences = np.array([example.traits["sentence"] for example in corpus.examples])
    return measure(corpus, feature_set, jobs), sentences


def both_corpora(judged: Judged, ravdess: Table, javanese: Table) -> dict[str, Scores]:
    """Score models of one corpus and of both on either, over the classes of `mercli predict`."""
    ravdess = counting_calm(ravdess)
    table = Table(
        ravdess.evidence + javanese.evidence,
        ravdess.labels + javanese.labels,
        ravdess.speakers + javanese.speakers,
    )
    speakers = np.array(table.speakers)
    first = np.arange(len(table.labels)) < len(ravdess.labels)
    one_out = [speakers == who for who in np.unique(speakers[~first])]
    by_five = [np.pad(fold, (0, len(javanese.labels))) for fold in folds(ravdess)]
    classes = emotions.ordered(table.labels)
    across = np.full((len(table.labels), len(classes)), np.nan)
    across[~first] = judged.said(table, first, ~first, classes)
    said = {
        "RAVDESS alone, on RAVDESS": judged.by_folds(table, by_five, first),
        "both, on RAVDESS": judged.by_folds(table, by_five),
        "RAVDESS alone, on Javanese": across,
        "Javanese alone, on Javanese": judged.by_folds(table, one_out, ~first),
        "both, on Javanese": judged.by_folds(table, one_out),
    }
    return {name: score(posteriors, table) for name, posteriors in said.items()}


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ravdess", type=Path, required=True, help="RAVDESS speech, sound only")
    parser.add_argument("--javanese", type=Path, help="Javanese speech AA-SS-EE_RR.flac")
    parser.add_argument("--set", default=DEFAULT, help="the feature set")
    parser.add_argument("--classifier", default=training.BEST)
    parser.add_argument("--compare", action="store_true", help="score every classifier, and nothing else")
    parser.add_argument("-j", "--jobs", type=int, default=batch.default_jobs())
    options = parser.parse_args()
    table, sentences = of_ravdess(options.jobs, options.ravdess, options.set)
    for name in classifiers.NAMES if options.compare else (options.classifier,):
        judged = Judged(Recipe(default_spec(options.set), name))
        said = judged.by_folds(table, folds(table))
        scores = {
            f"{options.set}, {name}, five folds": score(said, table),
            f"{options.set}, {name}, other sentence": score(across_sentences(judged, table, sentences), table),
        }
        print(score_table(scores), flush=True)
    if options.compare:
        return
    show_spread(said, table)
    dealt = [permuted(table, draw) for draw in range(_PERMUTATIONS)]
    by_chance = [score(judged.by_folds(each, folds(each)), each).uar for each in dealt]
    print(
        f"labels dealt out anew, {_PERMUTATIONS} times: mean UAR {np.mean(by_chance):.3f}, "
        f"{min(by_chance):.3f} to {max(by_chance):.3f}",
        flush=True,
    )
    for what, five in (("", table), (", calm counts as neutral", counting_calm(table))):
        accuracies = few_speakers(judged, five.take(np.flatnonzero(np.isin(five.labels, FIVE))))
        print(
            f"five classes{what}, 8 speakers train, 4 test, {_DRAWS} draws: "
            f"mean accuracy {np.mean(accuracies):.3f}, {min(accuracies):.3f} to {max(accuracies):.3f}",
            flush=True,
        )
    if options.javanese:
        corpus = Corpus("Javanese speech", tuple(read_javanese(options.javanese, ".flac")))
        print(score_table(both_corpora(judged, table, measure(corpus, options.set, options.jobs))))


if __name__ == "__main__":
    main()
