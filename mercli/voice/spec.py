"""How a clip's sound becomes what a classifier is asked about."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from mercli.formats import SAMPLE_RATE_HZ
from mercli.voice.encoder_spec import EncoderSpec

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
    encoder : EncoderSpec or None
        The speech network of the set ``encoder``; of another set there is none.
    """

    feature_set: str = "original-34"
    window_s: float = 0.05
    hop_s: float = 0.05
    mid_window_s: float = 1.0
    mid_hop_s: float = 1.0
    encoder: EncoderSpec | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a specification back; a ValueError says what is not understood."""
        from mercli.voice.sets import NAMES  # which imports this module

        spec = cls(**data)
        if "encoder" in data:
            spec = replace(spec, encoder=EncoderSpec.from_json(data["encoder"]))
        if spec.feature_set not in NAMES:
            raise ValueError(f"unknown voice feature set {spec.feature_set!r}")
        for name in (field.name for field in fields(cls) if field.type is float):
            value = getattr(spec, name)
            if type(value) not in (int, float) or not 0.001 <= value <= 60:
                raise ValueError(f"{name} {value!r} is no span of 0.001 to 60 s")
        if round(spec.window_s * SAMPLE_RATE_HZ) < _SHORTEST_WINDOW:
            raise ValueError(f"window_s {spec.window_s!r} is shorter than {_SHORTEST_WINDOW} samples")
        if (spec.feature_set == "encoder") != (spec.encoder is not None):
            raise ValueError(f"an encoder is given or missing for the voice feature set {spec.feature_set!r}")
        if spec.feature_set == MERCLI_1.feature_set and spec != MERCLI_1:
            raise ValueError(f"the windows of mercli-1 are fixed; found {spec}")
        if spec.encoder is not None and spec.window_s > 1:
            raise ValueError(f"window_s {spec.window_s!r} of an encoder is no span of 0.001 to 1 s")
        return spec

    def to_json(self) -> dict[str, Any]:
        """Give the specification as plain JSON values."""
        data = asdict(self)
        return data if self.encoder else {key: value for key, value in data.items() if key != "encoder"}


MERCLI_1 = VoiceSpec("mercli-1", window_s=0.025, hop_s=0.010, mid_window_s=10.0, mid_hop_s=10.0)
"""How a voice is measured unless told otherwise."""
