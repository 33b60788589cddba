"""`mercli predict --backend`: the same answers from a real scheduler and its workers, whatever dies meanwhile."""

import contextlib
import csv
import functools
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import errands
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercli import cluster, prediction
from mercli.cluster import luggage
from mercli.cluster.engine import Engine
from mercli.cluster.host import Errand, Order, Reply, work_off
from mercli.cluster.spread import _Run, chunk_size
from mercli.errors import MercliError, UsageError
from mercli.face.contract import Contract
from mercli.face_networks import OutsideNetwork
from mercli.files import sha256
from mercli.inputs import find
from mercli.journal import Journal
from mercli.limits import Limits
from mercli.registry import cache_folder
from mercli.setup import Setup, make_setup, open_bundle
from mercli.tables import columns
from mercli.worker import Lost

distributed = pytest.importorskip("distributed")

HERE = Path(__file__).parent
PREDICT = [sys.executable, "-m", "mercli", "predict"]
COPIES = 12


class Cluster:
    """A dask scheduler on loopback, and its workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started = 0
        self.scheduler = self._start_scheduler("tcp://127.0.0.1:0")
        self.workers = [self.add_worker(), self.add_worker()]

    @property
    def address(self) -> str:
        return str(json.loads((self.folder / "scheduler.json").read_text())["address"])

    def _start_scheduler(self, address: str) -> "subprocess.Popen[bytes]":
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        process = self._start("dask_scheduler", "--host", address, "--scheduler-file", str(file))
        _wait_for(lambda: file.exists() and file.read_text().strip().endswith("}"))
        return process

    def restart_scheduler(self) -> None:
        address = self.address
        self.scheduler.kill()
        self.scheduler.wait()
        self.scheduler = self._start_scheduler(address)
        self.workers += [self.add_worker()]

    def add_worker(self) -> "subprocess.Popen[bytes]":
        options = ("--nworkers", "1", "--nthreads", "1", "--death-timeout", "60")
        return self._start("dask_worker", self.address, *options)

    def _start(self, what: str, *options: str) -> "subprocess.Popen[bytes]":
        self._started += 1
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(HERE), *filter(None, [os.environ.get("PYTHONPATH")]))),
            # Models that are sent go into a cache of the cluster's own; compiled kernels need not be made anew.
            "MERCLI_CACHE": str(self.folder / "cache"),
            "NUMBA_CACHE_DIR": str(cache_folder() / "kernels"),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        }
        with (self.folder / f"{what}-{self._started}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{what}", *options, "--no-dashboard"],
                env=environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def kill_a_worker(self) -> None:
        """Kill a worker, its nanny first: nobody starts it again."""
        nanny = self.workers.pop(0)
        below = psutil.Process(nanny.pid).children(recursive=True)
        nanny.kill()
        for process in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        nanny.wait()
        self.workers.append(self.add_worker())

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            with contextlib.suppress(psutil.NoSuchProcess):
                below = psutil.Process(process.pid).children(recursive=True)
                for each in (process, *below):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()
            process.wait()


def _wait_for(condition: "object", patience_s: float = 60.0) -> None:
    end_s = time.monotonic() + patience_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    yield running
    running.end()


@pytest.fixture
def engine(dask: Cluster) -> Iterator[Engine]:
    with contextlib.closing(cluster.connect("dask", dask.address)) as connected:
        _wait_for(lambda: connected.n_slots() > 0)
        yield connected


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, talking_video: Path, sound_only: Path) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for i in range(COPIES):
        shutil.copy(talking_video, folder / f"clip {i:02}.mp4")
    shutil.copy(sound_only, folder / "voice.wav")
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="module")
def local(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table that one machine makes."""
    output = tmp_path_factory.mktemp("local") / "out.csv"
    subprocess.run([*PREDICT, videos, "-o", output, "-q"], check=False)
    return output.read_bytes()


@pytest.fixture(scope="module")
def setup() -> Setup:
    return make_setup(*open_bundle(), ["voice"])


