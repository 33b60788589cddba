"""What a face network from elsewhere takes and gives: the small JSON file that makes it usable."""

import math
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from mercli import emotions

NCHW, NHWC = LAYOUTS = ("NCHW", "NHWC")
"""The order of a batch's axes: pictures, channels, rows and columns; or the channels last."""

PROBABILITIES, LOGITS = OUTPUTS = ("probabilities", "logits")
"""What a network gives for each class; logits become probabilities by softmax."""

DETECTORS = ("haar", "yunet")
"""Those whose boxes a margin may refer to."""

_CONTEMPT = "contempt"  # FER+ has it; mercli's vocabulary does not
_LARGEST_PX = 512
_LARGEST = 1e6  # of a mean or a deviation
_LEAST_STD = 1e-6
_LONGEST_TEXT = 500  # characters
_MOST_CLASSES = 100


@dataclass(frozen=True, slots=True)
class Contract:
    """Say how to ask a face network, and how to read its answer.

    A crop's grey values, 0 to 255, are given to it as ``(value - mean) / std``.

    Parameters
    ----------
    size_px : int
        The side of the square it takes.
    channels : int
        1 for grey; 3 for colour, each of which is given the grey values.
    layout : str
        One of `LAYOUTS`.
    mean, std : tuple of float
        One a channel, in the order of its channels.
    output : str
        One of `OUTPUTS`.
    classes : tuple of str or None
        A class for each value of its answer; None for one that mercli leaves out.
    output_name : str or None
        The output that holds the answer; None for the only one.
    detector : str or None
        The face detector, one of `DETECTORS`, that `margin` is meant for.
    margin : float or None
        The side of the crop as a multiple of the longer side of that detector's boxes; None for its own.
    licence, source : str or None
        Its terms, and where it is from.
    """

    size_px: int
    channels: int
    layout: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    output: str
    classes: tuple[str | None, ...]
    output_name: str | None = None
    detector: str | None = None
    margin: float | None = None
    licence: str | None = None
    source: str | None = None

    @property
    def known(self) -> tuple[str, ...]:
        """Name the classes it tells apart, in the order of its answer, each once."""
        return tuple(dict.fromkeys(name for name in self.classes if name is not None))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Give the shape of one picture as the network takes it."""
        side = self.size_px
        return (side, side, self.channels) if self.layout == NHWC else (self.channels, side, side)

    def within(self, classes: Iterable[str]) -> Self:
        """Leave out the classes that are outside `classes`; calm may count as neutral, and is then added to it."""
        wanted = tuple(classes)
        kept = tuple(None if name is None else emotions.within(name, wanted) for name in self.classes)
        return replace(self, classes=kept)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read a contract; a ValueError says, as a phrase, what is wrong with it."""
        if not isinstance(data, dict):
            raise ValueError("it is no JSON object")
        names = [field.name for field in fields(cls)]
        needed = names[: names.index("output_name")]
        if strange := [key for key in data if key not in names]:
            raise ValueError(f"there is no key {_said(strange[0])}; there are {', '.join(names)}")
        if absent := [name for name in needed if name not in data]:
            raise ValueError(f"{absent[0]} is missing")
        size_px = data["size_px"]
        if type(size_px) is not int or not 8 <= size_px <= _LARGEST_PX:
            raise ValueError(f"size_px is {_said(size_px)}; a whole number from 8 to {_LARGEST_PX} was expected")
        channels = data["channels"]
        if type(channels) is not int or channels not in (1, 3):
            raise ValueError(f"channels is {_said(channels)}; 1 or 3 was expected")
        detector, margin = _one_of(data, "detector", DETECTORS, optional=True), _margin(data.get("margin"))
        if (detector is None) != (margin is None):
            raise ValueError("detector and margin go together: a margin is of the boxes of one detector")
        return cls(
            size_px,
            channels,
            str(_one_of(data, "layout", LAYOUTS)),
            _numbers(data["mean"], "mean", channels, -_LARGEST),
            _numbers(data["std"], "std", channels, _LEAST_STD),
            str(_one_of(data, "output", OUTPUTS)),
            _classes(data["classes"]),
            _text(data, "output_name"),
            detector,
            margin,
            _text(data, "licence"),
            _text(data, "source"),
        )

    def to_json(self) -> dict[str, Any]:
        """Give the contract as plain JSON values, without what it leaves open."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        listed = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {name: value for name, value in listed.items() if value is not None}


def _classes(names: Any) -> tuple[str | None, ...]:
    if not isinstance(names, list) or not 2 <= len(names) <= _MOST_CLASSES:
        raise ValueError(f"classes is {_said(names)}; a list of two names or more was expected")
    found = tuple(_class(name) for name in names)
    known = [name for name in found if name is not None]
    if twice := [name for name in known if known.count(name) > 1]:
        raise ValueError(f"two of the classes are {twice[0]}")
    if len(known) < 2:
        raise ValueError(f"fewer than two of the classes are among {', '.join(emotions.ALL)}")
    return found


def _class(name: Any) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str):
        raise ValueError(f"a class is {_said(name)}; a name or null was expected")
    if name.strip().lower() == _CONTEMPT:
        return None
    found = emotions.canonical(name)
    if found is None:
        raise ValueError(
            f"no class {_said(name)}; there are {', '.join(emotions.ALL)}, and null for one to leave out"
        )
    return found


def _numbers(values: Any, name: str, channels: int, least: float) -> tuple[float, ...]:
    numbers = values if isinstance(values, list) else ()
    if len(numbers) != channels or not all(_is_number(value, least, _LARGEST) for value in numbers):
        each = "one number" if channels == 1 else f"{channels} numbers, one a channel,"
        limits = f"from {least:g} to {_LARGEST:g}"
        raise ValueError(f"{name} is {_said(values)}; a list of {each} {limits} was expected")
    return tuple(float(value) for value in numbers)


def _margin(value: Any) -> float | None:
    if value is None:
        return None
    if not _is_number(value, 0.3, 3):
        raise ValueError(f"margin is {_said(value)}; a number from 0.3 to 3 was expected")
    return float(value)


def _is_number(value: Any, least: float, most: float) -> bool:
    return type(value) in (int, float) and least <= value <= most and math.isfinite(value)


def _one_of(data: dict[str, Any], name: str, known: tuple[str, ...], *, optional: bool = False) -> str | None:
    value = data.get(name)
    if value is None and optional:
        return None
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} is {_said(value)}; {' or '.join(known)} was expected")
    return value


def _text(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST_TEXT:
        raise ValueError(f"{name} is {_said(value)}; a line of text was expected")
    return value


def _said(value: Any) -> str:
    """Show a stranger's value in a sentence: short, and nothing in it steers a terminal."""
    return reprlib.repr(value)
