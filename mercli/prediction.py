"""From files to the rows of a table: what `mercli predict` does."""

import functools
from collections.abc import Callable, Sequence

from mercli import batch, tables
from mercli.bundle import Bundle
from mercli.face.detect import kind_of
from mercli.inputs import Input
from mercli.judge import Result
from mercli.pipeline import Setup, predict_file, warm_up
from mercli.tables import Row


def predict(
    inputs: Sequence[Input],
    bundle: Bundle,
    setup: Setup,
    *,
    jobs: int,
    on_result: Callable[[Result], None] = lambda _: None,
) -> list[Row]:
    """Predict files.

    Parameters
    ----------
    inputs : sequence of Input
        The files and their names.
    bundle : Bundle
        The models.
    setup : Setup
        The same, for the workers.
    jobs : int
        Worker processes.
    on_result : callable
        Told of each result as it comes.

    Returns
    -------
    list of dict
        A row a file, in the order of `inputs` whatever `jobs` is; `mercli.tables.columns` names the cells.
    """
    label = _label(bundle, setup)
    warm_up(setup)
    work = functools.partial(predict_file, setup=setup)
    rows: list[Row] = [{}] * len(inputs)
    for index, result in batch.run(work, [item.path for item in inputs], jobs=jobs):
        rows[index] = tables.row(inputs[index].name, result, bundle.classes, label)
        on_result(result)
    return rows


def _label(bundle: Bundle, setup: Setup) -> str:
    """Name the bundle, and the face detector where it is not the one the bundle was trained behind."""
    detector = kind_of(setup.detector)
    if bundle.face is None or "face" not in setup.modalities or bundle.face.spec.detector == detector:
        return bundle.label
    return f"{bundle.label}+{detector}"
