"""The main face of one clip, gathered frame by frame and scored in batches."""

import numpy as np
from numpy.typing import NDArray

from mercli.errors import BundleError, MissingModality
from mercli.face.box import Box, crop
from mercli.face.detect import Detector
from mercli.face.follow import Follower
from mercli.face.frames import FaceFrames
from mercli.face.spec import FaceSpec
from mercli.inference import Network, to_posteriors

_BATCH = 32


class FaceNetwork:
    """Score face crops by the frame network of a bundle.

    Parameters
    ----------
    model : bytes
        ONNX: grey crops, float32 [n, 1, input_px, input_px] of 0 to 255 in, ``posteriors`` [n, classes] out, and
        ``embedding`` [n, embedding_size] where the specification says so.
    spec : FaceSpec
        The contract it has to fit.

    Raises
    ------
    BundleError
        If it does not fit.
    """

    def __init__(self, model: bytes, spec: FaceSpec) -> None:
        self._network = Network(model, "the face network")
        self._widths = {"posteriors": len(spec.classes)}
        if spec.embedding_size:
            self._widths["embedding"] = spec.embedding_size
        wanted_in = [1, spec.input_px, spec.input_px]
        shapes = {name: self._network.output_shapes.get(name, [None])[1:] for name in self._widths}
        if self._network.input_shape[1:] != wanted_in or shapes != {n: [w] for n, w in self._widths.items()}:
            raise BundleError(
                f"the face network does not turn grey {spec.input_px} x {spec.input_px} crops into "
                f"{' and '.join(f'{width} values of {name}' for name, width in self._widths.items())}; "
                "it is another model"
            )

    def look(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give class probabilities and embeddings of crops.

        Parameters
        ----------
        crops : np.ndarray [shape=(n, input_px, input_px)], uint8
            Grey face crops.

        Returns
        -------
        posteriors : np.ndarray [shape=(n, n_classes)]
            Rows that sum to 1, up to rounding.
        embeddings : np.ndarray [shape=(n, embedding_size)]
            Finite values.

        Raises
        ------
        BundleError
            If the network fails, or gives what are no probabilities.
        """
        said, *rest = self._network.run(crops[:, np.newaxis].astype(np.float32), self._widths)
        to_posteriors(said, "the face network")  # checked only: clips are judged by what it said, to the last bit
        embeddings = rest[0] if rest else np.empty((len(crops), 0), np.float32)
        if not np.isfinite(embeddings).all():
            raise BundleError("the face network gave an embedding that is not finite; the bundle is broken")
        return said, embeddings


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
        self._margin = spec.margin or detector.margin
        self._network = network
        self._spec = spec
        self._waiting: list[NDArray[np.uint8]] = []
        self._scored: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        self._times_s: list[float] = []
        self._boxes: list[Box] = []
        self.n_frames = 0
        self.n_face_frames = 0

    def add(self, luma: NDArray[np.uint8], time_s: float) -> None:
        """Look at the next frame, uint8 [height, width], and its time."""
        self.n_frames += 1
        box = self._follower.follow(luma)
        if box is None:
            return
        self.n_face_frames += 1
        self._times_s.append(time_s)
        self._boxes.append(box)
        self._waiting.append(crop(luma, box, margin=self._margin, size_px=self._spec.input_px))
        if len(self._waiting) == _BATCH:
            self._score()

    def frames(self) -> FaceFrames:
        """Give what was seen of the face.

        Raises
        ------
        MissingModality
            If no face was seen: the message is the reason as a phrase.
        """
        self._score()
        if not self._scored:
            raise MissingModality("no face in any frame" if self.n_frames else "no frame could be decoded")
        posteriors, embeddings = (np.concatenate(parts) for parts in zip(*self._scored, strict=True))
        return FaceFrames(np.array(self._times_s), np.array(self._boxes, np.float32), posteriors, embeddings)

    def _score(self) -> None:
        if self._waiting:
            self._scored.append(self._network.look(np.stack(self._waiting)))
            self._waiting.clear()
