"""Emotions from the voice and the face of recorded people, a directory of videos at a time."""

__version__ = "0.1.0"
