"""fer and DeepFace as their readers are told to use them, timed in a Python of their own.

    python benchmarks/peers.py PEER CLIP

Their requirements are large, and contradict those of mercli. For each line on standard input the clip is read
once, every frame is judged, and a line says what that took: seconds of processor time, seconds by the wall clock,
and how many faces were judged. Everything runs on one thread, as mercli does, and is warm before the first line.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

Judge = Callable[[Any], int]
"""A frame in, BGR; out, how many faces in it were judged."""


def fer(**how: Any) -> Judge:
    from fer.fer import FER

    detector = FER(**how)
    return lambda frame: len(detector.detect_emotions(frame))


def fer_with_mtcnn() -> Judge:
    import facenet_pytorch  # noqa: F401  # what it loads crashes if TensorFlow is loaded before it
    import torch

    torch.set_num_threads(1)
    return fer(mtcnn=True)


def deepface() -> Judge:
    """Give DeepFace with a network that was never trained: its weights are no part of the package.

    What the network says is nonsense, and takes as long as sense would.
    """
    os.environ["DEEPFACE_HOME"] = tempfile.mkdtemp()
    from deepface import DeepFace
    from deepface.commons import weight_utils

    weight_utils.download_weights_if_necessary = lambda **_: ""
    weight_utils.load_model_weights = lambda model, **_: model

    def judge(frame: Any) -> int:
        return len(DeepFace.analyze(frame, actions=["emotion"], enforce_detection=False, silent=True))

    return judge


PEERS = {"fer": fer, "fer-mtcnn": fer_with_mtcnn, "deepface": deepface}


def frames(path: str) -> Iterator[Any]:
    import cv2

    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while (read := capture.read())[0]:
        yield read[1]
    capture.release()


def main() -> None:
    """Answer each line."""
    name, path = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes elsewhere
    # Keras 2 is what both were written for.
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1")
    os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
    judge = PEERS[name]()
    import cv2

    cv2.setNumThreads(1)
    for frame in islice(frames(path), 3):
        judge(frame)
    for _ in sys.stdin:
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        faces = sum(map(judge, frames(path)))
        print(time.process_time() - cpu_s, time.perf_counter() - wall_s, faces, file=answers, flush=True)


if __name__ == "__main__":
    main()
