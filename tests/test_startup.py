"""What a run imports, opens and compiles before its first file; counted, never timed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import onnxruntime
import pytest

import mercli_kernels
from mercli import bundle as bundles
from mercli import kernel_cache, pipeline, soundness, trust
from mercli.errors import BundleError
from mercli.setup import make_setup, open_bundle

HEAVY = {"av", "cv2", "mercli_kernels", "numba", "onnx", "onnxruntime", "pandas", "pyarrow", "scipy", "sklearn"}
"""What takes long to import, and no parent of workers needs to predict."""

COMMAND = """
import json, sys
from mercli.__main__ import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""

WORKER = """
import json, sys
from pathlib import Path
from mercli import kernel_cache
from mercli.setup import make_setup, open_bundle
kernel_cache.settle()
setup = make_setup(*open_bundle(), sys.argv[2].split(","))
from mercli.pipeline import predict_file, start_worker
start_worker(setup, True)
assert predict_file(Path(sys.argv[1]), setup).status == "ok"
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def modules_of(code: str, *arguments: object, env: dict[str, str]) -> set[str]:
    """The modules that a process has imported when it ends, as the last line it prints says."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


class Runs:
    """Two first runs that began at the same time with nothing in the cache folder, and what they said."""

    def __init__(self, folder: Path, clip: Path) -> None:
        self.cache = folder / "cache"
        environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
        self.environment = {**environment, "MERCLI_CACHE": str(self.cache), "NUMBA_DEBUG_CACHE": "1"}
        self.command = [sys.executable, "-m", "mercli", "predict", str(clip), "-j", "1", "-o"]
        begun = [
            subprocess.Popen(
                [*self.command, str(folder / name)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=self.environment,
            )
            for name in ("one.csv", "two.csv")
        ]
        self.stdout, self.stderr = zip(*(process.communicate(timeout=600) for process in begun), strict=True)
        self.codes = [process.returncode for process in begun]
        self.tables = [(folder / name).read_text() for name in ("one.csv", "two.csv")]

    @property
    def mark(self) -> Path:
        (mark,) = self.cache.glob("kernels/*/compiled")
        return mark


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, talking_video: Path) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"), talking_video)


@pytest.fixture
def warm(runs: Runs) -> dict[str, str]:
    """The environment of a run that is not the first."""
    return {name: value for name, value in runs.environment.items() if name != "NUMBA_DEBUG_CACHE"}


def kept(said: str) -> int:
    return said.count("data saved to")


def found(said: str) -> int:
    return said.count("data loaded from")


# Imports


def test_the_help_imports_nothing_heavy():
    modules = modules_of(COMMAND, "--help", env=dict(os.environ))
    assert "mercli" in modules
    assert modules & (HEAVY | {"joblib", "numpy"}) == set()


def test_to_import_the_package_imports_nothing_of_it():
    code = "import json, sys; before = {*sys.modules}; import mercli; dir(mercli); hasattr(mercli, 'absent'); "
    code += "print(json.dumps(sorted({*sys.modules} - before)), file=sys.stderr)"
    modules = modules_of(code, env=dict(os.environ))
    assert {name for name in modules if not name.startswith("importlib")} <= {"mercli", "warnings"}


def test_a_script_that_predicts_imports_nothing_that_only_workers_run(warm, talking_video):
    code = "import json, sys, mercli; assert mercli.predict(sys.argv[1], jobs=1)[0].status == 'ok'; "
    code += "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    modules = modules_of(code, talking_video, env=warm)
    assert "joblib" in modules
    assert modules & (HEAVY | {"rich", "typer"}) == set()


def test_the_parent_of_predict_imports_nothing_that_only_workers_run(warm, talking_video, tmp_path):
    modules = modules_of(COMMAND, "predict", talking_video, "-o", tmp_path / "a.csv", env=warm)
    assert "joblib" in modules
    assert modules & HEAVY == set()


def test_a_worker_that_hears_only_never_imports_opencv(warm, talking_video):
    modules = modules_of(WORKER, talking_video, "voice", env=warm)
    assert "numba" in modules
    assert modules & {"cv2", "onnx", "pyarrow", "scipy.linalg", "sklearn"} == set()


def test_a_worker_that_sees_only_never_imports_numba(warm, mute_video):
    modules = modules_of(WORKER, mute_video, "face", env=warm)
    assert "cv2" in modules
    assert modules & {"mercli_kernels", "numba", "onnx", "pyarrow", "scipy", "sklearn"} == set()


def test_scipy_can_be_imported_where_kernels_were_warmed_up():
    kernel_cache.warm_up(first=False)
    code = "from mercli import kernel_cache; kernel_cache.warm_up(False); import scipy.linalg.cython_blas"
    subprocess.run([sys.executable, "-c", code], check=True)


# What is opened


