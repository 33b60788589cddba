"""`mercli.predict`, `mercli.features` and `mercli.load_bundle`: what a notebook or a script calls."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import psutil
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mercli
from mercli import interrupts, prediction, tables
from mercli.cli import app
from mercli.emotions import FER2013
from mercli.errors import BundleError, MercliError, UsageError
from mercli.inputs import Input
from mercli.journal import Journal
from mercli.predictions import Prediction, Predictions, timeline_of
from mercli.result import Timeline
from mercli.sample import draw_portrait, write_video
from mercli.setup import make_setup, open_bundle
from mercli.sheet import html_table

ROOT = Path(__file__).parents[1]
CLASSES = FER2013


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, talking_video: Path, mute_video: Path, sound_only: Path
) -> Path:
    """A file with a voice and a face, one without each, and one that is none."""
    folder = tmp_path_factory.mktemp("clips")
    for name, source in (("both.mp4", talking_video), ("mute.mp4", mute_video), ("voice.wav", sound_only)):
        shutil.copy(source, folder / name)
    (folder / "broken.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def said(folder: Path) -> Predictions:
    return mercli.predict(folder, jobs=2, timeline=True)


@pytest.fixture(scope="module")
def typed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The table, or with ``seconds`` in its name the timeline, that the command writes of the folder."""
    place = tmp_path_factory.mktemp("typed")
    for ending in (".csv", ".parquet", ".jsonl"):
        table, seconds = place / f"table{ending}", place / f"seconds{ending}"
        with pytest.raises(SystemExit):
            app(["predict", str(folder), "-o", str(table), "--timeline", str(seconds), "-q"])
    return lambda name: place / name


def workers() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if any("popen_loky" in word for word in child.cmdline())]


