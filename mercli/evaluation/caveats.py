"""What keeps the numbers of an evaluation from being what they seem, a sentence each."""

from collections.abc import Iterator, Mapping, Sequence

from mercli.corpora import Corpus
from mercli.evaluation.judged import Judged
from mercli.evaluation.rounds import Round
from mercli.evaluation.scores import Scores
from mercli.survey import Survey
from mercli.wording import count, name_some

_FEW_SPEAKERS = 5


def of_seen(seen: Sequence[str]) -> str:
    """Say that a bundle was tested on whom it knows."""
    some = name_some(seen, "speaker")
    return f"SEEN SPEAKERS: the bundle was fitted on speakers that are tested ({some}): the numbers are too good."


def of_rounds(made: Sequence[Round]) -> Iterator[str]:
    """Say in how many rounds nothing could be learnt of how voice and face go together."""
    both = [each.bundle for each in made if each.bundle.voice and each.bundle.face]
    if n := sum(bundle.fusion is None for bundle in both):
        some = f"{n} of {len(made)} rounds"
        yield f"In {some} too few clips have voice and face to train the fusion: both are averaged."


def of_answers(survey: Survey, judged: Judged, scores: Mapping[str, Scores]) -> Iterator[str]:
    """Say what keeps the numbers from being what they seem."""
    for n_speakers in sorted({score.n_speakers for score in scores.values()}):
        if n_speakers < _FEW_SPEAKERS:
            some = [what for what, score in scores.items() if score.n_speakers == n_speakers]
            whose = f"{' and '.join(some)}: tested" if len(some) < len(scores) else "Tested"
            few = "one speaker" if n_speakers == 1 else f"{n_speakers} speakers"
            yield f"{whose[0].upper()}{whose[1:]} on {few} only: the numbers say little about others."
    if len(set(judged.labels)) == 1:
        yield f"Every clip is labelled {judged.labels[0]}: how well classes are told apart is not seen."
    if survey.problems:
        path, reason = next(iter(survey.problems.items()))
        n = count(len(survey.problems), "file", "of no use")
        yield f"{n} left out, such as {path.name}: {reason}."
    if survey.damaged:
        path, reason = next(iter(survey.damaged.items()))
        n = count(len(survey.damaged), "file")
        yield f"{n} used as far as can be read, such as {path.name}: {reason}."
    if unanswered := judged.n_unanswered():
        yield f"Without an answer, so not counted: {count(unanswered, 'clip')}."


def of_corpus(corpus: Corpus) -> Iterator[str]:
    """Say which files of a corpus were not taken as they are."""
    if corpus.left_out:
        yield f"{count(corpus.left_out, 'file', 'of other classes')} left out."
    if corpus.repeated:
        yield f"{count(corpus.repeated, 'file')} not taken, for another holds the same utterance."
    if corpus.calm:
        yield f"{count(corpus.calm, 'file', 'of calm')} counted as neutral."