def spread(engine: Engine, work: object, paths: list[Path], setup: Setup) -> dict[str, object]:
    run = cluster.run_with(engine, work, paths, setup, prepare=errands.ready)  # type: ignore[arg-type]
    return {paths[i].name: result for i, result in run}


def files(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).write_bytes(b"")
    return [folder / name for name in names]


def command(dask: Cluster, videos: Path, output: Path) -> list[str]:
    return [*PREDICT, str(videos), "-o", str(output), "--backend", "dask", "--scheduler", dask.address]


def test_two_workers_write_the_table_of_one_machine(
    dask: Cluster, videos: Path, local: bytes, tmp_path: Path
) -> None:
    ran = subprocess.run(command(dask, videos, tmp_path / "out.csv"), capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stderr  # one file is no video
    assert f"dask at {dask.address}: room for" in ran.stderr
    assert (tmp_path / "out.csv").read_bytes() == local
    (tmp_path / "out.csv").unlink()
    again = subprocess.run(
        command(dask, videos, tmp_path / "out.csv"), capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert f"continuing: {COPIES + 2} of {COPIES + 2} files done already" in again.stderr
    assert (tmp_path / "out.csv").read_bytes() == local, "all was done, and the table is written even so"


def test_a_worker_that_is_killed_costs_nothing(dask: Cluster, videos: Path, local: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    journal = Path(f"{output}.journal")
    with subprocess.Popen([*command(dask, videos, output), "-q"]) as running:
        _wait_for(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 2)
        assert running.poll() is None, "the run was over before a worker could be killed"
        dask.kill_a_worker()
    assert output.read_bytes() == local
    named = [json.loads(line)["file"] for line in journal.read_bytes().splitlines()[1:]]
    assert len(named) == len(set(named)) == COPIES + 2, "nothing is done twice"


def test_after_a_scheduler_is_lost_the_same_command_goes_on(
    dask: Cluster, videos: Path, local: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    journal = Path(f"{output}.journal")
    with subprocess.Popen(command(dask, videos, output), stderr=subprocess.PIPE, text=True) as running:
        _wait_for(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 2)
        dask.restart_scheduler()
        _, said = running.communicate(timeout=120)
    assert running.returncode == 1
    assert "the dask scheduler at" in said
    assert "was lost" in said
    assert "To continue: mercli predict" in said
    assert "Traceback" not in said
    kept = journal.read_bytes().count(b"\n") - 1
    assert 0 < kept < COPIES + 2
    again = subprocess.run(command(dask, videos, output), capture_output=True, text=True, check=False)
    assert f"continuing: {kept} of {COPIES + 2} files done already" in again.stderr
    assert output.read_bytes() == local


@pytest.mark.data
@pytest.mark.long
@pytest.mark.parametrize("kills", [0, 1])
def test_168_recordings_give_the_same_table_whoever_dies(
    kills: int, dask: Cluster, shared_data: Path, tmp_path: Path
) -> None:
    clips, output = shared_data / "javanese-video", tmp_path / "out.csv"
    subprocess.run([*PREDICT, clips, "-o", tmp_path / "local.csv", "-q"], check=True)
    with subprocess.Popen([*command(dask, clips, output), "-q"]) as running:
        journal = Path(f"{output}.journal")
        _wait_for(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 30)
        for _ in range(kills):
            assert running.poll() is None
            dask.kill_a_worker()
    assert running.returncode == 0
    assert output.read_bytes() == (tmp_path / "local.csv").read_bytes()


def test_ctrl_c_ends_a_run_and_keeps_what_was_done(dask: Cluster, videos: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    journal = Path(f"{output}.journal")
    with subprocess.Popen(command(dask, videos, output), stderr=subprocess.PIPE, text=True) as running:
        _wait_for(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 2)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said


def test_a_scheduler_that_halts_does_not_hold_a_run_for_ever(
    setup: Setup, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mercli.cluster.dask._PARTING_S", 1.0)
    monkeypatch.setattr("mercli.cluster.spread._LOOK_S", 0.1)
    own = Cluster(tmp_path_factory.mktemp("halting"))
    try:
        with contextlib.closing(cluster.connect("dask", own.address)) as engine:
            run = cluster.run_with(
                engine, errands.stumble, files(tmp_path, *"abcdef"), setup, prepare=errands.ready
            )
            next(run)
            monkeypatch.setattr("mercli.cluster.dask._SILENCE_S", 1.0)
            own.scheduler.send_signal(signal.SIGSTOP)
            with pytest.raises(MercliError, match="was lost"):
                list(run)
    finally:
        own.scheduler.send_signal(signal.SIGCONT)
        own.end()


def test_a_file_that_kills_its_process_costs_itself_only(engine: Engine, setup: Setup, tmp_path: Path) -> None:
    paths = files(tmp_path, "a", "fatal", "b", "c")
    results = spread(engine, errands.stumble, paths, setup)
    assert [results[name] for name in "abc"] == ["a", "b", "c"]
    lost = results["fatal"]
    assert isinstance(lost, Lost)
    assert lost.status == "crashed"
    assert "SIGKILL" in lost.reason


def test_a_file_that_kills_workers_of_the_cluster_costs_itself_only(
    engine: Engine, setup: Setup, tmp_path: Path
) -> None:
    paths = files(tmp_path, "a", "disaster", "b", "c")
    results = spread(engine, errands.stumble, paths, setup)
    assert [results[name] for name in "abc"] == ["a", "b", "c"]
    lost = results["disaster"]
    assert isinstance(lost, Lost)
    assert lost.status == "crashed"
    assert "every worker of the cluster that was given it died" in lost.reason


def test_limits_hold_on_a_cluster(engine: Engine, setup: Setup, tmp_path: Path) -> None:
    paths = files(tmp_path, "a", "slow", "b")
    results = spread(engine, errands.stumble, paths, replace(setup, limits=Limits(timeout_s=1.5)))
    assert results["a"], results["b"] == ("a", "b")
    assert results["slow"] == Lost("timeout", "it took longer than --timeout 1.5 s")


def own_bundle(setup: Setup, folder: Path) -> tuple[Path, str]:
    """A bundle that is on no other machine, and its hash."""
    from mercli.bundle import _digest

    shutil.copytree(setup.bundle, folder)
    own = {**json.loads((folder / "bundle.json").read_text()), "name": folder.name}
    own["digest"] = _digest(own)
    (folder / "bundle.json").write_text(json.dumps(own))
    return folder, own["digest"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_models_that_workers_lack_are_sent_once(
    engine: Engine, setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that leads to the bundle for this process, and nowhere for the workers."""
    bundle, digest = own_bundle(setup, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    here_only = replace(setup, bundle="/proc/self/cwd/mine", digest=digest)
    shared: list[bytes] = []
    share = engine.share

    def counted(contents: bytes) -> object:
        shared.append(contents)
        return share(contents)

    monkeypatch.setattr(engine, "share", counted)
    results = spread(engine, errands.measure, files(tmp_path, "a", "b", "c", "d", "e"), here_only)
    assert len(shared) == 1
    for _, found in results.values():  # type: ignore[misc]
        assert Path(found).name == digest
        assert (Path(found) / "voice.onnx").read_bytes() == (bundle / "voice.onnx").read_bytes()


def test_a_detector_and_a_face_network_travel_with_the_bundle(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(luggage, "_place", lambda: tmp_path / "sent")
    (tmp_path / "yunet.onnx").write_bytes(b"finds")
    (tmp_path / "judge.onnx").write_bytes(b"judges")
    contract = Contract.from_json(
        {
            "size_px": 48,
            "channels": 1,
            "layout": "NCHW",
            "mean": [0],
            "std": [255],
            "output": "logits",
            "classes": ["happy", "sad"],
        }
    )
    network = OutsideNetwork("judge", str(tmp_path / "judge.onnx"), 6, sha256(b"judges"), contract)
    here = replace(setup, detector=str(tmp_path / "yunet.onnx"), face_network=network)
    items, sent = luggage.pack(here), luggage.contents(here)
    away = replace(
        here,
        bundle=str(tmp_path / "none"),
        detector=str(tmp_path / "none.onnx"),
        face_network=replace(network, file=str(tmp_path / "none.onnx")),
    )
    assert luggage.unpack(away, items, None) is None
    found = luggage.unpack(away, items, sent)
    assert found is not None
    assert found.face_network is not None
    assert Path(found.detector).read_bytes() == b"finds"
    assert Path(found.face_network.file).read_bytes() == b"judges"


def test_threads_that_are_sent_models_at_once_all_have_them(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(luggage, "_place", lambda: tmp_path / "sent")
    bundle, digest = own_bundle(setup, tmp_path / "own")
    here = replace(setup, bundle=str(bundle), digest=digest)
    items, sent = luggage.pack(here), luggage.contents(here)
    away = replace(here, bundle=str(tmp_path / "none"))
    (tmp_path / "sent" / here.digest).mkdir(parents=True)  # as a process leaves it that dies
    (tmp_path / "sent" / "mine").mkdir()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: luggage.unpack(away, items, sent), range(16)))
    assert {each.bundle for each in found if each} == {str(tmp_path / "sent" / here.digest)}
    assert all(found)
    assert {each.name for each in (tmp_path / "sent").iterdir()} == {here.digest, "mine"}


def test_a_worker_that_cannot_start_ends_the_run_with_its_reason(
    engine: Engine, setup: Setup, tmp_path: Path
) -> None:
    run = cluster.run_with(engine, errands.measure, files(tmp_path, "a"), setup, prepare=errands.unready)
    with pytest.raises(MercliError, match="no models"):
        list(run)


def test_a_file_that_vanishes_while_the_run_goes_on_costs_no_other(
    engine: Engine, setup: Setup, tmp_path: Path
) -> None:
    paths = files(tmp_path, *(f"{i:02}" for i in range(40)))
    found = []
    for index, result in cluster.run_with(engine, errands.measure, paths, setup, prepare=errands.ready):
        if not found:
            last = max(set(range(40)) - {index})
            paths[last].unlink()
        found.append((index, result))
    assert sorted(index for index, _ in found) == list(range(40))


class Blind:
    """A cluster whose workers see no file."""

    place = "nowhere"

    def __init__(self) -> None:
        self.given: list[int] = []

    def n_slots(self) -> int:
        return 1

    def submit(self, ticket: int, *_: object) -> None:
        self.given.append(ticket)

    def take(self, _: float) -> list[tuple[int, Reply]]:
        given, self.given = self.given, []
        return [(ticket, Reply(unseen=Path(__file__))) for ticket in given]


def test_a_worker_that_sees_no_files_ends_the_run(setup: Setup, tmp_path: Path) -> None:
    order = Order("run", errands.measure, errands.ready, setup, luggage.pack(setup))
    assert work_off(order, (Errand(0, tmp_path / "elsewhere.mp4"),)).unseen == tmp_path / "elsewhere.mp4"
    (tmp_path / "here.mp4").touch()
    run = _Run(Blind(), order, None)
    with pytest.raises(MercliError, match="a path that all machines share, or a URL"):
        list(run.work_off(deque([Errand(0, tmp_path / "here.mp4")]), lambda: False))
    there = work_off(order, (Errand(0, tmp_path / "elsewhere.mp4", is_there=False),))
    assert [result for _, result in there.results] == [("elsewhere.mp4", setup.bundle)]


def test_another_version_of_mercli_is_refused(setup: Setup) -> None:
    order = Order("run", errands.measure, errands.ready, setup, (), version="0.0.1")
    assert "install the same there" in str(work_off(order, ()).refusal)


@pytest.mark.parametrize("field", ["encoder", "transcribe"])
def test_speech_networks_have_to_lie_where_all_machines_see_them(field: str, setup: Setup, tmp_path: Path) -> None:
    away = replace(setup, **{field: str(tmp_path / "away")})  # type: ignore[arg-type]
    with pytest.raises(MercliError, match="put it where all machines see it"):
        luggage.unpack(away, luggage.pack(setup), None)


def test_a_scheduler_with_another_mercli_is_refused(dask: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mercli.__version__", "99.0")
    with pytest.raises(UsageError, match=r"the scheduler of the cluster has mercli .*, this is 99\.0"):
        cluster.connect("dask", dask.address)


@given(n_files=st.integers(0, 10**7), n_slots=st.integers(0, 5000))
def test_tasks_take_several_files_only_where_many_workers_have_enough(n_files: int, n_slots: int) -> None:
    size = chunk_size(n_files, n_slots)
    assert 1 <= size <= 16
    if n_slots <= 16:
        assert size == 1
    if size > 1:
        assert n_files / size >= 20 * n_slots


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--backend", "dask"], "--backend dask needs --scheduler"),
        (
            ["--backend", "dask", "--scheduler", "nonsense://"],
            "--scheduler nonsense:// is no address of a dask scheduler",
        ),
        (["--backend", "slurm"], "no --backend slurm; there are local, dask and ray"),
        (["--backend", "ray", "--scheduler", ""], "--scheduler is empty"),
        (["--scheduler", "tcp://127.0.0.1:8786"], "give --backend dask or --backend ray too"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(options: list[str], said: str, videos: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [*PREDICT, videos, "-o", tmp_path / "out.csv", *options], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert said in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "out.csv").exists()


def test_where_no_scheduler_answers_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mercli.cluster.dask._CONNECT_S", 0.5)
    with pytest.raises(UsageError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:9"):
        cluster.connect("dask", "tcp://127.0.0.1:9")


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_without_an_engine_installed_it_is_said_how_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, {"dask": "distributed", "ray": "ray"}[name], None)
    with pytest.raises(UsageError, match=rf'python -m pip install "mercli\[{name}\]"'):
        cluster.connect(name, "tcp://127.0.0.1:8786")


@pytest.mark.long
def test_ray_writes_the_table_of_one_machine(videos: Path, local: bytes, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    output = tmp_path / "out.csv"
    ran = subprocess.run(
        [*PREDICT, videos, "-o", output, "--backend", "ray"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1, ran.stderr
    assert "ray on this machine: room for" in ran.stderr
    assert output.read_bytes() == local


@pytest.fixture
def site(videos: Path) -> Iterator[str]:
    """The clips behind a web server's folder page."""
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=videos)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_files_behind_a_url_give_the_rows_of_files_on_disk(
    dask: Cluster, site: str, local: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    arguments = [*PREDICT, site, "-o", output, "--backend", "dask", "--scheduler", dask.address]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stderr

    def told(table: str) -> dict[str, dict[str, str]]:
        return {row["file"].replace("%20", " "): row for row in csv.DictReader(table.splitlines())}

    there, here = told(output.read_text()), told(local.decode())
    assert there.keys() == here.keys()
    for name, row in here.items():
        assert there[name] == {**row, "file": there[name]["file"]}
    again = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert f"continuing: {COPIES + 2} of {COPIES + 2} files done already" in again.stderr


def test_a_file_that_cannot_be_fetched_is_tried_again(site: str, tmp_path: Path, videos: Path) -> None:
    passing = videos / "passing.wav"
    shutil.copy(videos / "voice.wav", passing)
    inputs = find([f"{site}passing.wav"])
    passing.unlink()
    folder, bundle = open_bundle()
    setup = make_setup(folder, bundle, ["voice"])
    with Journal(tmp_path / "journal", columns(bundle.classes)) as journal:
        prediction.predict(inputs, bundle, setup, journal, jobs=1)
        (row,) = journal.rows([inputs[0].name])
        assert row["status"] == "failed"
        assert "cannot read http://127.0.0.1" in str(row["error"])
        assert prediction.plan(inputs, bundle, setup, journal).anew == 1
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob(f"mercli-fetched-{os.getpid()}-*"))


def test_signals_are_as_they_were(engine: Engine, setup: Setup, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    spread(engine, errands.measure, files(tmp_path, "a"), setup)
    assert signal.getsignal(signal.SIGINT) is before
