"""Labelled corpora: what names and manifests mean, and speakers who are never on both sides."""

import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mercli import corpora, emotions
from mercli.corpora import folds, load, parse_split, split_speakers
from mercli.errors import CorpusError, UsageError

HEADER = "file,label,speaker"
ROWS = ("a.wav,happy,ann", "b.wav,sad,ann", "c.wav,happy,bob", "d.wav,sad,bob")


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def write_manifest(path: Path, rows: Iterable[str] = ROWS, *, header: str = HEADER, encoding="utf-8") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return path


@pytest.fixture
def clips(tmp_path):
    """A folder with four files, still without a manifest."""
    return touch(tmp_path / "clips", "a.wav", "b.wav", "c.wav", "d.wav")


def found(corpus):
    return [(example.path.name, example.label, example.speaker) for example in corpus.examples]


FOUR = [("a.wav", "happy", "ann"), ("b.wav", "sad", "ann"), ("c.wav", "happy", "bob"), ("d.wav", "sad", "bob")]


class TestRavdessNames:
    @pytest.fixture
    def ravdess(self, tmp_path):
        names = [f"Actor_{who}/03-01-{kind:02d}-01-02-01-{who}.wav" for who in (11, 12) for kind in range(1, 9)]
        return touch(tmp_path / "ravdess", *names, "README.txt", "Actor_11/notes.wav")

    def test_emotion_and_actor_are_read_from_the_name(self, ravdess):
        corpus = load(ravdess)
        assert corpus.speakers == ("ravdess-11", "ravdess-12")
        labels = [example.label for example in corpus.examples if example.speaker == "ravdess-12"]
        assert labels == ["neutral", "neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"]

    def test_other_files_are_passed_over(self, ravdess):
        assert len(load(ravdess).examples) == 16

    def test_calm_counts_as_neutral(self, ravdess):
        corpus = load(ravdess)
        assert corpus.classes == emotions.FER2013
        assert {e.label for e in corpus.examples if "-02-" in e.path.name[:9]} == {"neutral"}

    def test_calm_is_kept_where_the_classes_name_it(self, ravdess):
        corpus = load(ravdess, classes=emotions.ALL)
        assert corpus.classes == emotions.ALL
        assert {e.label for e in corpus.examples if "-02-" in e.path.name[:9]} == {"calm"}

    def test_files_of_classes_that_were_not_asked_for_are_counted(self, ravdess):
        corpus = load(ravdess, classes=["happy", "sad"])
        assert corpus.classes == ("happy", "sad")
        assert corpus.left_out == 12

    def test_video_and_upper_case_suffixes_count(self, tmp_path):
        names = [
            f"01-01-0{kind}-01-01-01-0{who}{suffix}"
            for kind in (3, 4)
            for who, suffix in ((1, ".mp4"), (2, ".WAV"))
        ]
        assert len(load(touch(tmp_path, *names)).examples) == 4

    def test_an_emotion_that_ravdess_does_not_have_is_named_with_its_file(self, ravdess):
        touch(ravdess, "Actor_11/03-01-09-01-02-01-11.wav")
        with pytest.raises(CorpusError, match=r"03-01-09-01-02-01-11\.wav: RAVDESS has no emotion 09"):
            load(ravdess)

    def test_the_order_does_not_depend_on_the_file_system(self, ravdess):
        paths = [example.path for example in load(ravdess).examples]
        assert paths == sorted(paths)

    def test_links_that_lead_in_circles_are_not_followed(self, ravdess):
        for name in ("one", "two", "Actor_11/three"):
            (ravdess / name).symlink_to(ravdess)
        assert len(load(ravdess).examples) == 16

    @pytest.mark.parametrize("mode", [0o333, 0])
    def test_a_folder_that_cannot_be_looked_into_is_named_rather_than_left_out(self, mode):
        if not hasattr(os, "setuid"):
            pytest.skip("this system has no such rights")
        code = (
            "import os, pathlib, sys; from mercli.corpora import load; from mercli.errors import CorpusError\n"
            "os.geteuid() or os.setuid(65534)\n"
            "try: load(pathlib.Path(sys.argv[1]))\n"
            "except CorpusError as error: print(error)"
        )
        names = [f"Actor_{who}/03-01-{kind:02d}-01-02-01-{who}.wav" for who in (11, 12, 13) for kind in (3, 4)]
        with tempfile.TemporaryDirectory() as name:
            root = touch(Path(name), *names)
            root.chmod(0o755)
            (root / "Actor_13").chmod(mode)
            done = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, check=True)
        assert done.stdout == (
            f"cannot look into {root / 'Actor_13'} (Permission denied), so a part of the corpus would be missing; "
            "make the folder readable or move it out of the corpus\n"
        )


