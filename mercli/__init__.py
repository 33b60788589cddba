"""Emotions from the voice and the face of recorded people, a directory of videos at a time."""

import os

# ONNX Runtime reports its use to its makers unless this stands before it is imported, here and in every worker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
