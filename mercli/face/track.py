"""The main face of one clip, gathered frame by frame and scored in batches."""

import numpy as np
from numpy.typing import NDArray

from mercli.errors import BundleError, MissingModality
from mercli.face.box import crop
from mercli.face.detect import Detector
from mercli.face.follow import Follower
from mercli.face.spec import FaceSpec, pool
from mercli.inference import Network, to_posteriors

_BATCH = 32


class FaceNetwork:
    """Score face crops by the frame network of a bundle.

    Parameters
    ----------
    model : bytes
        ONNX: grey crops, float32 [n, 1, input_px, input_px] of 0 to 255 in, ``posteriors`` [n, classes] out.
    spec : FaceSpec
        The contract it has to fit.

    Raises
    ------
    BundleError
        If it does not fit.
    """

    def __init__(self, model: bytes, spec: FaceSpec) -> None:
        self._network = Network(model, "the face network")
        self._n_classes = len(spec.classes)
        wanted_in = [1, spec.input_px, spec.input_px]
        shape_out = self._network.output_shapes.get("posteriors")
        if self._network.input_shape[1:] != wanted_in or shape_out is None or shape_out[1:] != [self._n_classes]:
            raise BundleError(
                f"the face network does not turn grey {spec.input_px} x {spec.input_px} crops into "
                f"{self._n_classes} posteriors; it is another model"
            )

    def posteriors(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Give class probabilities of crops.

        Parameters
        ----------
        crops : np.ndarray [shape=(n, input_px, input_px)], uint8
            Grey face crops.

        Returns
        -------
        np.ndarray [shape=(n, n_classes)]
            Rows that sum to 1, up to rounding.

        Raises
        ------
        BundleError
            If the network fails, or gives what are no probabilities.
        """
        said = self._network.run(crops[:, np.newaxis].astype(np.float32), "posteriors", self._n_classes)
        to_posteriors(said, "the face network")  # checked only: clips are judged by what it said, to the last bit
        return said


class FaceTrack:
    """Follow the main face of a clip and keep what the network says of each frame.

    Parameters
    ----------
    detector : Detector
        Finds faces.
    network : FaceNetwork
        Scores them.
    spec : FaceSpec
        The crop's size.
    """

    def __init__(self, detector: Detector, network: FaceNetwork, spec: FaceSpec) -> None:
        self._follower = Follower(detector)
        self._margin = detector.margin
        self._network = network
        self._spec = spec
        self._waiting: list[NDArray[np.uint8]] = []
        self._scored: list[NDArray[np.float32]] = []
        self.n_frames = 0
        self.n_face_frames = 0

    def add(self, luma: NDArray[np.uint8]) -> None:
        """Look at the next frame, uint8 [height, width]."""
        self.n_frames += 1
        box = self._follower.follow(luma)
        if box is None:
            return
        self.n_face_frames += 1
        self._waiting.append(crop(luma, box, margin=self._margin, size_px=self._spec.input_px))
        if len(self._waiting) == _BATCH:
            self._score()

    def vector(self) -> NDArray[np.float32]:
        """Give the clip's face vector, named by `FaceSpec.vector_names`.

        Raises
        ------
        MissingModality
            If no face was seen: the message is the reason as a phrase.
        """
        self._score()
        if not self._scored:
            raise MissingModality("no face in any frame" if self.n_frames else "no frame could be decoded")
        return pool(np.concatenate(self._scored))

    def _score(self) -> None:
        if self._waiting:
            self._scored.append(self._network.posteriors(np.stack(self._waiting)))
            self._waiting.clear()