class TestManifests:
    def test_one_in_the_folder_is_found(self, clips):
        write_manifest(clips / "manifest.csv")
        corpus = load(clips)
        assert found(corpus) == FOUR
        assert corpus.name == "clips"

    def test_one_given_as_the_corpus_has_names_relative_to_itself(self, clips):
        assert found(load(write_manifest(clips / "mine.csv"))) == FOUR

    def test_one_given_beside_the_corpus_has_names_relative_to_the_corpus(self, clips, tmp_path):
        assert found(load(clips, manifest=write_manifest(tmp_path / "mine.csv"))) == FOUR

    def test_one_given_outright_goes_before_the_one_in_the_folder(self, clips, tmp_path):
        write_manifest(clips / "manifest.csv", ROWS[:2])
        assert found(load(clips, manifest=write_manifest(tmp_path / "mine.csv"))) == FOUR

    def test_names_may_be_absolute(self, clips, tmp_path):
        rows = [f"{clips}/{row}" for row in ROWS]
        assert (
            found(load(touch(tmp_path / "elsewhere", "x"), manifest=write_manifest(tmp_path / "m.csv", rows)))
            == FOUR
        )

    def test_synonyms_capitals_and_blanks_around_cells_are_understood(self, clips):
        rows = [" a.wav , Joy , ann ", "b.wav,SADNESS,ann", "c.wav,happiness,bob", "d.wav,sad,bob"]
        assert found(load(write_manifest(clips / "manifest.csv", rows))) == FOUR

    def test_a_byte_order_mark_does_no_harm(self, clips):
        write_manifest(clips / "manifest.csv", encoding="utf-8-sig")
        assert found(load(clips)) == FOUR

    def test_blanks_around_the_names_of_columns_do_no_harm(self, clips):
        write_manifest(clips / "manifest.csv", header=" file , label,\tspeaker ")
        assert found(load(clips)) == FOUR

    def test_further_columns_are_traits_in_one_spelling(self, clips):
        rows = [
            "a.wav,happy,ann,F,Test, ",
            "b.wav,sad,ann,woman,test,x",
            "c.wav,happy,bob,Male,,",
            "d.wav,sad,bob,m,,",
        ]
        write_manifest(clips / "m.csv", rows, header=f"{HEADER},Sex,split,<b>")
        traits = [dict(example.traits) for example in load(clips / "m.csv").examples]
        assert traits == [
            {"sex": "female", "split": "test"},
            {"sex": "female", "split": "test"},
            {"sex": "male"},
            {"sex": "male"},
        ]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("file,label,label,speaker\na.wav,sad,happy,x\n", "two columns named 'label'"),
            ("file,label,speaker,Speaker \na.wav,sad,x,y\n", "two columns named 'speaker'"),
            ('file,label,speaker\na.wav,sad,"x\nb.wav,happy,y\n', "speaker .* cannot be printed"),
            ("file,label,speaker\na.wav,sad,Doe, John\n", "line 2: it has more cells than the first line"),
            ("file,label,speaker\na.wav,sad,x\x1b[2J\n", r"speaker 'x\\x1b\[2J' has a character that cannot"),
            (f"file,label,speaker\na.wav,sad,{'x' * 201}\n", "is no name: it is too long"),
            (f"file,label,speaker\na.wav,{'y' * 9999},x\n", r"unknown label 'y{80}\.\.\.'; known"),
            ("file,label,speaker\n", "names no file"),
        ],
    )
    def test_what_could_be_misread_is_refused(self, clips, text, said):
        (clips / "manifest.csv").write_text(text, encoding="utf-8")
        with pytest.raises(CorpusError, match=said) as caught:
            load(clips)
        assert len(str(caught.value)) < 500

    def test_columns_are_known_in_any_case(self, clips):
        assert found(load(write_manifest(clips / "m.csv", header="File,LABEL,Speaker"))) == FOUR

    def test_a_file_that_a_layout_and_a_manifest_know_has_one_speaker(self, tmp_path):
        folder = touch(tmp_path / "rv", "03-01-05-01-02-01-12.wav", "03-01-03-01-02-01-11.wav")
        (folder / "labels.csv").write_text(f"{HEADER}\n03-01-05-01-02-01-12.wav,angry,zoe\n")
        with pytest.raises(CorpusError, match="has two labels or two speakers"):
            load([folder, folder / "labels.csv"])

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_a_pipe_named_like_a_table_is_not_waited_for(self, tmp_path):
        touch(tmp_path, "1001_DFA_ANG_XX.wav", "1002_DFA_SAD_XX.wav")
        os.mkfifo(tmp_path / "VideoDemographics.csv")
        assert len(load(tmp_path, to_train=False).examples) == 2

    def test_two_of_them_must_agree_on_a_file(self, clips):
        one, other = write_manifest(clips / "1.csv"), write_manifest(clips / "2.csv")
        assert (found(load([one, other])), load([one, other]).repeated) == (FOUR, 4)
        write_manifest(other, [ROWS[0].replace("happy", "sad"), *ROWS[1:]])
        with pytest.raises(CorpusError, match=r"a\.wav has two labels or two speakers"):
            load([one, other])

    @pytest.mark.parametrize("separator", [";", "\t", "|", " ; ", " "])
    @pytest.mark.parametrize("columns", [corpora.MANIFEST_COLUMNS, ('"n"', '"speaker"', '"file"', '"label"')])
    def test_another_separator_than_commas_is_said(self, clips, separator, columns):
        rows = [row.replace(",", separator) for row in ROWS]
        path = write_manifest(clips / "manifest.csv", rows, header=separator.join(columns))
        with pytest.raises(CorpusError, match="separated otherwise than by commas; save it as CSV with") as caught:
            load(clips)
        assert str(path) in str(caught.value)

    def test_other_columns_and_empty_lines_do_no_harm(self, clips):
        rows = [f"1,{row},note" for row in ROWS]
        rows.insert(2, "")
        write_manifest(clips / "manifest.csv", rows, header=f"n,{HEADER},remark")
        assert found(load(clips)) == FOUR

    def test_names_with_commas_and_other_letters_are_understood(self, clips):
        touch(clips, "ö, ä.wav")
        corpus = load(write_manifest(clips / "manifest.csv", [*ROWS, '"ö, ä.wav",sad,Bø']))
        assert found(corpus)[-1] == ("ö, ä.wav", "sad", "Bø")

    @pytest.mark.parametrize(
        ("row", "sentence"),
        [
            ("a.wav,,ann", "a cell of file,label,speaker is empty"),
            ("a.wav,happy", "a cell of file,label,speaker is empty"),
            ("  ,happy,ann", "a cell of file,label,speaker is empty"),
            ("a.wav,bored,ann", "unknown label 'bored'; known are angry, disgust"),
            ("e.wav,happy,ann", "no file 'e.wav' in "),
            (".,happy,ann", "no file '.' in "),
            ("x" * 5000 + ".wav,happy,ann", "no file 'xxx"),
            ("a\0.wav,happy,ann", "no file 'a"),
            ("../clips/b.wav,happy,ann", "'../clips/b.wav' stands in line 3 already"),
        ],
        ids=["blank", "short", "spaces", "label", "missing", "folder", "long", "nul", "twice"],
    )
    def test_a_bad_line_is_named_by_file_and_number(self, clips, row, sentence):
        path = write_manifest(clips / "manifest.csv", [*ROWS[:2], row, *ROWS[2:]])
        with pytest.raises(CorpusError, match=re.escape(f"manifest {path}, line 4: {sentence}")):
            load(clips)

    @pytest.mark.parametrize("column", corpora.MANIFEST_COLUMNS)
    def test_a_missing_column_is_named(self, clips, column):
        path = write_manifest(clips / "manifest.csv", header=HEADER.replace(column, "other"))
        with pytest.raises(CorpusError, match=f"^manifest {re.escape(str(path))} has no column '{column}'"):
            load(clips)

    @pytest.mark.parametrize(
        "content",
        [b"", b"\n\n", b"\xff\xfe\x00file", HEADER.encode() + b"\n\xe9.wav,happy,ann\n", bytes(range(256)) * 20],
        ids=["empty", "blank", "utf-16", "latin-1", "binary"],
    )
    def test_what_is_no_csv_in_utf_8_is_refused_in_a_sentence_with_its_name(self, clips, content):
        (clips / "manifest.csv").write_bytes(content)
        with pytest.raises(
            CorpusError, match=r"manifest .*manifest\.csv (has no column|is not a CSV file in UTF-8)"
        ):
            load(clips)

    def test_one_that_is_too_large_for_a_list_is_refused_without_being_read(self, clips):
        os.truncate(write_manifest(clips / "manifest.csv"), 1 << 40)
        with pytest.raises(
            CorpusError, match=r"manifest .*manifest\.csv is over 64 MB, so it is no list of files"
        ):
            load(clips)

    @pytest.mark.parametrize("name", ["d.wav", "manifest.csv", ".", "/dev/zero", "loop", "x" * 300])
    def test_anything_else_given_as_one_is_refused_in_a_sentence_with_its_name(self, clips, name):
        (clips / "d.wav").write_bytes(bytes(range(256)) * 4096)
        (clips / "manifest.csv").write_bytes(b"RIFF\0\0\0\0WAVE" * 1000)
        (clips / "loop").symlink_to("loop")
        with pytest.raises(CorpusError, match=r"manifest ") as caught:
            load(clips, manifest=clips / name)
        assert str(clips / name) in str(caught.value)
        assert len(str(caught.value)) < 600

    def test_one_that_is_not_there_is_named(self, clips):
        with pytest.raises(CorpusError, match=r"cannot read the manifest .*gone\.csv: No such file"):
            load(clips, manifest=clips / "gone.csv")

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: f"{HEADER}\n{t}".encode()))
    )
    def test_no_content_gives_more_than_a_sentence(self, clips, content):
        (clips / "manifest.csv").write_bytes(content)
        with pytest.raises(CorpusError):
            load(clips)