def script(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """A script that is read from stdin, as `python - < script.py`."""
    command = [sys.executable, "-", *map(str, arguments)]
    return subprocess.run(
        command, input=textwrap.dedent(code), capture_output=True, text=True, check=False, **options
    )


# What is said of a file


def test_files_are_found_by_place_and_by_name_in_the_order_of_the_table(said: Predictions) -> None:
    assert [each.file for each in said] == ["both.mp4", "broken.mp4", "mute.mp4", "voice.wav"]
    assert said[0] is said["both.mp4"] is said[-4]
    assert len(said) == 4
    assert "both.mp4" in said
    assert "absent.mp4" not in said
    assert said[1] in said
    with pytest.raises(KeyError, match=r"absent\.mp4"):
        said["absent.mp4"]
    with pytest.raises(IndexError):
        said[4]


def test_a_slice_is_predictions_again(said: Predictions) -> None:
    assert isinstance(said[1:], Predictions)
    assert [each.file for each in said[2:]] == ["mute.mp4", "voice.wav"]
    assert said[2:].to_dict()["file"] == ["mute.mp4", "voice.wav"]


def test_an_answer_has_a_probability_for_each_class(said: Predictions, folder: Path) -> None:
    both = said["both.mp4"]
    assert both.status == "ok"
    assert both.path == folder / "both.mp4"
    assert both.probabilities is not None
    assert tuple(both.probabilities) == said.classes == CLASSES
    assert sum(both.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert both.emotion is not None
    assert both.confidence == both.probabilities[both.emotion] == max(both.probabilities.values())
    assert both.decided_by in ("voice", "face", "both")
    assert both.voice_emotion in CLASSES
    assert both.face_emotion in CLASSES
    assert both.duration_s == pytest.approx(1.2, abs=0.1)
    assert both.coverage == 1
    assert both.error is None
    assert both.bundle == mercli.load_bundle().label


def test_what_a_file_does_not_hold_is_none(said: Predictions) -> None:
    mute, voice = said["mute.mp4"], said["voice.wav"]
    assert (mute.status, mute.decided_by, mute.voice_probabilities) == ("partial", "face", None)
    assert mute.voice_emotion is None
    assert mute.face_probabilities == mute.probabilities
    assert (voice.decided_by, voice.face_probabilities, voice.coverage) == ("voice", None, None)


def test_a_file_that_cannot_be_read_is_told_and_not_raised(said: Predictions) -> None:
    broken = said["broken.mp4"]
    assert broken.status == "failed"
    assert broken.error is not None
    assert "not a media file" in broken.error
    assert broken.emotion is broken.probabilities is broken.confidence is broken.timeline is None


def test_all_faces_are_one_prediction_and_a_row_each(tmp_path: Path) -> None:
    pair = [np.concatenate([draw_portrait(240, 240, head_px=110, centre_px=(120, 120))] * 2, axis=1)] * 20
    write_video(tmp_path / "pair.mp4", pair)
    said = mercli.predict(tmp_path, jobs=1, faces="all", modalities="face")
    assert len(said) == 1
    assert len(said[0].others) == 1
    assert said.to_dict()["face"] == [said[0].face, said[0].others[0].face]
    assert said[0].face != said[0].others[0].face
    assert said.to_dict()["file"] == ["pair.mp4"] * 2


def test_the_seconds_of_a_clip_are_arrays(said: Predictions) -> None:
    seconds = said["both.mp4"].timeline
    assert isinstance(seconds, Timeline)
    assert seconds.starts_s.tolist() == [0, 1]
    assert seconds.ends_s.tolist() == [1, pytest.approx(1.2, abs=0.1)]
    for posterior in (seconds.fused, seconds.voice, seconds.face):
        assert posterior.shape == (2, len(CLASSES))
    assert np.isnan(said["mute.mp4"].timeline.voice).all()  # type: ignore[union-attr]


def test_predictions_travel_and_are_equal_where_they_say_the_same(said: Predictions) -> None:
    again = pickle.loads(pickle.dumps(said))  # noqa: S301
    assert again == said
    assert again["both.mp4"] == said["both.mp4"]
    assert again[:2] != said


# Tables


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_what_is_written_is_what_the_command_writes(
    said: Predictions, typed: Callable[[str], Path], tmp_path: Path, ending: str
) -> None:
    said.write(tmp_path / f"a.{ending}")
    said.seconds().write(tmp_path / f"b.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes() == typed(f"table.{ending}").read_bytes()
    assert (tmp_path / f"b.{ending}").read_bytes() == typed(f"seconds.{ending}").read_bytes()


def test_a_table_goes_into_pandas_polars_and_arrow(said: Predictions, typed: Callable[[str], Path]) -> None:
    assert said.to_arrow().equals(pq.read_table(typed("table.parquet")))
    columns = list(tables.columns(CLASSES))
    for frame in (pandas.DataFrame(said.to_dict()), polars.DataFrame(said.to_dict())):
        assert list(frame.columns) == columns
        assert frame.shape == (4, len(columns))
        assert list(frame["file"]) == [each.file for each in said]
    assert polars.DataFrame(said.to_dict())["confidence"].null_count() == 1
    assert polars.from_arrow(said.seconds().to_arrow()).shape[0] == sum(
        0 if each.timeline is None else len(each.timeline.starts_s) for each in said
    )


def test_a_column_without_a_value_keeps_its_type_in_arrow(said: Predictions) -> None:
    table = said[1:2].to_arrow()
    assert str(table.schema.field("emotion").type) == "string"
    assert str(table.schema.field("n_frames").type) == "int64"


def test_a_file_is_not_lost_to_a_table_after_a_change_of_folder(sound_only, tmp_path, monkeypatch):
    shutil.copy(sound_only, tmp_path / "mine.csv")
    monkeypatch.chdir(tmp_path)
    said = mercli.predict("mine.csv", jobs=1)
    monkeypatch.chdir("/")
    with pytest.raises(UsageError):
        said.write(tmp_path / "mine.csv", overwrite=True)
    assert (tmp_path / "mine.csv").read_bytes() == sound_only.read_bytes()


def test_no_file_is_lost_to_a_table(said: Predictions, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("mine\n")
    with pytest.raises(UsageError, match=r"notes\.csv is not a table of mercli's; .*overwrite=True"):
        said.write(tmp_path / "notes.csv")
    with pytest.raises(UsageError, match="end its name in"):
        said.write(tmp_path / "a.xlsx")
    with pytest.raises(UsageError, match="cannot write"):
        said.write(tmp_path / "absent" / "a.csv")
    said.write(tmp_path / "notes.csv", overwrite=True)
    said.write(str(tmp_path / "notes.csv"))  # which is a table now
    take = shutil.copy(folder / "both.mp4", tmp_path / "take.csv")
    whole = Path(take).read_bytes()
    of_take = Predictions(said.classes, (replace(said[0], path=Path(take)),))
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="one of the files that were read"):
            of_take.write(take, overwrite=overwrite)
    assert Path(take).read_bytes() == whole


class Tags(HTMLParser):
    """The tags of a page, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert not attrs
        self.found.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_shows_a_small_table(said: Predictions) -> None:
    page = said._repr_html_()
    assert page.count("<tr>") == 1 + len(said)
    assert "not a media file" in page
    many = Predictions(said.classes, tuple(replace(said[0], file=f"{i}.mp4") for i in range(1000)))
    assert "and 980 more" in many._repr_html_()
    assert len(many._repr_html_()) < 5000
    assert "both.mp4" in said.seconds()._repr_html_()
    assert repr(said) == "Predictions(4 files: 1 ok, 1 failed, 2 partial)"
    assert repr(said[:1]) == "Predictions(1 file: 1 ok)"
    assert repr(said[:0]) == "Predictions(0 files)"


@given(st.text() | st.text("<>/&;'\"ab#1"))
def test_no_name_is_markup(name: str) -> None:
    page = Tags(html_table(["file"], [[name]]))
    page.close()
    assert page.found == {"table", "thead", "tbody", "tr", "th", "td"}
    assert page.text == f"file{name}"


PROBABILITIES = st.none() | st.lists(st.floats(0, 1), min_size=2, max_size=2)


@given(PROBABILITIES, PROBABILITIES, PROBABILITIES, st.integers(0, 2), st.text())
def test_a_prediction_says_what_its_rows_say(
    fused: list[float] | None, voice: list[float] | None, face: list[float] | None, others: int, name: str
) -> None:
    classes = ("happy", "sad")

    def top(values: list[float] | None) -> str | None:
        return None if values is None else classes[values.index(max(values))]

    row = dict.fromkeys(tables.columns(classes)) | {"file": name, "status": "ok", "emotion": top(fused)}
    row |= {"voice_emotion": top(voice), "face_emotion": top(face), "n_frames": 3, "bundle": "b"}
    for prefix, values in (("p", fused), ("voice_p", voice), ("face_p", face)):
        row |= {f"{prefix}_{of}": p for of, p in zip(classes, values or (None, None), strict=True)}
    rows = [row, *({**row, "face": i} for i in range(others))]
    again = Prediction.of_rows(rows, classes, Path(name)).rows(classes)
    assert again == rows
    assert [list(each) for each in again] == [list(each) for each in rows]


@given(st.lists(st.lists(st.none() | st.floats(0, 1).map(lambda p: round(p, 6)), min_size=6, max_size=6)))
def test_a_timeline_says_what_its_rows_say(said: list[list[float | None]]) -> None:
    names = tables.timeline_columns(("happy", "sad"))
    rows = [dict(zip(names, ("a", i, i + 1, *cells), strict=True)) for i, cells in enumerate(said)]
    timeline = timeline_of(rows, ("happy", "sad"))
    assert [["a", *cells] for cells in tables.seconds(timeline)] == [list(row.values()) for row in rows]


# What is asked for


def test_paths_may_be_one_or_several_text_or_not_files_folders_or_patterns(folder: Path) -> None:
    one = mercli.predict(folder / "voice.wav", jobs=1)
    assert one[folder / "voice.wav"] is one[(folder / "voice.wav").as_posix()] is one[0]
    for paths in (str(folder / "v*.wav"), [folder / "voice.wav"], (path for path in [str(folder / "voice.wav")])):
        assert mercli.predict(paths, jobs=1) == one


def test_a_bundle_may_be_a_folder_a_name_or_one_that_was_loaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = mercli.load_bundle()
    assert shipped.folder is not None
    own = shutil.copytree(shipped.folder, tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    loaded = mercli.load_bundle("own")
    assert loaded == shipped == mercli.load_bundle(own) == mercli.load_bundle(shipped.name)
    assert loaded.folder == own.resolve()
    monkeypatch.chdir(folder)  # as notebooks do
    first = mercli.predict("voice.wav", jobs=1, modalities=["voice"], bundle=loaded)
    for bundle in (own, str(own), shipped.name, None):
        assert mercli.predict("voice.wav", jobs=1, modalities="voice", bundle=bundle) == first


def test_a_bundle_that_is_not_what_was_loaded_is_refused(folder: Path, tmp_path: Path) -> None:
    shipped = mercli.load_bundle()
    assert shipped.folder is not None
    with pytest.raises(BundleError, match="no longer what was loaded; load it again"):
        mercli.predict(folder, bundle=replace(shipped, fusion=None))
    own = shutil.copytree(shipped.folder, tmp_path / "own")
    loaded = mercli.load_bundle(own)
    (own / "bundle.json").write_text("{}")
    with pytest.raises(BundleError, match="own"):
        mercli.predict(folder, bundle=loaded)
    with pytest.raises(UsageError, match="lies in no folder; save it"):
        mercli.predict(folder, bundle=replace(shipped, folder=None))


def test_a_bundle_is_shown_in_a_few_lines() -> None:
    assert len(repr(mercli.load_bundle())) < 2000


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"paths": []}, "no video or sound file in an empty list of paths"),
        ({"paths": "absent"}, "no such file or folder: absent"),
        ({"jobs": 0}, "0 jobs were asked for"),
        ({"faces": "both"}, "no faces 'both'; there are main and all"),
        ({"faces": "all", "modalities": "voice"}, "for the face"),
        ({"modalities": "smell"}, "no modality 'smell'"),
        ({"modalities": []}, "no modality given"),
        ({"fps": 0}, "--fps 0 is no such rate; give one from 0.1 to 1000"),
        ({"fps": float("nan")}, "--fps nan"),
        ({"timeout": -1}, "--timeout -1"),
        ({"max_duration": float("inf")}, "--max-duration inf"),
        ({"max_pixels": -1}, "--max-pixels -1"),
        ({"max_memory": -1}, "--max-memory -1"),
        ({"max_memory": "much"}, "'much' is not an amount of memory"),
        ({"face_detector": "absent.onnx"}, "absent.onnx"),
        ({"voice_encoder": "absent.onnx"}, "without an encoder"),
        ({"bundle": " "}, "empty"),
    ],
)
def test_what_makes_no_sense_is_raised_before_anything_is_read(
    folder: Path, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        mercli.predict(**{"paths": folder, **options})
    assert workers() == []


def test_a_bundle_that_is_none_is_raised(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="so it is no bundle"):
        mercli.load_bundle(tmp_path)
    with pytest.raises(BundleError, match="no bundle 'absent'"):
        mercli.predict(folder, bundle="absent")


def test_a_limit_costs_the_file_that_passes_it(folder: Path) -> None:
    said = mercli.predict(folder, jobs=1, max_duration=0.5, max_memory="4G")
    assert {each.status for each in said} == {"failed"}
    error = said["both.mp4"].error
    assert error is not None
    assert "--max-duration" in error or "0.5" in error


def test_memory_too_small_to_begin_with_is_raised(folder: Path) -> None:
    with pytest.raises(UsageError, match="only to begin"):
        mercli.predict(folder, jobs=1, max_memory=1 << 20)


# How it runs


def test_nothing_is_printed_unless_progress_is_asked_for(
    folder: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    mercli.predict(folder, jobs=2)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    mercli.predict(folder / "voice.wav", jobs=1, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "1/1" in err


NOTEBOOK = """
import builtins, sys

class ZMQInteractiveShell:
    '''By this name rich knows that it is in a notebook.'''

builtins.get_ipython = ZMQInteractiveShell
sys.modules["ipywidgets"] = None
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "ipywidgets" else find_spec(name, *rest)
import mercli
mercli.predict(sys.argv[1], jobs=1, progress=True)
"""


def test_a_notebook_without_widgets_has_the_progress_as_text_and_no_warning(folder: Path) -> None:
    command = [sys.executable, "-c", NOTEBOOK, str(folder / "voice.wav")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "1/1" in done.stderr
    assert "ipywidgets" not in done.stderr


@pytest.mark.long
def test_progress_says_that_kernels_are_compiled_first(folder: Path, tmp_path: Path) -> None:
    code = "import mercli, sys; mercli.predict(sys.argv[1], jobs=1, progress=True)"
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    said = [
        subprocess.run(
            [sys.executable, "-c", code, str(folder / "voice.wav")],
            env={**environment, "MERCLI_CACHE": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stderr.count("compiling the audio kernels, once")
        for _ in range(2)
    ]
    assert said == [1, 0]


TWICE = """
import sys
import mercli
first = mercli.predict(sys.argv[1], jobs=2)
assert mercli.predict(sys.argv[1], jobs=1) == first
first.write(sys.argv[2])
"""


def test_a_script_on_stdin_without_a_guard_predicts_twice(
    folder: Path, typed: Callable[[str], Path], tmp_path: Path
) -> None:
    done = script(TWICE, folder, tmp_path / "a.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "a.csv").read_bytes() == typed("table.csv").read_bytes()


@pytest.mark.long
def test_a_script_in_a_file_needs_no_guard_either(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(TWICE)
    command = [sys.executable, tmp_path / "script.py", folder, tmp_path / "a.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_threads_may_predict_at_once(folder: Path, said: Predictions) -> None:
    found: list[Predictions] = []
    threads = [
        threading.Thread(target=lambda: found.append(mercli.predict(folder, jobs=1, timeline=True)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert found == [said] * 3
    assert workers() == []
    assert "PYTHONWARNINGS" not in os.environ


def test_an_error_that_is_kept_keeps_no_worker(folder: Path, tmp_path: Path) -> None:
    loaded = mercli.load_bundle()
    setup = make_setup(*open_bundle(), None)
    copies = [Path(shutil.copy(folder / "both.mp4", tmp_path / f"{i}.mp4")) for i in range(20)]
    files = [Input(path, path.name) for path in copies]
    before = signal.getsignal(signal.SIGINT)

    def fail(_: object) -> None:
        raise MercliError("no room")

    schemas = tables.columns(loaded.classes), tables.timeline_columns(loaded.classes)
    with Journal(None, *schemas) as journal, pytest.raises(MercliError, match="no room") as kept:
        prediction.predict(files, loaded, setup, journal, jobs=1, on_result=fail)
    assert workers() == []
    assert signal.getsignal(signal.SIGINT) is before
    assert kept.value.__traceback__ is not None


INTERRUPTED = """
import json, signal, sys
import psutil
import mercli
from mercli import prediction
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it would be ignored
append = prediction.Journal.append
def tell(*args, **kwargs):
    append(*args, **kwargs)
    print("one is done", flush=True)
prediction.Journal.append = tell
try:
    mercli.predict(sys.argv[1], jobs=2)
except KeyboardInterrupt as interrupt:
    kept = interrupt  # as a notebook does
    children = psutil.Process().children()
    left = [child.pid for child in children if any("popen_loky" in word for word in child.cmdline())]
    restored = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    prediction.Journal.append = append
    again = len(mercli.predict(sys.argv[2], jobs=1))
    print(json.dumps([left, restored, again]))
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Ctrl-C is another thing there")
def test_an_interrupt_is_a_keyboard_interrupt_with_no_worker_left(folder: Path, tmp_path: Path) -> None:
    for i in range(150):
        (tmp_path / f"{i:03}.mp4").write_bytes((folder / "both.mp4").read_bytes())
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "one is done\n"
        os.killpg(process.pid, signal.SIGINT)  # as a notebook's server does: to the workers too
        out, err = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert err == ""
    assert json.loads(out.splitlines()[-1]) == [[], True, 4]


def test_only_the_main_thread_says_how_signals_are_handled() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def look() -> None:
        with interrupts.noted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


# Features


def test_features_go_into_pandas_polars_and_arrow(sound_only: Path) -> None:
    measured = mercli.features(sound_only, level="mid", set="original-34")
    columns = ["start_s", "end_s", *measured.names]
    for frame in (pandas.DataFrame(measured.to_dict()), polars.DataFrame(measured.to_dict())):
        assert list(frame.columns) == columns
        assert np.array_equal(frame[list(measured.names)].to_numpy(), measured.values)
    table = measured.to_arrow()
    assert table.column_names == columns
    assert str(table.schema.field("zcr_mean").type) == "float"
    assert table["end_s"].to_pylist() == measured.times_s[:, 1].tolist()


# The surface


def test_every_public_name_is_there_and_told() -> None:
    for name in mercli.__all__:
        assert getattr(mercli, name) is not None
        assert name in dir(mercli)
    assert mercli.errors.UsageError is UsageError
    with pytest.raises(AttributeError, match="module 'mercli' has no attribute 'absent'"):
        mercli.absent  # noqa: B018


def test_type_checkers_know_the_public_names(tmp_path: Path) -> None:
    (tmp_path / "uses.py").write_text(
        "import mercli\n"
        "reveal_type(mercli.predict('a')[0])\n"
        "reveal_type(mercli.predict('a')[1:])\n"
        "reveal_type(mercli.features('a').values)\n"
        "reveal_type(mercli.load_bundle())\n"
        "mercli.absent\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "", "--follow-imports=silent", tmp_path / "uses.py"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MYPYPATH": os.pathsep.join(str(ROOT / name) for name in (".", "kernels", "models"))},
    )
    for kind in ("predictions.Prediction", "predictions.Predictions", "ndarray", "bundle.Bundle"):
        assert f'{kind}"' in done.stdout or f"{kind}[" in done.stdout, done.stdout
    assert 'has no attribute "absent"' in done.stdout
