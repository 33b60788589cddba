"""From a labelled corpus to honest numbers: what `mercli evaluate` does."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mercli.bundle import Bundle
from mercli.corpora import Corpus
from mercli.emotions import ordered
from mercli.errors import CorpusError, UsageError
from mercli.evaluation import original, ranking
from mercli.evaluation.judged import Judged
from mercli.evaluation.rounds import (
    ORIGINAL,
    Answers,
    Protocol,
    Round,
    describe,
    divide,
    fit_sizes,
    judge_rounds,
    rounds,
)
from mercli.evaluation.scores import Scores
from mercli.evaluation.verdict import Evaluation
from mercli.evidence import Evidence
from mercli.fitting import with_detector
from mercli.fusion import JOINT
from mercli.setup import Setup
from mercli.survey import Survey, observe
from mercli.training import Recipe

_FEW_SPEAKERS = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """Say how an evaluation is to be made, beside what is tested.

    Parameters
    ----------
    jobs : int
        Worker processes.
    seed : int
        Of every draw.
    ranked : bool
        Whether to rank the features of the voice.
    on_file : callable
        Told of each file as it is measured.
    on_round : callable
        Told of each fold or draw as its bundle is trained.
    """

    jobs: int
    seed: int = 0
    ranked: bool = False
    on_file: Callable[[Evidence], None] = lambda _: None
    on_round: Callable[[], None] = lambda: None


def seen_speakers(corpus: Corpus, bundle: Bundle) -> tuple[str, ...]:
    """Name the speakers of a corpus that a bundle was fitted on."""
    known = bundle.training.get("speakers")
    if not isinstance(known, list):
        return ()
    return tuple(sorted(set(corpus.speakers) & {name for name in known if isinstance(name, str)}))


def without_speakers(corpus: Corpus, speakers: Collection[str]) -> Corpus:
    """Give a corpus without some of its speakers, or raise a UsageError where nobody is left."""
    left = tuple(example for example in corpus.examples if example.speaker not in speakers)
    if not left:
        raise UsageError(
            f"every speaker of {corpus.name} is one that the bundle was fitted on: nobody is left to test"
        )
    return replace(corpus, examples=left)


def refuse_seen(corpus: Corpus, bundle: Bundle) -> None:
    """Raise a UsageError if a bundle was fitted on speakers of a corpus."""
    if seen := seen_speakers(corpus, bundle):
        raise UsageError(
            f"{bundle.label} was fitted on {_some(seen)} of {corpus.name}: its score on them says nothing about "
            "others. --leave-out-seen tests on the other speakers, --allow-seen on all; if they are other people, "
            "give them other names in a manifest"
        )


def evaluate_bundle(
    corpus: Corpus, bundle: Bundle, setup: Setup, wish: Wish, *, left_out: Collection[str] = ()
) -> Evaluation:
    """Test a fitted bundle on a corpus; where it was fitted on speakers of it, the evaluation says so plainly.

    Parameters
    ----------
    corpus : Corpus
        Labelled clips, over classes of the bundle.
    bundle : Bundle
        What is tested.
    setup : Setup
        The same, for the workers.
    wish : Wish
        How.
    left_out : collection of str
        Speakers that are not in it any more, because the bundle was fitted on them.

    Returns
    -------
    Evaluation
        Of all clips that are of use.

    Raises
    ------
    CorpusError
        If no file is of use.
    """
    seen = seen_speakers(corpus, bundle)
    survey = observe(corpus, setup, jobs=wish.jobs, on_file=wish.on_file)
    table = survey.table
    classes = ordered((*bundle.classes, *table.labels))
    whole = Round(bundle, np.arange(len(table.labels)))
    found = _conclude(
        survey,
        judge_rounds([whole], table, classes),
        classes,
        protocol="bundle",
        how=f"The bundle {bundle.label} judged every clip. Intervals: 95 %, bootstrap over speakers.",
        seed=wish.seed,
    )
    warnings = [_seen_warning(seen)] if seen else []
    if not isinstance(bundle.training.get("speakers"), list):
        warnings.append(
            f"{bundle.label} does not say who it was fitted on: whether it knows these speakers is open."
        )
    if left_out:
        warnings.append(f"{len(left_out)} speakers that the bundle was fitted on were left out.")
    if wish.ranked and bundle.voice is not None:
        found = replace(found, ranking=ranking.rank(table, bundle.voice_spec, [whole], seed=wish.seed))
    warnings += [*found.warnings, *_left_out(corpus)]
    return replace(found, corpus=corpus.name, bundle=bundle.label, seen=seen, warnings=tuple(warnings))


def evaluate_protocol(
    corpus: Corpus, base: Bundle, setup: Setup, protocol: Protocol, recipe: Recipe, wish: Wish
) -> Evaluation:
    """Train and test bundles on a corpus, nobody judged by one that knows the speaker.

    Parameters
    ----------
    corpus : Corpus
        Labelled clips.
    base : Bundle
        The front end.
    setup : Setup
        The same, for the workers.
    protocol : Protocol
        Who trains and who tests.
    recipe : Recipe
        How the classifiers are made.
    wish : Wish
        How.

    Returns
    -------
    Evaluation
        Of all clips that were tested.

    Raises
    ------
    UsageError
        If there are too few speakers.
    CorpusError
        If there is too little to train on, or to test on.
    """
    protocol = fit_sizes(protocol, len(corpus.speakers))
    setup = replace(setup, altered=True, sequences=recipe.fusion == JOINT)
    survey = observe(corpus, setup, jobs=wish.jobs, on_file=wish.on_file)
    table = survey.table
    base = with_detector(base, setup)
    made = []
    trained = rounds(table, base, protocol, seed=wish.seed, recipe=recipe, speakers=corpus.speakers)
    for each in trained:
        made.append(each)
        wish.on_round()
    if not made:
        raise CorpusError("nothing to test: with one speaker's clips of use nobody is left to train on")
    classes = ordered((*table.labels, *(name for each in made for name in each.bundle.classes)))
    found = _conclude(
        survey,
        judge_rounds(made, table, classes),
        classes,
        protocol=protocol.name,
        how=describe(protocol, table, seed=wish.seed),
        seed=wish.seed,
    )
    warnings = [*found.warnings, *_left_out(corpus)]
    if protocol.name == ORIGINAL:
        found = replace(found, published=original.PUBLISHED)
        if len(corpus.speakers) < original.N_SPEAKERS:
            sizes = "/".join(map(str, protocol.sizes or ()))
            few = f"The original had {original.N_SPEAKERS} actors, here are {len(corpus.speakers)}"
            warnings.insert(0, f"{few}: {sizes} in place of 8/12/4.")
    if wish.ranked:
        found = replace(found, ranking=ranking.rank(table, recipe.voice, made, seed=wish.seed))
    return replace(found, corpus=corpus.name, warnings=tuple(warnings))


def n_rounds(corpus: Corpus, protocol: Protocol, *, seed: int) -> int:
    """Say how many bundles will be trained, if all files are of use."""
    if protocol.sizes is not None:
        return protocol.draws
    labels, speakers = zip(*((each.label, each.speaker) for each in corpus.examples), strict=True)
    return len(divide(labels, speakers, protocol, seed=seed))


def _conclude(
    survey: Survey, answers: Answers, classes: tuple[str, ...], *, protocol: str, how: str, seed: int
) -> Evaluation:
    """Score answers as a whole, in parts, and against chance."""
    judged = Judged.gather(answers, survey.examples, classes)
    if not judged.answers:
        raise CorpusError("nothing to score: no clip that was tested has what the models judge by")
    scores = judged.scores()
    return Evaluation(
        corpus="",
        n_clips=len(survey.examples),
        n_speakers=len(set(survey.table.speakers)),
        protocol=protocol,
        how=how,
        seed=seed,
        warnings=tuple(_warnings(survey, judged, scores)),
        classes=classes,
        scores=scores,
        groups=judged.groups(),
        majority=judged.majority(),
        permuted=judged.permuted(seed=seed),
        answers=tuple(judged.rows()),
        columns=judged.columns(),
    )


def _warnings(survey: Survey, judged: Judged, scores: Mapping[str, Scores]) -> Iterator[str]:
    """Say what keeps the numbers from being what they seem."""
    n_speakers = max(score.n_speakers for score in scores.values())
    if n_speakers < _FEW_SPEAKERS:
        few = "one speaker" if n_speakers == 1 else f"{n_speakers} speakers"
        yield f"Tested on {few} only: the numbers and their intervals say little about others."
    if len(set(judged.labels)) == 1:
        yield f"Every clip is labelled {judged.labels[0]}: how well classes are told apart is not seen."
    if survey.problems:
        path, reason = next(iter(survey.problems.items()))
        yield f"{len(survey.problems)} files are of no use and do not count, such as {path.name}: {reason}."
    if survey.damaged:
        path, reason = next(iter(survey.damaged.items()))
        yield f"{len(survey.damaged)} files count as far as they can be read, such as {path.name}: {reason}."
    if unanswered := judged.n_unanswered():
        yield f"{unanswered} clips got no answer and do not count."


def _left_out(corpus: Corpus) -> list[str]:
    return [f"{corpus.left_out} files of other classes were left out."] if corpus.left_out else []


def _seen_warning(seen: Sequence[str]) -> str:
    return f"SEEN SPEAKERS: the bundle was fitted on {_some(seen)}, who are tested: the numbers are too good."


def _some(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more speakers"
