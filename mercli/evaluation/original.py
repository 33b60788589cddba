"""The published student system that mercli started from: its protocol, its recipe and the figures it reported."""

from mercli.face.spec import MEAN
from mercli.training import Recipe
from mercli.voice.sets import default_spec

CLASSES = ("angry", "fear", "happy", "sad", "neutral")
"""The five emotions of its tables."""

N_SPEAKERS = 24
"""The actors of RAVDESS, all of which it used: 8 for the voice, 12 for the fusion, 4 to test."""

PUBLISHED = {
    "voice": {"accuracy": 0.368, "macro_f1": 0.374},
    "face": {"accuracy": 0.237, "macro_f1": 0.233},
    "fusion": {"accuracy": 0.443, "macro_f1": 0.410},
}
"""What it reported, on one draw of four actors."""

FEATURE = "mfcc_3_std"
"""The feature that it named the most discriminative one."""

RECIPE = Recipe(
    voice=default_spec("original-34"),
    voice_classifier="svm",
    fusion="forest",
    face_pooling=MEAN,
    learns_face=False,
)
"""Its method: 34 short-term features and an SVM, frames of a FER2013 network averaged, a forest over both."""
