"""From files to the rows of a journal: what `mercli predict` does."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import mercli
from mercli import batch, kernel_cache, tables, trust
from mercli.bundle import Bundle
from mercli.clock import WRITE, Clock
from mercli.errors import MercliError
from mercli.evidence import Evidence
from mercli.face.choice import HAAR, kind_of
from mercli.files import sha256
from mercli.inputs import Input
from mercli.journal import Journal, Origin
from mercli.profile import Profile
from mercli.result import Result
from mercli.setup import Setup
from mercli.sources import Source, local, state_of
from mercli.worker import Lost

if TYPE_CHECKING:
    from mercli.cluster import Engine


@dataclass(frozen=True, slots=True)
class Plan:
    """Say what of a run is left to do.

    Parameters
    ----------
    todo : tuple of Input
        Files to read.
    done : int
        Files that the journal holds.
    anew : int
        How many of `todo` have rows that no longer hold: the file, the bundle, an option or mercli changed, or
        it gave no answer for a reason that does not lie in the file.
    """

    todo: tuple[Input, ...]
    done: int
    anew: int


def plan(inputs: Sequence[Input], bundle: Bundle, setup: Setup, journal: Journal) -> Plan:
    """See which files an earlier run has done.

    Parameters
    ----------
    inputs : sequence of Input
        All files.
    bundle : Bundle
        The models.
    setup : Setup
        The same, for the workers.
    journal : Journal
        What the earlier run left.

    Returns
    -------
    Plan
        For `predict`.
    """
    recipe = _recipe(bundle, setup)
    todo = tuple(
        item
        for item in inputs
        if not (
            journal.holds(item.name)
            and journal.holds_good(item.name, _origin(_seen(item.path, setup), recipe, setup))
        )
    )
    return Plan(todo, len(inputs) - len(todo), sum(journal.holds(item.name) for item in todo))


def predict(
    inputs: Sequence[Input],
    bundle: Bundle,
    setup: Setup,
    journal: Journal,
    *,
    jobs: int,
    on_result: Callable[[Result], None] = lambda _: None,
    profile: Profile | None = None,
    engine: "Engine | None" = None,
) -> None:
    """Predict files; what a file gives is in the journal before `on_result` is told of it.

    Parameters
    ----------
    inputs : sequence of Input
        The files and their names.
    bundle : Bundle
        The models.
    setup : Setup
        The same, for the workers.
    journal : Journal
        Where the rows go.
    jobs : int
        Worker processes; on a cluster 0 is for as many as there are.
    on_result : callable
        Told of each result as it comes.
    profile : Profile, optional
        What is told of the time each file takes; the setup has to ask for it.
    engine : Engine, optional
        The cluster to spread the work over; without one it is done on this machine.

    Raises
    ------
    MercliError
        If the journal cannot be written on, or no worker can start.
    KeyboardInterrupt
        When asked to end.
    """
    label, recipe = _label(bundle, setup), _recipe(bundle, setup)
    run = _spread([item.path for item in inputs], bundle, setup, jobs, engine)
    # Closed here: who keeps an error that is raised below, as notebooks do, would keep the workers with it.
    with contextlib.closing(run) as finished:
        for index, outcome in finished:
            if isinstance(outcome, Lost):
                seen, result = None, Result(outcome.status, Evidence(), error=outcome.reason)
            else:
                seen, result = outcome
            name = inputs[index].name
            clock = Clock()
            with clock(WRITE):
                journal.append(
                    name,
                    _origin(seen, recipe, setup),
                    tables.rows(
                        name,
                        result,
                        bundle.classes,
                        label,
                        with_profile=setup.profile,
                        with_words="words" in setup.modalities,
                    ),
                    tables.seconds(result.timeline),
                )
            if profile is not None:
                profile.add(name, result.spent, clock.spent[WRITE])
            on_result(result)


def _spread(
    paths: Sequence[Source], bundle: Bundle, setup: Setup, jobs: int, engine: "Engine | None"
) -> Generator[tuple[int, tuple[str | None, Result] | Lost], None, None]:
    if engine is not None:
        from mercli import cluster

        return cluster.run_with(engine, _predict_one, paths, setup, prepare=_start, jobs=jobs)
    kernel_cache.settle()
    is_tried = trust.is_known(bundle) and (kernel_cache.is_filled() or "voice" not in setup.modalities)
    is_tried = is_tried and setup.face_network is None
    return batch.run_with(_predict_one, paths, setup, prepare=_start, jobs=jobs, first_alone=not is_tried)


# What only workers run is imported where it runs.
def _start(setup: Setup, first: bool) -> None:
    from mercli.pipeline import start_worker

    start_worker(setup, first)


def _predict_one(source: Source, setup: Setup) -> tuple[str | None, Result]:
    from mercli.pipeline import predict_file

    seen = _seen(source, setup)  # before it is read: what changes meanwhile is then read again
    try:
        with local(source) as path:
            lacks = _fetch_transcript(source, path, setup)
            result = predict_file(path, setup)
    except MercliError as error:  # it could not be fetched, which says nothing of the file
        result = Result("failed", Evidence(), error=str(error), passing=True)
    else:
        if lacks is not None:
            status = "partial" if result.status == "ok" else result.status
            said = "; ".join(filter(None, (result.error, lacks)))
            result = replace(result, status=status, error=said, passing=True)
    return None if result.passing else seen, result


def _fetch_transcript(source: Source, path: Path, setup: Setup) -> str | None:
    """Put the transcript of a file that was fetched beside it; say why there is none although one was listed."""
    if isinstance(source, Path) or "words" not in setup.modalities:
        return None
    from mercli.words import beside

    return beside.fetch(source, path, setup.language)


def _seen(source: Source, setup: Setup) -> str | None:
    """Give a short text that changes when a file does, or the transcript that belongs to it."""
    seen = state_of(source)
    if seen is None or "words" not in setup.modalities:
        return seen
    from mercli.words import beside

    return f"{seen}+{beside.state(source, setup.language)}"


def _origin(seen: str | None, recipe: str, setup: Setup) -> Origin:
    return Origin(seen, recipe, (setup.limits.max_duration_s, setup.limits.max_pixels))


def _recipe(bundle: Bundle, setup: Setup) -> str:
    detector = setup.detector
    if detector != HAAR and "face" in setup.modalities:
        detector = sha256(Path(detector).read_bytes())
    parts: list[object] = [
        mercli.__version__,
        bundle.digest,
        setup.modalities,
        detector,
        setup.all_faces,
        setup.timeline,
    ]
    parts += [setup.profile, setup.frame_rate_hz]
    if setup.face_network:
        parts += [setup.face_network.name, setup.face_network.sha256, setup.face_network.contract.to_json()]
    if "words" in setup.modalities:
        heard_by = setup.transcribe and state_of(Path(setup.transcribe, "model.bin"))
        parts += [setup.words_wanted, heard_by]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _label(bundle: Bundle, setup: Setup) -> str:
    """Name the bundle, a network in place of its own, and the face detector where it is not that of training."""
    detector = kind_of(setup.detector)
    if setup.face_network:
        suffix = f"+{detector}" if detector != (setup.face_network.contract.detector or HAAR) else ""
        return f"{bundle.label}+{setup.face_network.label}{suffix}"
    if bundle.face is None or "face" not in setup.modalities or bundle.face.spec.detector == detector:
        return bundle.label
    return f"{bundle.label}+{detector}"
