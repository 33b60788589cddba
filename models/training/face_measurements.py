"""How well faces are found and followed, and how tightly they are cut out, on the recordings beside the project.

    python models/training/face_measurements.py ../shared/data
    python models/training/face_measurements.py ../shared/data --network face-network.onnx

The first prints a line for each detector, width, stride and smoothing; the second what a frame network says of the
faces, by detector and margin, without anything being trained.
"""

import argparse
import itertools
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from javanese import read_javanese
from mercli import corpora
from mercli.emotions import FER2013
from mercli.face.box import Box, crop, prominence
from mercli.face.detect import Detector, open_detector
from mercli.face.follow import SMOOTHING
from mercli.face.tracker import DETECTION_PX, STRIDE, Tracker
from mercli.inference import Network
from mercli.media import Clip, Frame
from mercli.picture import Picture

# The picture a detector sees is as wide as this or less than twice as wide: (width, stride, smoothing).
WAYS = (
    *itertools.product((128, 256, 512), (1, 3, 6, 10), (SMOOTHING,)),
    *((DETECTION_PX, STRIDE, smoothing) for smoothing in (0.3, 0.7, 1.0)),
)
MARGINS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2)


def frames_of(path: Path) -> list[np.ndarray]:
    """Decode what `predict` looks at."""
    with Clip(path, sound=False) as clip:
        return [np.ascontiguousarray(piece.luma) for piece in clip if isinstance(piece, Frame)]


def main_face(tracker: Tracker, frames: list[np.ndarray]) -> list[tuple | None]:
    """Give box and roll of the main face in each frame."""
    sights, weight = [], defaultdict(float)
    for luma in frames:
        sights.append({sight.track: sight for sight in tracker.follow(Picture(luma))})
        for sight in sights[-1].values():
            weight[sight.track] += prominence(sight.box, luma.shape)
    main = max(weight, key=weight.__getitem__, default=None)
    return [(seen[main].box, seen[main].roll_deg) if main in seen else None for seen in sights]


def detect_each(detector: Detector, frames: list[np.ndarray]) -> list[list[Box]]:
    """Give the faces that a detector finds in every frame, at the size that `predict` shows it."""
    found = []
    for luma in frames:
        picture = Picture(luma)
        halvings = picture.halvings(DETECTION_PX / max(luma.shape))
        small = picture.halved(halvings)
        faces = detector.detect(small, detector.passes(small)[-1])
        found.append([face.box.scaled(2.0**halvings) for face in faces])
    return found


def jitter(boxes: list[Box | None]) -> Iterator[tuple[float, float]]:
    """Give the second differences of the middle and of the side, in percent of the side."""
    for a, b, c in zip(boxes, boxes[1:], boxes[2:], strict=False):
        if a and b and c:
            bend = np.subtract(a.centre(), b.centre()) + np.subtract(c.centre(), b.centre())
            yield 100 * np.hypot(*bend) / b.side, 100 * abs(a.side - 2 * b.side + c.side) / b.side


def spread(data: Path, every: int) -> list[Path]:
    """Choose clips of every actor, and of each kind of picture."""
    javanese = sorted((data / "javanese-video").glob("*.mp4"))
    ravdess = sorted((data / "ravdess-video").rglob("*.mp4"))
    crops = sorted((data / "ravdess-crops").rglob("*.mp4"))
    return javanese[::every] + ravdess + crops[:: every + 1]


