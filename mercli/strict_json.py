"""JSON from strangers: what readers differ in is refused."""

import json
import math
from typing import Any


def loads(text: str | bytes) -> Any:
    """Read JSON.

    Parameters
    ----------
    text : str or bytes
        Of bytes, UTF-8.

    Returns
    -------
    object
        Plain values.

    Raises
    ------
    ValueError
        If it is no JSON, a key is given twice in one object, or a number is not finite.
    RecursionError
        If it is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_object, parse_constant=_finite, parse_float=_finite)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its keys and values; of a key given twice, readers differ in what they take."""
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is given twice in one object")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not finite")
    return value