class TestWhatIsRefused:
    def test_a_corpus_that_is_not_there(self, tmp_path):
        with pytest.raises(UsageError, match=r"no such corpus: .*nowhere"):
            load(tmp_path / "nowhere")

    @pytest.mark.parametrize("name", ["x" * 300, "loop", "clips/a.wav/b"])
    def test_a_corpus_that_there_cannot_be(self, clips, name):
        (clips.parent / "loop").symlink_to("loop")
        with pytest.raises((UsageError, CorpusError), match=rf"(no such corpus:|cannot read) .*{name}"):
            load(clips.parent / name)

    @pytest.mark.parametrize("name", ["pipe", "device"])
    def test_a_corpus_that_is_neither_a_folder_nor_a_file(self, clips, name):
        """Rather than to train on the folder around it."""
        write_manifest(clips / "manifest.csv")
        os.mkfifo(clips / "pipe")
        (clips / "device").symlink_to("/dev/null")
        with pytest.raises(UsageError, match=rf"{name} is no corpus: give a folder, or a manifest"):
            load(clips / name)

    @pytest.mark.parametrize("classes", [(), []])
    def test_no_class_at_all(self, clips, classes):
        write_manifest(clips / "manifest.csv")
        with pytest.raises(UsageError, match="no class is given; there are angry, disgust"):
            load(clips, classes=classes)

    def test_a_class_that_does_not_exist(self, clips):
        with pytest.raises(UsageError, match="no class 'bored'; there are angry, disgust"):
            load(clips, classes=["happy", "bored"])

    def test_a_folder_without_labels(self, clips):
        with pytest.raises(CorpusError, match="no labelled files in clips: expected names such as 03-01-05-01"):
            load(clips)

    def test_one_speaker_only(self, clips):
        write_manifest(clips / "manifest.csv", [row.replace("bob", "ann") for row in ROWS])
        with pytest.raises(CorpusError, match=r"clips has one speaker only \(ann\)"):
            load(clips)

    def test_one_class_only(self, clips):
        write_manifest(clips / "manifest.csv", [row.replace("sad", "happy") for row in ROWS])
        with pytest.raises(CorpusError, match=r"clips has one class only \(happy\)"):
            load(clips)

    def test_a_class_with_one_example(self, clips):
        touch(clips, "e.wav")
        write_manifest(clips / "manifest.csv", [*ROWS, "e.wav,fear,bob"])
        with pytest.raises(CorpusError, match=r"one example only of fear; give two .* by --classes"):
            load(clips)
        assert load(clips, classes=["happy", "sad"]).left_out == 1


