"""Sample media made with no outside file: a drawn face, a synthetic voice, and the files that hold them."""

from mercli.sample.babble import synthesise_voice
from mercli.sample.clips import write_sample_videos
from mercli.sample.drawing import draw_face, draw_portrait
from mercli.sample.writing import write_audio, write_video

__all__ = [
    "draw_face",
    "draw_portrait",
    "synthesise_voice",
    "write_audio",
    "write_sample_videos",
    "write_video",
]
