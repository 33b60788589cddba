"""Emotions from the voice and the face of recorded people, a directory of videos at a time."""

import os

TYPE_CHECKING = False  # as type checkers understand it; `typing` takes longer to import than all of this
if TYPE_CHECKING:
    from mercli import errors
    from mercli.api import load_bundle, predict
    from mercli.bundle import Bundle
    from mercli.measurement import Features, features
    from mercli.predictions import Prediction, Predictions
    from mercli.result import Timeline
    from mercli.sheet import Sheet

# ONNX Runtime reports its use to its makers unless this stands before it is imported, here and in every worker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

__all__ = [
    "Bundle",
    "Features",
    "Prediction",
    "Predictions",
    "Sheet",
    "Timeline",
    "__version__",
    "errors",
    "features",
    "load_bundle",
    "predict",
]


if not TYPE_CHECKING:  # to a type checker, every name would be there

    def __getattr__(name: str) -> object:
        """Import what is asked for when it is asked for: every command and every worker begins here."""
        match name:
            case "load_bundle" | "predict":
                from mercli import api as home
            case "Features" | "features":
                from mercli import measurement as home
            case "Prediction" | "Predictions":
                from mercli import predictions as home
            case "Bundle":
                from mercli import bundle as home
            case "Sheet":
                from mercli import sheet as home
            case "Timeline":
                from mercli import result as home
            case "errors":
                import mercli.errors

                return mercli.errors
            case _:
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, getattr(home, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
