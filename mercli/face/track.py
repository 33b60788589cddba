"""The faces of one clip, gathered frame by frame and scored in batches; which of them is the main one."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mercli.clock import CROP, NETWORK, Clock
from mercli.errors import BundleError, MissingModality
from mercli.face.adapter import Adapter
from mercli.face.box import crop, prominence
from mercli.face.detect import Detector
from mercli.face.frames import FaceFrames
from mercli.face.spec import FaceSpec
from mercli.face.tracker import Sight, Tracker
from mercli.inference import Network, Opener, to_posteriors
from mercli.picture import Picture

_BATCH = 32
_PIXELS = (
    2  # of a picture, each way, for one of a crop: reduced at once from more, it costs more and gains nothing
)
_SHORT = 3  # a face besides the main one that was seen in fewer frames was passing by, or never was one
_MOST_KEPT = 50  # faces of a clip: those of a crowd filmed for hours need not all be remembered


class FaceNetwork:
    """Score face crops by the frame network of a bundle.

    Parameters
    ----------
    model : bytes
        ONNX: grey crops, float32 [n, 1, input_px, input_px] of 0 to 255 in, ``posteriors`` [n, classes] out, and
        ``embedding`` [n, embedding_size] where the specification says so; or what its contract says.
    spec : FaceSpec
        The contract it has to fit.
    open_network : Opener
        Runs it, here or elsewhere.

    Raises
    ------
    BundleError
        If it does not fit.
    """

    def __init__(self, model: bytes, spec: FaceSpec, open_network: Opener = Network) -> None:
        self._network = open_network(model, "the face network", singly=spec.contract is not None)
        self.adapter = Adapter(self._network, spec.contract) if spec.contract else None
        if self.adapter:
            return
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
        if self.adapter:
            return self.adapter.look(crops), np.empty((len(crops), 0), np.float32)
        said, *rest = self._network.run(crops[:, np.newaxis].astype(np.float32), self._widths)
        to_posteriors(said, "the face network")  # checked only: clips are judged by what it said, to the last bit
        embeddings = rest[0] if rest else np.empty((len(crops), 0), np.float32)
        if not np.isfinite(embeddings).all():
            raise BundleError("the face network gave an embedding that is not finite; the bundle is broken")
        return said, embeddings


class FaceTrack:
    """Follow the faces of a clip and keep what the network says of each frame.

    The main face is the one with the greatest prominence: the sum over its frames of `prominence`, so that size,
    centrality and duration all count.

    Parameters
    ----------
    detector : Detector
        Finds faces.
    network : FaceNetwork
        Scores them.
    spec : FaceSpec
        The crop's size and margin.
    all_faces : bool
        Whether to keep the other faces besides the main one.
    clock : Clock, optional
        What is told of the time it takes.
    """

    def __init__(
        self,
        detector: Detector,
        network: FaceNetwork,
        spec: FaceSpec,
        *,
        all_faces: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._tracker = Tracker(detector, all_faces=all_faces, clock=self._clock)
        fits = spec.margin is not None and spec.detector == detector.kind
        self._margin = spec.margin if spec.margin is not None and fits else detector.margin
        self._network = network
        self._input_px = spec.input_px
        self._all_faces = all_faces
        self._faces: dict[int, _Face] = {}
        self._waiting: list[tuple[_Face, NDArray[np.uint8]]] = []
        self.n_frames = 0

    def add(self, picture: Picture, time_s: float) -> None:
        """Look at the next frame and its time."""
        self.n_frames += 1
        for sight in self._tracker.follow(picture):
            face = self._faces.setdefault(sight.track, _Face(sight.track))
            face.ended = False  # one that was lost may come back
            face.add(sight, time_s, prominence(sight.box, picture.shape))
            with self._clock(CROP):
                self._waiting.append((face, self._cut(picture, sight)))
            if len(self._waiting) == _BATCH:
                self._score()
        self._forget()

    def _cut(self, picture: Picture, sight: Sight) -> NDArray[np.uint8]:
        """Cut a face out of the smallest halving that has at least twice the pixels each way that are needed."""
        halvings = picture.halvings(_PIXELS * self._input_px / (sight.box.side * self._margin))
        box = sight.box.scaled(0.5**halvings)
        luma = picture.halved(halvings).plane
        return picture.shown(crop(luma, box, margin=self._margin, size_px=self._input_px, roll_deg=sight.roll_deg))

    def faces(self) -> list[FaceFrames]:
        """Give what was seen of the main face, then of the others that were asked for, by their prominence.

        Raises
        ------
        MissingModality
            If no face was seen: the message is the reason as a phrase.
        """
        if not self._faces:
            raise MissingModality("no face in any frame" if self.n_frames else "no frame could be decoded")
        for face in self._minor(self._faces.values()):
            self._drop(face)
        self._score()
        return [face.frames() for face in self._ranked()]

    def _ranked(self) -> list["_Face"]:
        return sorted(self._faces.values(), key=lambda face: (-face.prominence, face.track))

    def _forget(self) -> None:
        """Drop faces that were lost and that nobody will ask for."""
        followed = self._tracker.tracks
        lost = [face for face in self._faces.values() if not face.ended and face.track not in followed]
        if not lost:
            return
        for face in lost:
            face.ended = True
        ended = [face for face in self._faces.values() if face.ended]
        for face in (*self._minor(ended), *self._ranked()[_MOST_KEPT:]):
            if face.ended:
                self._drop(face)

    def _minor(self, faces: Iterable["_Face"]) -> list["_Face"]:
        """Choose those among faces that cannot become the main one any more, and are too short or not wanted."""
        main = self._ranked()[0]
        return [face for face in faces if face is not main and (not self._all_faces or len(face) < _SHORT)]

    def _drop(self, face: "_Face") -> None:
        self._faces.pop(face.track, None)
        self._waiting = [(other, cut) for other, cut in self._waiting if other is not face]

    def _score(self) -> None:
        if not self._waiting:
            return
        with self._clock(NETWORK):
            posteriors, embeddings = self._network.look(np.stack([cut for _, cut in self._waiting]))
        for (face, _), posterior, embedding in zip(self._waiting, posteriors, embeddings, strict=True):
            face.posteriors.extend(posterior)
            face.embeddings.extend(embedding)
        self._waiting.clear()


@dataclass(slots=True, eq=False)
class _Face:
    """Gather what was seen of one face."""

    track: int
    prominence: float = 0.0
    ended: bool = False
    # Numbers only: of a long film they are all that is kept of a frame.
    times_s: "array[float]" = field(default_factory=lambda: array("d"))
    boxes: "array[float]" = field(default_factory=lambda: array("f"))
    posteriors: "array[float]" = field(default_factory=lambda: array("f"))
    embeddings: "array[float]" = field(default_factory=lambda: array("f"))

    def __len__(self) -> int:
        return len(self.times_s)

    def add(self, sight: Sight, time_s: float, prominence: float) -> None:
        self.times_s.append(time_s)
        self.boxes.extend(sight.box)
        self.prominence += prominence

    def frames(self) -> FaceFrames:
        boxes, posteriors, embeddings = (
            np.array(values, np.float32).reshape(len(self), -1)
            for values in (self.boxes, self.posteriors, self.embeddings)
        )
        return FaceFrames(np.array(self.times_s), boxes, posteriors, embeddings, self.track)
