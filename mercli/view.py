"""One file seen whole: its result, second by second, and where its main face was."""

from dataclasses import dataclass, field

from mercli.face.path import FacePath
from mercli.result import Result


@dataclass(frozen=True, slots=True)
class View:
    """Hold what is known of one file, to be shown.

    Parameters
    ----------
    result : Result
        What is said of it, with its timeline where the setup asks for one.
    face : FacePath
        Where the main face was; empty where there is none.
    """

    result: Result
    face: FacePath = field(default_factory=FacePath)
