"""What was seen of one face, frame by frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class FaceFrames:
    """Hold the frames in which one face was seen, in the order of time.

    Parameters
    ----------
    times_s : np.ndarray of float64 [shape=(n,)]
        When.
    boxes_px : np.ndarray of float32 [shape=(n, 4)]
        Where: left and top edge, width and height, in the pixels of the frame.
    posteriors : np.ndarray of float32 [shape=(n, n_classes)]
        What the frame network says.
    embeddings : np.ndarray of float32 [shape=(n, n_dims)]
        How it looks to the frame network; no columns where the network gives none.
    track : int
        Which of the faces of the clip it is: they are counted from 0 in the order in which they appeared.
    """

    times_s: NDArray[np.float64]
    boxes_px: NDArray[np.float32]
    posteriors: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    track: int = 0

    def __len__(self) -> int:
        return len(self.times_s)

    def take(self, rows: slice | NDArray[np.int_]) -> "FaceFrames":
        """Give some of the frames."""
        return FaceFrames(
            self.times_s[rows], self.boxes_px[rows], self.posteriors[rows], self.embeddings[rows], self.track
        )
