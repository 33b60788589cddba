"""Where networks run: `--device`, what is said without a graphics processor, and the server that would have it.

No graphics processor was at hand: the server is tested by real workers, with the processor for its device.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import psutil
import pytest

from mercli import device, prediction
from mercli.errors import BundleError, UsageError
from mercli.face.track import FaceNetwork
from mercli.inference import CUDA, Network
from mercli.inputs import find
from mercli.journal import Journal
from mercli.serving import remote
from mercli.serving.link import Address, Count, Counted
from mercli.serving.process import ServerProcess
from mercli.serving.remote import RemoteNetwork
from mercli.serving.server import _reason
from mercli.setup import make_setup, open_bundle
from mercli.tables import columns

PREDICT = [sys.executable, "-m", "mercli", "predict"]

without_cuda = pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="this onnxruntime has CUDA")


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with ServerProcess("cpu") as running:
        assert running.problem is None
        yield running


@pytest.fixture(scope="module")
def network() -> bytes:
    _, bundle = open_bundle()
    assert bundle.face is not None
    return bundle.face.network


def crops(n: int, *, seed: int = 0) -> "np.ndarray":
    return np.random.default_rng(seed).integers(0, 256, (n, 1, 48, 48)).astype(np.float32)


def batches(server: ServerProcess) -> list[tuple[int, int]]:
    with server.address.connect() as connection:
        connection.send(Count())
        counted = connection.recv()
    assert isinstance(counted, Counted)
    return counted.batches


@without_cuda
def test_without_a_graphics_processor_the_run_says_so_and_goes_on(talking_video: Path) -> None:
    plain = subprocess.run([*PREDICT, talking_video, "-q"], capture_output=True, text=True, check=True)
    asked = subprocess.run(
        [*PREDICT, talking_video, "-q", "--device", "cuda"], capture_output=True, text=True, check=True
    )
    assert asked.stdout == plain.stdout
    assert "no graphics processor is used: the onnxruntime that is installed has no CUDA" in asked.stderr
    assert 'python -m pip install "mercli[gpu]"' in asked.stderr
    assert plain.stderr == ""


@without_cuda
def test_a_graphics_processor_is_not_looked_for_where_nothing_could_use_it() -> None:
    assert not device.is_looked_for("auto")
    assert not device.is_looked_for("cpu")
    assert device.is_looked_for("cuda")
    said: list[str] = []
    with device.opened("auto", said.append) as address:
        assert address is None
    assert said == []


@pytest.mark.parametrize("command", [["predict"], ["evaluate", "--allow-seen"]])
def test_another_device_is_refused(command: list[str], talking_video: Path, tmp_path: Path) -> None:
    shutil.copy(talking_video, tmp_path / "03-01-03-01-01-01-01.mp4")
    ran = subprocess.run(
        [sys.executable, "-m", "mercli", *command, tmp_path, "--device", "tpu"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "no --device tpu; there are auto, cpu and cuda" in ran.stderr
    with pytest.raises(UsageError), device.opened("tpu", print):
        pass


def test_a_served_network_says_what_one_here_says(server: ServerProcess, network: bytes) -> None:
    here, there = Network(network, "it"), RemoteNetwork(network, "it", address=server.address)
    assert there.input_shape == here.input_shape
    assert there.output_shapes == here.output_shapes
    widths = {"posteriors": 7, "embedding": 32}
    for n in (1, 5, 32):
        for said, known in zip(there.run(crops(n), widths), here.run(crops(n), widths), strict=True):
            np.testing.assert_allclose(said, known, atol=1e-6)
    assert sum(size for size, _ in batches(server)) == 38, "the server did it"


def test_crops_of_several_workers_go_in_one_batch(server: ServerProcess, network: bytes) -> None:
    _, bundle = open_bundle()
    assert bundle.face is not None
    networks = [RemoteNetwork(network, "it", address=server.address) for _ in range(6)]
    known = Network(network, "it")
    told: dict[int, list[np.ndarray]] = {}
    together = threading.Barrier(len(networks))

    def ask(i: int) -> None:
        for round_ in range(20):
            together.wait()
            told[i] = networks[i].give(crops(3 + i, seed=i + round_), "posteriors")

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(networks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, (said,) in told.items():
        np.testing.assert_allclose(said, known.give(crops(3 + i, seed=i + 19), "posteriors")[0], atol=1e-6)
    assert sum(n for _, n in batches(server)) == 120
    assert max(n for _, n in batches(server)) > 1
    assert len(batches(server)) < 120


def test_what_is_no_network_is_refused_as_here(server: ServerProcess) -> None:
    with pytest.raises(BundleError) as here:
        Network(b"nonsense", "the face network")
    with pytest.raises(BundleError) as there:
        RemoteNetwork(b"nonsense", "the face network", address=server.address)
    assert str(there.value) == str(here.value)


def test_a_batch_that_fails_fails_with_its_reason(server: ServerProcess, network: bytes) -> None:
    there = RemoteNetwork(network, "the face network", address=server.address)
    with pytest.raises(BundleError, match="the face network cannot be run"):
        there.give(np.zeros((2, 1, 5, 5), np.float32), "posteriors")
    there.give(crops(2), "posteriors")
    assert batches(server)[-1] == (2, 1), "and the server goes on"


def test_without_its_server_a_worker_goes_on_by_itself(network: bytes) -> None:
    with ServerProcess("cpu") as server:
        there = RemoteNetwork(network, "it", address=server.address)
        before = there.give(crops(4), "posteriors")[0]
        os.kill(server.pid, signal.SIGKILL)
        np.testing.assert_allclose(there.give(crops(4), "posteriors")[0], before, atol=1e-6)
        late = RemoteNetwork(network, "it", address=server.address)
        np.testing.assert_allclose(late.give(crops(4), "posteriors")[0], before, atol=1e-6)
        deadline = time.monotonic() + 10
        while not server.has_ended and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.has_ended


def test_without_the_key_nothing_is_served(server: ServerProcess, network: bytes) -> None:
    stranger = replace(server.address, key=b"guessed")
    there = RemoteNetwork(network, "it", address=stranger)
    there.give(crops(2), "posteriors")
    assert batches(server) == []


def test_a_server_ends_with_its_parent_and_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    program = (
        "import sys, time; from mercli.serving.process import ServerProcess; "
        "s = ServerProcess('cpu'); print(s.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
    assert list(tmp_path.iterdir()) == []


def test_a_face_network_is_served_to_a_face_network(server: ServerProcess, network: bytes) -> None:
    _, bundle = open_bundle()
    assert bundle.face is not None
    seen = crops(6)[:, 0].astype(np.uint8)
    import functools

    there = FaceNetwork(network, bundle.face.spec, functools.partial(RemoteNetwork, address=server.address))
    for said, known in zip(there.look(seen), FaceNetwork(network, bundle.face.spec).look(seen), strict=True):
        np.testing.assert_allclose(said, known, atol=1e-6)


@pytest.mark.parametrize("killed", [False, True])
def test_workers_of_a_run_share_a_server(killed: bool, talking_video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for i in range(6):
        shutil.copy(talking_video, folder / f"{i}.mp4")
    place, bundle = open_bundle()
    setup = make_setup(place, bundle, ["face"])
    schema = columns(bundle.classes)
    inputs = find([str(folder)])
    with ServerProcess("cpu") as server, Journal(tmp_path / "served", schema) as served:
        seen: list[int] = []

        def count(_: object) -> None:
            seen.append(1)
            if killed and len(seen) == 2:
                os.kill(server.pid, signal.SIGKILL)

        prediction.predict(inputs, bundle, replace(setup, server=server.address), served, jobs=2, on_result=count)
        if not killed:
            assert sum(n for n, _ in batches(server)) == 6 * sum(
                row["n_face_frames"]
                for row in served.rows(["0.mp4"])  # type: ignore[misc]
            )
        rows = list(served.rows(item.name for item in inputs))
    with Journal(tmp_path / "local", schema) as local:
        prediction.predict(inputs[:1], bundle, setup, local, jobs=1)
        (known,) = local.rows(["0.mp4"])
    for row in rows:
        assert row["status"] == known["status"]
        for name, value in known.items():
            if isinstance(value, float):
                assert row[name] == pytest.approx(value, abs=2e-6)


def refusing(network: bytes, address: Address) -> RemoteNetwork:
    """A network whose server refuses every batch, as a device without room does; the worker itself can run it."""
    there = RemoteNetwork(network, "it", address=address)
    there._digest = "one that the server has not opened"
    return there


def test_a_server_that_refuses_what_a_worker_can_do_is_ended_and_the_run_says_so(network: bytes) -> None:
    here = Network(network, "it")
    with ServerProcess("cpu") as server:
        there, other = refusing(network, server.address), RemoteNetwork(network, "it", address=server.address)
        for asked in (there, there, other):
            np.testing.assert_allclose(asked.give(crops(3), "posteriors")[0], here.give(crops(3), "posteriors")[0])
        server.close()
        assert server.has_ended
    with ServerProcess("cpu") as server:
        server.close()
        assert not server.has_ended, "it was told to"


def test_a_request_that_a_server_cannot_take_ends_it_and_leaves_no_worker_waiting(network: bytes) -> None:
    with ServerProcess("cpu") as server:
        there = RemoteNetwork(network, "it", address=server.address)
        with server.address.connect() as stranger:
            stranger.send_bytes(b"what nobody understands")
            with pytest.raises((EOFError, OSError)):
                stranger.recv()
        there.give(crops(2), "posteriors")
        server.close()
        assert server.has_ended


def test_from_a_server_that_does_not_answer_a_worker_turns_away(network: bytes, monkeypatch) -> None:
    monkeypatch.setattr(remote, "_PATIENCE_S", 0.2)
    with ServerProcess("cpu") as server:
        there = RemoteNetwork(network, "it", address=server.address)
        known = there.give(crops(2), "posteriors")[0]
        os.kill(server.pid, signal.SIGSTOP)
        np.testing.assert_allclose(there.give(crops(2), "posteriors")[0], known, atol=1e-6)
        os.kill(server.pid, signal.SIGKILL)


@pytest.mark.parametrize("killed", [False, True])
def test_a_server_leaves_nothing_on_disk(killed: bool, tmp_path: Path, monkeypatch, network: bytes) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with ServerProcess("cpu") as server:
        RemoteNetwork(network, "it", address=server.address).give(crops(1), "posteriors")
        assert list(tmp_path.iterdir())
        if killed:
            os.kill(server.pid, signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


def test_a_server_imports_nothing_of_the_folder_that_it_is_called_in(tmp_path: Path, monkeypatch) -> None:
    for name in ("json", "queue", "onnxruntime"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with ServerProcess("cpu") as server:
        assert server.problem is None


def test_what_libraries_print_does_not_hide_the_servers_answer(tmp_path: Path, monkeypatch) -> None:
    """onnxruntime's build for CUDA prints on stdout which libraries it misses."""
    (tmp_path / "onnxruntime.py").write_text(
        "print('Failed to load libcurand')\ndef get_available_providers(): return []\n"
        "class InferenceSession: ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with ServerProcess("cuda") as server:
        assert server.problem == "the onnxruntime that is installed has no CUDA"


def test_the_reason_is_the_library_that_cuda_misses() -> None:
    log = "[E:onnxruntime:Default] FAIL : Failed to load library a.so with error: libx.so.13: cannot open\n\x1b[m"
    assert _reason(log) == "CUDA does not start (libx.so.13: cannot open)"
    assert _reason("nothing of use") is None
