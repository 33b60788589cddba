"""From a labelled corpus to honest numbers: what `mercli evaluate` does."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mercli.bundle import Bundle
from mercli.corpora import Corpus
from mercli.emotions import ordered
from mercli.errors import CorpusError, UsageError
from mercli.evaluation import caveats, original, ranking
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
from mercli.evaluation.verdict import Evaluation
from mercli.evidence import Evidence
from mercli.fingerprint import identity
from mercli.fitting import with_detector
from mercli.fusion import JOINT
from mercli.setup import Setup
from mercli.survey import Survey, observe
from mercli.training import Recipe
from mercli.wording import count, name_some


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
    """Name the speakers of a corpus that a bundle was fitted on: by their names, or by a recording of theirs."""
    names, recordings = _recorded(bundle, "speakers"), _recorded(bundle, "recordings")
    return tuple(
        sorted(
            {
                example.speaker
                for example in corpus.examples
                if example.speaker in names or (recordings and identity(example.path) in recordings)
            }
        )
    )


def _recorded(bundle: Bundle, what: str) -> frozenset[str]:
    """Give the names that a bundle's training record has under a heading."""
    known = bundle.training.get(what)
    is_record = isinstance(known, list) and all(isinstance(name, str) for name in known)
    return frozenset(known) if known and is_record else frozenset()


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
            f"{bundle.label} was fitted on {name_some(seen, 'speaker')} of {corpus.name}, by name or by a "
            "recording: its score on them says nothing about others. --leave-out-seen tests on the other "
            "speakers, --allow-seen on all; if they are other people, give them other names in a manifest"
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
        how=_say_who_is_new(bundle, seen),
        seed=wish.seed,
    )
    warnings = [caveats.of_seen(seen)] if seen else []
    if not _recorded(bundle, "speakers"):
        warnings.append(f"{bundle.label} does not say who it was fitted on: it may know these speakers.")
    if left_out:
        warnings.append(f"{count(len(left_out), 'speaker', 'that the bundle was fitted on')} left out.")
    if wish.ranked and bundle.voice is not None:
        found = replace(found, ranking=ranking.rank(table, bundle.voice_spec, [whole], seed=wish.seed))
    warnings += [*found.warnings, *caveats.of_corpus(corpus)]
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
    warnings = [*caveats.of_rounds(made), *found.warnings, *caveats.of_corpus(corpus)]
    tested = np.unique(np.concatenate([each.tested for each in made]))
    if len(tested) < len(table.labels):
        n_speakers = len({table.speakers[i] for i in tested})
        found = replace(
            found, how=f"{found.how} Tested: {count(len(tested), 'clip')} of {count(n_speakers, 'speaker')}."
        )
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
        warnings=tuple(caveats.of_answers(survey, judged, scores)),
        classes=classes,
        scores=scores,
        groups=judged.groups(),
        majority=judged.majority(),
        permuted=judged.permuted(seed=seed),
        answers=tuple(judged.rows()),
        columns=judged.columns(),
    )


def _say_who_is_new(bundle: Bundle, seen: Sequence[str]) -> str:
    """Say how a bundle was tested, and how it was made sure that it knows nobody."""
    how = f"The bundle {bundle.label} judged every clip."
    if not seen and (n := len(_recorded(bundle, "speakers"))):
        by = "name or by a recording" if _recorded(bundle, "recordings") else "name"
        how += f" No speaker is among the {n} that it was fitted on, by {by}."
    return f"{how} Intervals: 95 %, bootstrap over speakers."
