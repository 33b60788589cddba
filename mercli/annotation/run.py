"""A video judged, and written again with what is said of it: what `mercli annotate` does."""

from dataclasses import dataclass, replace
from pathlib import Path

from mercli.bundle import Bundle
from mercli.errors import MercliError, UsageError, sentence
from mercli.files import replaced_file
from mercli.limits import Limits
from mercli.result import Result
from mercli.setup import Setup
from mercli.viewing import in_worker

SUFFIXES = (".mp4", ".mkv", ".mov", ".webm")
"""Of the videos that are written."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """Say what became of a video.

    Parameters
    ----------
    result : Result
        What is said of it, with its timeline.
    n_frames : int
        Frames that were written.
    notes : tuple of str
        What was not read, and what was coded anew.
    """

    result: Result
    n_frames: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """Say what a worker is to do: small, so that it travels."""

    setup: Setup
    classes: tuple[str, ...]
    part: str
    suffix: str

    @property
    def limits(self) -> Limits:
        """What the file may cost."""
        return self.setup.limits

    @property
    def debug(self) -> bool:
        """Whether to show where an unforeseen error came from."""
        return self.setup.debug


def check_suffix(output: Path) -> None:
    """Raise a UsageError where no video of that name is written."""
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot tell the format of {output}: end its name in {', '.join(SUFFIXES)}")


def annotate(path: Path, output: Path, bundle: Bundle, setup: Setup) -> Annotated:
    """Judge a video and write it again with what is said of it, in a worker and within its limits.

    Parameters
    ----------
    path : Path
        The video.
    output : Path
        What to write, once it is whole; its suffix says in which format.
    bundle : Bundle
        The models.
    setup : Setup
        The same, for the worker.

    Returns
    -------
    Annotated
        What is said of it, and what was written.

    Raises
    ------
    UsageError
        If the output has another suffix, or cannot be written.
    MercliError
        If the video has no picture, gives no answer, cannot be read, or passes a limit.
    KeyboardInterrupt
        When asked to end; nothing is written then.
    """
    check_suffix(output)
    setup = replace(setup, timeline=True)
    with replaced_file(output) as part:
        order = Order(setup, bundle.classes, str(part.resolve()), output.suffix.lower())
        done = in_worker(_annotate_one, path, order, prepare=_start)
        if isinstance(done, str):
            raise MercliError(f"{path}: {done}")
    return done


# What only workers run is imported where it runs.
def _start(order: Order, first: bool) -> None:
    from mercli.pipeline import start_worker

    start_worker(order.setup, first)


def _annotate_one(path: Path, setup: Order) -> Annotated | str:
    """Give what was written, or why nothing was."""
    try:
        return _annotate(path, setup)
    except Exception as error:
        return sentence(error, debug=setup.debug)


def _annotate(path: Path, order: Order) -> Annotated | str:
    from mercli.annotation.overlay import Overlay
    from mercli.annotation.recording import Recording
    from mercli.annotation.rewriting import FORMATS, rewrite
    from mercli.pipeline import view_file

    max_pixels = order.limits.max_pixels
    Recording(path, max_pixels=max_pixels).close()  # before it is judged: whether there is a picture at all
    view = view_file(path, order.setup)
    result = view.result
    if result.fused is None:
        return f"nothing can be said of it: {result.error}"
    written = rewrite(
        path,
        Path(order.part),
        FORMATS[order.suffix],
        lambda ground: Overlay(view, order.classes, ground),
        max_pixels=max_pixels,
    )
    notes = [result.error, written.damage if written.damage and not result.evidence.damage else None]
    notes += [f"its sound ({codec}) was coded anew" for codec in written.transcoded]
    return Annotated(result, written.n_frames, tuple(note for note in notes if note))