labelled_clips = st.integers(2, 40).flatmap(
    lambda n_speakers: st.lists(
        st.tuples(st.sampled_from(emotions.FER2013), st.integers(0, n_speakers - 1).map("speaker-{}".format)),
        min_size=2,
        max_size=80,
    )
)


class TestFolds:
    @given(labelled_clips, st.integers(0, 9))
    def test_no_speaker_is_in_two_folds_and_every_clip_is_in_one(self, clips, seed):
        labels, speakers = zip(*clips, strict=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parts = folds(labels, speakers, seed=seed)
        if len(set(speakers)) < 2:
            assert parts == []
            return
        assert sorted(np.concatenate(parts)) == list(range(len(clips)))
        sides = [{speakers[i] for i in part} for part in parts]
        assert all(sides)
        assert sum(map(len, sides)) == len(set(speakers))

    @pytest.mark.parametrize("n_speakers", [2, 10])
    def test_up_to_ten_speakers_each_is_a_fold(self, n_speakers):
        speakers = [str(i) for i in range(n_speakers)] * 4
        parts = folds(["happy", "sad"] * (2 * n_speakers), speakers, seed=0)
        assert len(parts) == n_speakers
        assert all(len({speakers[i] for i in part}) == 1 for part in parts)

    def test_above_ten_speakers_there_are_five_with_about_the_same_share_of_every_class(self):
        speakers = np.repeat([str(i) for i in range(20)], 10).tolist()
        labels = [*["happy"] * 7, *["sad"] * 3] * 10 + [*["happy"] * 3, *["sad"] * 7] * 10
        parts = folds(labels, speakers, seed=0)
        assert len(parts) == 5
        assert [np.mean([labels[i] == "happy" for i in part]) for part in parts] == pytest.approx([0.5] * 5)

    def test_a_seed_decides_them(self):
        speakers = np.repeat([str(i) for i in range(20)], 4).tolist()
        labels = ["happy", "sad"] * 40

        def drawn(seed):
            return [part.tolist() for part in folds(labels, speakers, seed=seed)]

        assert drawn(1) == drawn(1)
        assert drawn(1) != drawn(2)


class TestSplits:
    speakers = tuple(f"{i:02d}" for i in range(1, 25))

    def test_the_protocol_of_the_original_splits_24_actors_in_8_12_and_4(self):
        parts = split_speakers(self.speakers, parse_split("8/12/4"), seed=0)
        assert [len(part) for part in parts] == [8, 12, 4]
        assert set.union(*map(set, parts)) == set(self.speakers)

    @given(
        st.sets(st.text(min_size=1), min_size=3, max_size=12),
        st.tuples(*[st.integers(1, 4)] * 3),
        st.integers(0, 2**32 - 1),
    )
    def test_parts_are_disjoint_of_the_size_asked_for_and_the_same_for_a_seed(self, speakers, sizes, seed):
        if sum(sizes) > len(speakers):
            with pytest.raises(
                UsageError, match=f"has {len(speakers)} speakers.*asks for {sum(sizes)}; ask for fewer"
            ):
                split_speakers(sorted(speakers), sizes, seed=seed)
            return
        parts = split_speakers(sorted(speakers), sizes, seed=seed)
        assert tuple(map(len, parts)) == sizes
        assert len(frozenset.union(*parts)) == sum(sizes)
        assert frozenset.union(*parts) <= speakers
        assert parts == split_speakers(sorted(speakers, reverse=True), sizes, seed=seed)

    def test_another_seed_draws_others(self):
        drawn = {split_speakers(self.speakers, (8, 12, 4), seed=seed) for seed in range(10)}
        assert len(drawn) == 10

    @pytest.mark.parametrize("text", ["8/12/4", " 8/12/4\n", "08/12/4"])
    def test_three_numbers_are_understood(self, text):
        assert parse_split(text) == (8, 12, 4)

    @pytest.mark.parametrize(
        "text",
        ["", "8", "8/12", "8/12/4/1", "8/0/4", "00/12/4", "8/-1/4", "a/b/c", "8 12 4", "8//4", "1.5/2/3", "٨/1/1"],
    )
    def test_anything_else_is_refused_with_an_example(self, text):
        with pytest.raises(UsageError, match="give three numbers of speakers, such as 8/12/4"):
            parse_split(text)

    @given(st.one_of(st.text(max_size=20), st.from_regex(r"\A\d{1,9}/\d{1,9}/\d{1,5000}\Z")))
    def test_no_text_gives_anything_but_three_numbers_above_zero_or_a_sentence(self, text):
        try:
            sizes = parse_split(text)
        except UsageError:
            return
        assert len(sizes) == 3
        assert min(sizes) > 0
