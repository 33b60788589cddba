"""How a clip's sound becomes what a classifier is asked about."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from mercli.media import SAMPLE_RATE_HZ

_SHORTEST_WINDOW = 20  # samples: mercli_kernels has features of no shorter one


@dataclass(frozen=True, slots=True)
class VoiceSpec:
    """Say how a voice is measured; a bundle records it.

    Parameters
    ----------
    feature_set : str
        The name of the set, one of `mercli.voice.sets.NAMES`.
    window_s, hop_s : float
        Short-term window and hop, in seconds.
    mid_window_s, mid_hop_s : float
        Mid-term window and hop, in seconds.
    """

    feature_set: str = "original-34"
    window_s: float = 0.05
    hop_s: float = 0.05
    mid_window_s: float = 1.0
    mid_hop_s: float = 1.0

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a specification back; a ValueError says what is not understood."""
        from mercli.voice.sets import NAMES  # which imports this module

        spec = cls(**data)
        if spec.feature_set not in NAMES:
            raise ValueError(f"unknown voice feature set {spec.feature_set!r}")
        for name in (field.name for field in fields(cls) if field.name != "feature_set"):
            value = getattr(spec, name)
            if type(value) not in (int, float) or not 0.001 <= value <= 60:
                raise ValueError(f"{name} {value!r} is no span of 0.001 to 60 s")
        if round(spec.window_s * SAMPLE_RATE_HZ) < _SHORTEST_WINDOW:
            raise ValueError(f"window_s {spec.window_s!r} is shorter than {_SHORTEST_WINDOW} samples")
        return spec

    def to_json(self) -> dict[str, Any]:
        """Give the specification as plain JSON values."""
        return asdict(self)