def measure_following(data: Path, detectors: dict[str, Detector], every: int) -> None:
    """Print the table of detection rate, jitter and cost."""
    kinds = ("javanese-video", "ravdess-video", "ravdess-crops")
    seen, shakes, errors, counts = defaultdict(list), defaultdict(list), defaultdict(list), defaultdict(float)
    for path in spread(data, every):
        frames, kind = frames_of(path), path.relative_to(data).parts[0]
        for name, detector in detectors.items():
            fresh = detect_each(detector, frames)
            for width, stride, smoothing in WAYS:
                tracker = Tracker(detector, detection_px=width, stride=stride, smoothing=smoothing)
                start_s = time.process_time()
                boxes = [sight and sight[0] for sight in main_face(tracker, frames)]
                key = (name, width, stride, smoothing)
                counts[key, "cost"] += time.process_time() - start_s
                seen[key, kind] += [box is not None for box in boxes]
                shakes[key] += jitter(boxes)
                errors[key] += away(boxes, fresh)
                counts[key, "detections"] += tracker.detections
                counts[key, "searches"] += tracker.searches
                counts[key, "frames"] += len(frames)
    print("| detector | px | stride | smoothing | found: " + " | ".join(kinds), end="")
    print(
        " | jitter: middle, % | side, % | off, % | detections a frame | searches | ms a frame |\n|" + "---|" * 13
    )
    for name, way in itertools.product(detectors, WAYS):
        key = (name, *way)
        found = " | ".join(f"{np.mean(seen[key, kind]):.3f}" for kind in kinds)
        middle, side = np.mean(shakes[key], axis=0)
        shares = " | ".join(
            f"{counts[key, what] / counts[key, 'frames']:.2f}" for what in ("detections", "searches")
        )
        ms = 1000 * counts[key, "cost"] / counts[key, "frames"]
        print(
            f"| {' | '.join(map(str, key))} | {found} | {middle:.2f} | {side:.2f} | {np.mean(errors[key]):.2f}",
            end="",
        )
        print(f" | {shares} | {ms:.2f} |")


def away(boxes: list[Box | None], fresh: list[list[Box]]) -> Iterator[float]:
    """Give how far the followed box's middle is from the detection nearest to it, in percent of the side."""
    for box, found in zip(boxes, fresh, strict=True):
        near = [box.distance(other) for other in found] if box else []
        if box and near and min(near) < box.side:
            yield 100 * min(near) / box.side


def measure_margins(data: Path, detectors: dict[str, Detector], model: Path) -> None:
    """Print how often the mean posterior of a clip's frames names its class, by detector and margin."""
    network = Network(model.read_bytes(), "the face network")
    size_px = int(network.input_shape[-1])
    javanese = [(e.path, e.label, "javanese") for e in read_javanese(data / "javanese-video", ".mp4")]
    crops = corpora.load(data / "ravdess-crops", to_train=False).examples
    ravdess = [(e.path, e.label, "ravdess") for e in crops]
    hits, missing = defaultdict(list), defaultdict(int)
    classes = {"javanese": sorted({label for _, label, _ in javanese}), "ravdess": list(FER2013)}
    for path, label, corpus in (*javanese, *ravdess):
        frames, columns = frames_of(path), [FER2013.index(name) for name in classes[corpus]]
        for name, detector in detectors.items():
            sights = [
                (luma, *sight)
                for luma, sight in zip(frames, main_face(Tracker(detector), frames), strict=True)
                if sight
            ]
            ways = (name,) if name == "haar" else (name, f"{name}, eyes level")
            for way, margin in itertools.product(ways, MARGINS):
                if not sights:
                    missing[way, corpus, margin] += 1
                    hits[way, corpus, margin].append(False)
                    continue
                crops = [
                    crop(luma, box, margin=margin, size_px=size_px, roll_deg=roll if "level" in way else 0.0)
                    for luma, box, roll in sights
                ]
                pixels = np.stack(crops)[:, np.newaxis].astype(np.float32)
                (said,) = network.run(pixels, {"posteriors": len(FER2013)})
                mean = said.mean(axis=0)[columns]
                hits[way, corpus, margin].append(classes[corpus][int(mean.argmax())] == label)
    print("| detector | corpus | " + " | ".join(map(str, MARGINS)) + " | without a face |\n|" + "---|" * 9)
    for way, corpus in dict.fromkeys((way, corpus) for way, corpus, _ in hits):
        rates = [f"{np.mean(hits[way, corpus, margin]):.3f}" for margin in MARGINS]
        total = f"{missing[way, corpus, MARGINS[0]]} of {len(hits[way, corpus, MARGINS[0]])}"
        print(f"| {way} | {corpus} | {' | '.join(rates)} | {total} |")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of recordings")
    parser.add_argument("--network", type=Path, help="a frame network: measure margins with it")
    parser.add_argument("--yunet", type=Path, help="YuNet's file; without it the one in the folder's models")
    parser.add_argument("--every", type=int, default=4, help="follow faces in every n-th Javanese clip")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    yunet = options.yunet or options.data / "models" / "face_detection_yunet_2023mar.onnx"
    detectors = {"haar": open_detector("haar"), "yunet": open_detector(str(yunet))}
    if options.network:
        measure_margins(options.data, detectors, options.network)
    else:
        measure_following(options.data, detectors, options.every)


if __name__ == "__main__":
    main()
