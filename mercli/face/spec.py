"""How a clip's face is measured: the frame network's contract, where it looks, and how its frames are pooled."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from mercli.face.contract import Contract

MEAN, STATS, RECURRENT = POOLINGS = ("mean", "stats", "recurrent")
"""How the frames of a face become one vector; see `mercli.face.pooling`."""


@dataclass(frozen=True, slots=True)
class FaceSpec:
    """Say how a face vector is made; a bundle records it.

    Parameters
    ----------
    classes : tuple of str
        The frame network's classes, in the order of its output.
    input_px : int
        The side of the grey square it takes.
    detector : str
        The detector that found the faces the clip classifier was trained on.
    margin : float or None
        The side of the crop as a multiple of the longer side of that detector's boxes; None for its own.
    embedding_size : int
        How many values the network's output ``embedding`` has; 0 where it has none.
    pooling : str
        One of `POOLINGS`.
    contract : Contract or None
        How to ask a network from elsewhere; None for one of mercli's own.
    """

    classes: tuple[str, ...]
    input_px: int = 48
    detector: str = "haar"
    margin: float | None = None
    embedding_size: int = 0
    pooling: str = STATS
    contract: Contract | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a specification back; a ValueError or TypeError says what is not understood."""
        contract = Contract.from_json(data["contract"]) if "contract" in data else None
        spec = cls(**{**data, "classes": tuple(data["classes"]), "contract": contract})
        names = spec.classes
        if type(data["classes"]) is not list or not all(isinstance(name, str) for name in names):
            raise TypeError(f"classes {data['classes']!r} of the face network")
        if not names or len(set(names)) < len(names):
            raise ValueError(f"classes {names} of the face network")
        if type(spec.input_px) is not int or not 8 <= spec.input_px <= 1024:
            raise ValueError(f"input_px {spec.input_px!r}")
        if not isinstance(spec.detector, str):
            raise TypeError(f"detector {spec.detector!r}")
        if spec.margin is not None and not (
            type(spec.margin) is float and math.isfinite(spec.margin) and 0.3 <= spec.margin <= 3
        ):
            raise ValueError(f"margin {spec.margin!r}")
        if type(spec.embedding_size) is not int or not 0 <= spec.embedding_size <= 4096:
            raise ValueError(f"embedding_size {spec.embedding_size!r}")
        if spec.pooling not in POOLINGS:
            raise ValueError(f"pooling {spec.pooling!r}")
        if contract and (contract.known, contract.size_px, 0) != (names, spec.input_px, spec.embedding_size):
            raise ValueError("a contract of the face network that says other than the rest")
        return spec

    def to_json(self) -> dict[str, Any]:
        """Give the specification as plain JSON values."""
        own = {**asdict(self), "classes": list(self.classes)}
        del own["contract"]  # a bundle without one reads as it always has
        return {**own, "contract": self.contract.to_json()} if self.contract else own