def test_a_worker_reads_the_bundle_and_opens_each_model_once(runs, talking_video, monkeypatch):
    monkeypatch.setenv("MERCLI_CACHE", str(runs.cache))
    setup = make_setup(*open_bundle(), None)
    opened: list[str] = []

    def counted(where: object, name: str) -> None:
        original = getattr(where, name)

        def counting(*arguments: object, **options: object) -> object:
            opened.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(where, name, counting)

    counted(bundles, "load")
    counted(onnxruntime, "InferenceSession")
    counted(cv2, "CascadeClassifier")
    pipeline._worker.cache_clear()
    pipeline.start_worker(setup, True)
    for _ in range(3):
        assert pipeline.predict_file(talking_video, setup).status == "ok"
    pipeline._worker.cache_clear()
    bundle = open_bundle()[1]
    parts = (bundle.voice, bundle.face, bundle.face and bundle.face.model, bundle.fusion)
    assert opened.count("InferenceSession") == sum(part is not None for part in parts) == 4
    assert opened.count("CascadeClassifier") == 1
    assert opened.count("load") == 2  # of which one is this test's


# Bundles that were found sound


@pytest.fixture
def tried(tmp_path, monkeypatch) -> list[str]:
    """The bundles that are tried, by name, with an empty cache folder."""
    names: list[str] = []
    monkeypatch.setenv("MERCLI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(soundness, "check_sound", lambda bundle: names.append(bundle.name))
    return names


def bundle_of(digest: str) -> bundles.Bundle:
    return bundles.Bundle(name=digest, classes=("happy", "sad"), digest=digest)


def test_a_bundle_is_tried_once(tried):
    for digest in ("a", "a", "b", "a", "b"):
        trust.check_once(bundle_of(digest))
    assert tried == ["a", "b"]


@pytest.mark.parametrize("which", ["__version__", "_runtime"])
def test_another_version_tries_it_anew(tried, monkeypatch, which):
    trust.check_once(bundle_of("a"))
    monkeypatch.setattr(trust, which, "99.0" if which == "__version__" else lambda: "99.0")
    trust.check_once(bundle_of("a"))
    assert tried == ["a", "a"]


def test_an_unsound_bundle_is_refused_every_time(tried, monkeypatch):
    def refuse(bundle: bundles.Bundle) -> None:
        tried.append(bundle.name)
        raise BundleError("it holds a weight that is NaN")

    monkeypatch.setattr(soundness, "check_sound", refuse)
    for _ in range(2):
        with pytest.raises(BundleError, match="NaN"):
            trust.check_once(bundle_of("a"))
    assert tried == ["a", "a"]


def test_where_no_note_can_be_kept_a_bundle_is_tried_every_time(tried, tmp_path):
    (tmp_path / "cache").write_text("a file")
    for _ in range(2):
        trust.check_once(bundle_of("a"))
    assert tried == ["a", "a"]


# Kernels


def test_of_two_first_runs_at_once_one_compiles_and_the_other_waits(runs):
    assert runs.codes == [0, 0], runs.stderr
    assert sorted(map(bool, map(kept, runs.stdout))) == [False, True]
    assert max(map(kept, runs.stdout)) == max(map(found, runs.stdout)) == len(mercli_kernels.compiled_kernels())
    assert runs.tables[0] == runs.tables[1]


def test_a_first_run_says_in_one_line_that_it_compiles(runs):
    for said in runs.stderr:
        assert said.count("compiling the audio kernels, once: ") == 1


def test_the_second_run_compiles_nothing_and_says_nothing_of_it(runs, tmp_path):
    command = [*runs.command, str(tmp_path / "out.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=runs.environment)
    assert kept(done.stdout) == 0 < found(done.stdout)
    assert "compiling" not in done.stderr


@pytest.mark.parametrize("option", ["--quiet", "--modalities=face"])
def test_a_first_run_that_is_quiet_or_deaf_says_nothing_of_it(runs, warm, tmp_path, option):
    mark = runs.mark
    mark.unlink()
    try:
        command = [*runs.command, str(tmp_path / "out.csv"), option]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=warm)
        assert "compiling" not in done.stderr
    finally:
        mark.touch()


KEPT_IN = """
import os
from mercli import kernel_cache
kernel_cache.settle()
from mercli_kernels.jit import _dispatchers
(folder,) = {os.path.dirname(kernel.stats.cache_path) for kernel in _dispatchers}
print(folder)
print(os.path.isdir(folder))
print(kernel_cache.is_filled(), kernel_cache.can_be_kept())
"""


def kept_in(**env: object) -> tuple[Path, list[str]]:
    """The folder in which a run keeps kernels, and what is said of it while it runs."""
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment |= {name: str(value) for name, value in env.items()}
    command = [sys.executable, "-c", KEPT_IN]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    folder, *said = done.stdout.splitlines()
    return Path(folder), said


def test_kernels_are_kept_in_the_cache_folder(tmp_path):
    folder, said = kept_in(MERCLI_CACHE=tmp_path)
    assert folder.parent == tmp_path / "kernels"
    assert folder.is_dir()
    assert said == ["True", "False True"]


def test_the_folder_that_the_user_gives_numba_is_respected(tmp_path):
    folder, said = kept_in(MERCLI_CACHE=tmp_path / "mercli", NUMBA_CACHE_DIR=tmp_path / "numba")
    assert folder.parent == tmp_path / "numba"  # by version: numba would take what an earlier one left
    assert not (tmp_path / "mercli").exists()
    assert said == ["True", "False True"]


READY = """
import resource, signal, sys
from mercli import kernel_cache
kernel_cache.settle()
from mercli_kernels import compiled_kernels
if sys.argv[1:]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
kernel_cache.warm_up(True)
uses = compiled_kernels()
print(all(use.loaded + use.compiled for use in uses), sum(use.compiled for use in uses))
"""


def ready(cache: Path, *room: str) -> list[str]:
    """Whether all kernels are ready in a worker, and how many it compiled."""
    command = [sys.executable, "-c", READY, *room]
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment["MERCLI_CACHE"] = str(cache)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.split()


@pytest.mark.long
@pytest.mark.parametrize(("ending", "content"), [("nbi", b"junk"), ("nbi", b""), ("nbc", None)])
def test_what_was_kept_and_is_damaged_is_made_anew(runs, tmp_path, ending, content):
    cache = tmp_path / "cache"
    shutil.copytree(runs.cache, cache)
    files = sorted(cache.rglob(f"*.{ending}"))
    for file in files[:2]:
        file.write_bytes(file.read_bytes()[:100] if content is None else content)
    said, compiled = ready(cache)
    assert (said, int(compiled) > 0) == ("True", True)
    ready(cache)  # makes what the run before had loaded already
    assert ready(cache) == ["True", "0"]


@pytest.mark.long
def test_where_there_is_no_room_to_keep_kernels_they_are_compiled_all_the_same(tmp_path):
    said, compiled = ready(tmp_path, "20000")
    assert (said, int(compiled) > 0) == ("True", True)


def test_of_what_earlier_versions_kept_the_last_few_stay_and_nothing_else_goes(tmp_path):
    kernels = tmp_path / "mercli" / "kernels"
    names = [f"mercli-{i:016x}" for i in range(5)]
    for i, name in enumerate((*names, "mercli-mine")):
        (kernels / name).mkdir(parents=True)
        (kernels / name / "compiled").touch()
        os.utime(kernels / name, (i, i))
    kernel_cache._prune(kernels / names[0])
    assert {each.name for each in kernels.iterdir()} == {names[0], *names[2:], "mercli-mine"}


def test_where_nothing_can_be_kept_kernels_last_as_long_as_the_run(tmp_path):
    (tmp_path / "cache").write_text("a file")
    folder, said = kept_in(MERCLI_CACHE=tmp_path / "cache")
    assert said == ["True", "False False"]
    assert not folder.exists()
    assert not folder.is_relative_to(Path(mercli_kernels.__file__).parent)


@pytest.mark.long
def test_a_folder_that_cannot_be_written_costs_no_answer(talking_video, tmp_path):
    (tmp_path / "cache").write_text("a file")
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    command = [sys.executable, "-m", "mercli", "predict", str(talking_video), "-o", str(tmp_path / "out.csv")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"MERCLI_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("compiling the audio kernels in every run") == 1
    assert "MERCLI_CACHE" in done.stderr
    assert not list(tmp_path.glob("mercli-kernels-*"))


@pytest.mark.parametrize("name", ["waveform.py", "numba/_version.py"])
def test_an_upgrade_uses_no_kernel_of_before(tmp_path, name):
    shutil.copytree(Path(mercli_kernels.__file__).parent, tmp_path / "mercli_kernels")
    (tmp_path / "numba").mkdir()
    for file in ("__init__.py", "_version.py"):
        (tmp_path / "numba" / file).touch()
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", "from mercli import kernel_cache; print(kernel_cache._key())"]

    def key() -> str:
        return subprocess.check_output(command, text=True, env={**os.environ, "PYTHONPATH": path})

    before = key()
    assert key() == before
    changed = tmp_path / name if "/" in name else tmp_path / "mercli_kernels" / name
    changed.write_text(changed.read_text() + "EPSILON = 1e-9\n")
    assert key() != before


HOLDER = """
import sys, time
from pathlib import Path
from mercli import kernel_cache
with kernel_cache._alone(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", ["killed", "halted"])
def test_a_holder_of_the_lock_that_ended_or_halts_keeps_nobody_waiting(tmp_path, monkeypatch, how):
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "lock"], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"in\n"
            if how == "killed":
                monkeypatch.setattr(kernel_cache, "_PATIENCE_S", 1e6)
                holder.kill()
                holder.wait()
            else:
                monkeypatch.setattr(kernel_cache, "_PATIENCE_S", 0.5)
                holder.send_signal(signal.SIGSTOP)
            entered = False
            with kernel_cache._alone(tmp_path / "lock"):
                entered = True
            assert entered
        finally:
            holder.kill()
