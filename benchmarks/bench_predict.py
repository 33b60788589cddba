"""`predict` against decoding the same files, against the system that mercli started from, and against its peers.

- Decoding: PyAV reads both streams of the file once, every frame, on one thread, and throws all of it away. It is
  the floor under any tool that looks at every frame.
- Its own reading: frames that nothing refers to are left out; what is decoded is made grey, and 16 kHz mono.
- Real time: how long the clip is.
- The original method of original.py: a Haar cascade over every full frame, a VGG-19 for every face, and
  pyAudioAnalysis. The weights of this VGG-19 are drawn (vgg19.py): what it says is nonsense, which takes as long.
- fer and DeepFace, as in peers.py. Both look at the picture only.
- A pipeline of the kind of fer, for where fer is not installed: its detector and its recipe, with the network that
  it took its own from, in ONNX Runtime instead of TensorFlow.
"""

import math
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import original
import pytest
from clips import ClipSet, decode, open_predict, read, recorded_or_drawn, seconds_of
from races import REAL_TIME, Cost
from threadpoolctl import threadpool_limits
from vgg19 import write_vgg19

PEERS = Path(__file__).parent / "peers.py"
MINI_XCEPTION = "models/oarriaga_mini_xception_102_066.onnx"

DECODING, READING = "decoding every frame", "its own reading of the file"
AT_MOST_DECODING = {720: 1, 270: 3}
TIMES_REAL_TIME = {720: 12, 270: 60}


@pytest.fixture(scope="module", params=[720, 270], ids="{}p".format)
def clip_set(
    request: pytest.FixtureRequest, recordings: Path, tmp_path_factory: pytest.TempPathFactory
) -> ClipSet:
    return recorded_or_drawn(recordings, request.param, tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def predict() -> Callable[[Path], None]:
    return open_predict()


@pytest.fixture(autouse=True)
def _on_one_thread() -> Iterator[None]:
    with threadpool_limits(1):  # as in one of several workers
        yield


def test_predicting_against_decoding_and_real_time(ratios, clip_set, predict):
    contenders = {
        path.name: {
            "predict": partial(predict, path),
            DECODING: partial(decode, path),
            READING: partial(read, path),
            REAL_TIME: seconds_of(path),
        }
        for path in clip_set.clips
    }
    figures = ratios.race_over(
        f"a whole file ({clip_set.name})",
        contenders,
        turns=5,
        at_least={REAL_TIME: TIMES_REAL_TIME[clip_set.height]},
        # What is drawn takes next to no time to decode.
        at_most={DECODING: math.inf if clip_set.drawn else AT_MOST_DECODING[clip_set.height], READING: math.inf},
    )
    assert all(figure.met for figure in figures), "\n".join(map(str, figures))


@pytest.fixture(scope="module")
def original_method(tmp_path_factory: pytest.TempPathFactory) -> original.Session:
    return original.open_session(write_vgg19(tmp_path_factory.mktemp("network") / "vgg19.onnx"))


def test_predicting_against_the_original_method(ratios, clip_set, predict, original_method):
    path = clip_set.clips[0]
    predict(path)
    name = "the original method (Haar on every frame, VGG-19, pyAudioAnalysis)"
    (figure,) = ratios.race(
        f"one of {clip_set.name}",
        {"predict": partial(predict, path), name: partial(original.observe, path, original_method)},
        turns=3,
        at_least={name: 30},
        warm=True,
    )
    assert figure.met, figure


def test_predicting_against_a_pipeline_of_the_kind_of_fer(ratios, clip_set, predict, recordings):
    network = recordings / MINI_XCEPTION
    if not network.is_file():
        pytest.skip(f"a pipeline of the kind of fer needs {MINI_XCEPTION} in shared/data beside the project")
    path, session = clip_set.clips[0], original.open_session(network)
    predict(path)
    name = "a pipeline of the kind of fer (Haar on every frame, mini-XCEPTION)"
    (figure,) = ratios.race(
        f"one of {clip_set.name}",
        {"predict": partial(predict, path), name: partial(judge_every_face, path, session)},
        turns=3,
        at_least={name: 10},
        warm=True,
    )
    assert figure.met, figure


def judge_every_face(path: Path, session: original.Session) -> None:
    """Judge the faces of every frame, one at a time, found and cut as fer does unless told otherwise."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    judged = 0
    while (read := capture.read())[0]:
        grey = cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY)
        for x, y, width, height in session.cascade.detectMultiScale(grey, 1.1, 5, minSize=(50, 50)):
            top, left = max(0, y - 10), max(0, x - 10)
            session.network.posteriors(grey[top : y + height + 10, left : x + width + 10])
            judged += 1
    capture.release()
    assert judged


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("fer", "fer (Haar, mini-XCEPTION)"),
        ("fer-mtcnn", "fer (MTCNN, mini-XCEPTION)"),
        ("deepface", "DeepFace (Haar, its network with drawn weights)"),
    ],
)
def test_predicting_against_its_peers(ratios, clip_set, predict, pytestconfig, peer, name):
    path = clip_set.clips[0]
    predict(path)
    with running(pytestconfig.getoption("peers"), peer, path) as run:
        contenders = {"predict": partial(predict, path), name: run}
        (figure,) = ratios.race(f"one of {clip_set.name}", contenders, turns=3, at_least={name: 10}, warm=True)
    assert figure.met, figure


@contextmanager
def running(python: Path, peer: str, path: Path) -> Iterator[Callable[[], Cost]]:
    """Give a call that has a peer judge a clip once, in its own Python."""
    if not python.is_file():
        pytest.skip("fer and deepface are not installed; `make peers` makes an environment with them")
    with subprocess.Popen(
        [python, str(PEERS), peer, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout

        def run() -> Cost:
            print(file=process.stdin, flush=True)
            said = process.stdout.readline().split()
            if not said:
                pytest.fail(f"{peer} ended with status {process.wait()}")
            cpu_s, wall_s, judged = said
            assert int(judged)
            return Cost(float(cpu_s), float(wall_s))

        try:
            yield run
        finally:
            process.stdin.close()
