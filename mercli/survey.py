"""Every file of a labelled corpus, measured."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mercli import batch, kernel_cache
from mercli.corpora import Corpus, Example
from mercli.errors import CorpusError
from mercli.evidence import Evidence
from mercli.pipeline import observe_file, start_worker
from mercli.setup import Setup
from mercli.table import Table
from mercli.worker import Lost


@dataclass(frozen=True, slots=True)
class Survey:
    """Hold what a corpus gave.

    Parameters
    ----------
    table : Table
        The files in which something was seen or heard.
    examples : tuple of Example
        These files, one a row of the table.
    problems : dict of Path to str
        Those in which nothing was, with the reason.
    damaged : dict of Path to str
        Those of the table that could not be read whole, with the reason.
    """

    table: Table
    examples: tuple[Example, ...]
    problems: dict[Path, str]
    damaged: dict[Path, str]


def observe(
    corpus: Corpus, setup: Setup, *, jobs: int, on_file: Callable[[Evidence], None] = lambda _: None
) -> Survey:
    """Measure every file of a corpus, in workers.

    Parameters
    ----------
    corpus : Corpus
        The files and their labels.
    setup : Setup
        The front end.
    jobs : int
        Worker processes.
    on_file : callable
        Told of each file as it is done.

    Returns
    -------
    Survey
        All that was found.

    Raises
    ------
    CorpusError
        If no file is of use.
    """
    found: list[Evidence] = [Evidence()] * len(corpus.examples)
    paths = [example.path for example in corpus.examples]
    kernel_cache.settle()
    measured = batch.run_with(observe_file, paths, setup, prepare=start_worker, jobs=jobs)
    for index, outcome in measured:
        if isinstance(outcome, Lost):
            evidence = Evidence(missing=(f"{outcome.status}: {outcome.reason}",))
        else:
            evidence = outcome
        found[index] = evidence
        on_file(evidence)
    useful, kept, problems, damaged = [], [], {}, {}
    for example, evidence in zip(corpus.examples, found, strict=True):
        if evidence.voice is None and evidence.face is None and evidence.words is None:
            problems[example.path] = "; ".join(evidence.missing) or "nothing in it"
        else:
            useful.append((evidence, example.label, example.speaker))
            kept.append(example)
            if evidence.damage:
                damaged[example.path] = evidence.damage
    if not useful:
        (reason, times), *_ = Counter(problems.values()).most_common(1)
        path = next(path for path, why in problems.items() if why == reason)
        raise CorpusError(
            f"none of the {len(problems)} files is of use; {times} of them, such as {path.name}: {reason}"
        )
    evidence_, labels, speakers = zip(*useful, strict=True)
    return Survey(Table(evidence_, labels, speakers), tuple(kept), problems, damaged)
