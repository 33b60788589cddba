"""How good answers are: scores, their spread over speakers, what chance would score, for whom they hold."""

from mercli.evaluation.scores import Scores, calibration_error, score

__all__ = ["Scores", "calibration_error", "score"]
