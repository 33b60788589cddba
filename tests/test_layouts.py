"""Published corpora are known by the names of their files, and each utterance counts once."""

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercli import emotions
from mercli.corpora import load
from mercli.corpora.layouts import LAYOUTS, recognise
from mercli.errors import CorpusError
from mercli.formats import SUFFIXES


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def read(name):
    """What is known of one file by its name: label, speaker, traits."""
    found = list(recognise([Path(name)]))
    return [(each.label, each.speaker, dict(each.traits)) for each in found]


@pytest.mark.parametrize(
    ("name", "label", "speaker", "traits"),
    [
        (
            "Actor_12/03-01-05-01-02-01-12.wav", "angry", "ravdess-12",
            {"sex": "female", "intensity": "normal", "channel": "speech", "sentence": "02"},
        ),
        (
            "Video_Song_Actor_07/01-02-06-02-01-02-07.mp4", "fear", "ravdess-07",
            {"sex": "male", "intensity": "strong", "channel": "song", "sentence": "01"},
        ),
        ("02-01-02-01-01-01-01.mp4", "calm", "ravdess-01", {"sex": "male"}),
        ("AudioWAV/1001_DFA_ANG_XX.wav", "angry", "crema-d-1001", {"intensity": "unspecified", "sentence": "dfa"}),
        ("VideoFlash/1091_WSI_SAD_HI.flv", "sad", "crema-d-1091", {"intensity": "high"}),
        ("1040_IEO_FEA_LO.mp4", "fear", "crema-d-1040", {"intensity": "low"}),
        ("1040_IEO_NEU_X.mp3", "neutral", "crema-d-1040", {"intensity": "unspecified"}),
        ("AudioData/DC/a01.wav", "angry", "savee-dc", {"sex": "male"}),
        ("ALL/JK_sa15.wav", "sad", "savee-jk", {}),
        ("KL_su03.wav", "surprise", "savee-kl", {}),
        ("AudioVisualClip/JE/n30.avi", "neutral", "savee-je", {}),
        ("wav/03a01Fa.wav", "happy", "emo-db-03", {"sex": "male", "sentence": "a01"}),
        ("wav/16b10Wb.wav", "angry", "emo-db-16", {"sex": "female"}),
        ("wav/08a02La.wav", None, "emo-db-08", {"sex": "female"}),
        ("OAF_angry/OAF_back_angry.wav", "angry", "tess-oaf", {"sex": "female"}),
        ("YAF_pleasant_surprised/YAF_dog_ps.wav", "surprise", "tess-yaf", {}),
        ("OA_bite_neutral.wav", "neutral", "tess-oaf", {}),
        ("YAF_week_fear.WAV", "fear", "tess-yaf", {}),
        ("1040_ith_sad_x.wav", "sad", "crema-d-1040", {"intensity": "unspecified", "sentence": "ith"}),
        ("je/N30.wav", "neutral", "savee-je", {}),
        ("15A02ea.wav", "disgust", "emo-db-15", {"sentence": "a02"}),
        ("YAF_home_surprised.wav", "surprise", "tess-yaf", {}),
    ],
)  # fmt: skip
def test_a_published_name_says_emotion_speaker_and_more(name, label, speaker, traits):
    ((found, who, known),) = read(name)
    assert (found, who) == (label, speaker)
    assert traits.items() <= known.items()


@pytest.mark.parametrize(
    "name",
    [
        "03-01-05-01-02-01.wav",  # a number short
        "04-01-05-01-02-01-12.wav",  # no such modality
        "x03-01-05-01-02-01-12.wav",
        "1001_DFA_JOY_XX.wav",
        "101_DFA_ANG_XX.wav",
        "a01.wav",  # in no speaker's folder
        "XX_a01.wav",
        "03a01Xa.wav",
        "04a01Fa.wav",  # EMO-DB has no speaker 04
        "OAF_back.wav",
        "MAF_back_angry.wav",
        "notes.wav",
        "٠٣-01-05-01-02-01-12.wav",
    ],
)
def test_other_names_are_of_no_corpus(name):
    assert read(name) == []


@settings(max_examples=200)
@given(st.text(alphabet=string.ascii_letters + string.digits + "_-. ", min_size=1, max_size=40))
def test_any_name_is_known_whole_or_not_at_all(name):
    try:
        found = read(f"{name}.wav")
    except CorpusError as error:
        assert "has no emotion" in str(error)  # noqa: PT017
        return
    for label, speaker, traits in found:
        assert label is None or label in emotions.ALL
        assert speaker == speaker.lower()
        assert all(value for value in traits.values())


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_the_example_of_each_layout_is_of_it(layout):
    path = Path(layout.example)
    assert path.suffix in SUFFIXES
    found = layout.read(path)
    assert found is not None
    assert found == next(recognise([path]))


class TestUtterances:
    def test_sound_and_picture_together_go_before_either_alone(self, tmp_path):
        take = "01-05-01-02-01"
        forms = (("01", ".mp4"), ("02", ".mp4"), ("03", ".wav"))
        names = [f"{kind}-{take}-{who}{suffix}" for who in ("01", "02") for kind, suffix in forms]
        corpus = load(touch(tmp_path, *names), to_train=False)
        assert [each.path.name for each in corpus.examples] == [f"01-{take}-01.mp4", f"01-{take}-02.mp4"]
        assert corpus.repeated == 4

    def test_without_it_the_sound_is_taken(self, tmp_path):
        touch(tmp_path, "02-01-05-01-02-01-01.mp4", "03-01-05-01-02-01-01.wav")
        (only,) = load(tmp_path, to_train=False).examples
        assert only.path.name.startswith("03")

    def test_sound_goes_before_sound_that_lost_something(self, tmp_path):
        touch(tmp_path, "AudioMP3/1001_DFA_ANG_XX.mp3", "AudioWAV/1001_DFA_ANG_XX.wav")
        (only,) = load(tmp_path, to_train=False).examples
        assert only.path.suffix == ".wav"

    def test_video_goes_before_the_same_clip_s_sound(self, tmp_path):
        touch(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav", "VideoFlash/1001_DFA_ANG_XX.flv")
        (only,) = load(tmp_path, to_train=False).examples
        assert only.path.suffix == ".flv"

    def test_of_two_copies_the_first_path_given_is_taken(self, tmp_path):
        for name in ("one", "two"):
            touch(tmp_path / name, "01-01-05-01-02-01-01.mp4")
        for order in (("one", "two"), ("two", "one")):
            corpus = load([tmp_path / name for name in order], to_train=False)
            assert [each.path.parent.name for each in corpus.examples] == [order[0]]
            assert (corpus.repeated, corpus.name) == (1, " + ".join(order))


class TestFolders:
    def test_a_speaker_s_folder_may_be_the_corpus(self, tmp_path, monkeypatch):
        touch(tmp_path / "DC", "a01.wav")
        monkeypatch.chdir(tmp_path / "DC")
        assert load(Path(), to_train=False).speakers == ("savee-dc",)

    @pytest.mark.parametrize("emotion", ["07", "08"])
    def test_ravdess_does_not_sing_in_disgust_or_surprise(self, tmp_path, emotion):
        with pytest.raises(CorpusError, match=f"RAVDESS has no emotion {emotion} in song"):
            load(touch(tmp_path, f"03-02-{emotion}-01-02-01-11.wav"), to_train=False)

    def test_all_layouts_of_a_folder_are_used_and_speakers_are_never_confused(self, tmp_path):
        names = [layout.example for layout in LAYOUTS]
        corpus = load(touch(tmp_path, *names, "speech.mp3"), to_train=False)
        assert len(corpus.examples) == len(corpus.speakers) == len(LAYOUTS)
        assert corpus.unlabelled == 1

    def test_boredom_is_no_class_of_ours(self, tmp_path):
        corpus = load(touch(tmp_path, "03a01La.wav", "03a01Fa.wav"), to_train=False)
        assert (len(corpus.examples), corpus.left_out) == (1, 1)

    def test_crema_d_says_the_sex_of_its_actors_in_a_table(self, tmp_path):
        touch(tmp_path, "a/1001_DFA_ANG_XX.wav", "a/1002_DFA_ANG_XX.wav", "a/1003_DFA_ANG_XX.wav")
        (tmp_path / "VideoDemographics.csv").write_text(
            "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n1002,21,Female,Caucasian,\n"
        )
        sexes = {each.speaker: each.traits.get("sex") for each in load(tmp_path, to_train=False).examples}
        assert sexes == {"crema-d-1001": "male", "crema-d-1002": "female", "crema-d-1003": None}

    def test_what_macos_leaves_behind_is_no_clip(self, tmp_path):
        corpus = load(touch(tmp_path, "OAF_back_angry.wav", "._OAF_back_angry.wav"), to_train=False)
        assert (len(corpus.examples), corpus.unlabelled) == (1, 0)

    def test_where_all_are_of_other_classes_that_is_said(self, tmp_path):
        with pytest.raises(CorpusError, match=r"all 1 labelled files .* are of other classes"):
            load(touch(tmp_path, "OAF_back_angry.wav"), classes=("sad",), to_train=False)


HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"


class TestMeld:
    @pytest.fixture
    def series(self, tmp_path):
        touch(
            tmp_path,
            "train_splits/dia0_utt0.mp4",
            "train_splits/dia0_utt1.mp4",
            "dev_splits_complete/dia0_utt0.mp4",
            "output_repeated_splits_test/dia3_utt7.mp4",
        )
        lines = {
            "train": ["1,Hi,Ross,joy,p,0,0,1,1,,", '2,"Oh, no",The Interviewer,sadness,n,0,1,1,1,,'],
            "dev": ["1,Hi,Ross,anger,n,0,0,2,3,,"],
            "test": ["1,What,Phoebe,surprise,p,3,7,2,3,,", "2,gone,Joey,fear,n,9,9,2,3,,"],
        }
        for split, rows in lines.items():
            table = tmp_path / f"{split}_sent_emo.csv"
            table.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
        return tmp_path

    def test_labels_speakers_and_splits_are_those_of_the_tables(self, series):
        found = [(e.label, e.speaker, e.traits["split"]) for e in load(series, to_train=False).examples]
        assert sorted(found) == [
            ("angry", "meld-ross", "dev"),
            ("happy", "meld-ross", "train"),
            ("sad", "meld-the-interviewer", "train"),
            ("surprise", "meld-phoebe", "test"),
        ]

    def test_a_clip_without_a_line_is_counted_and_not_guessed(self, series):
        touch(series, "train_splits/dia7_utt7.mp4")
        corpus = load(series, to_train=False)
        assert (len(corpus.examples), corpus.unlabelled) == (4, 1)

    def test_clips_without_the_table_of_their_split_are_refused(self, series):
        (series / "dev_sent_emo.csv").unlink()
        with pytest.raises(CorpusError, match=r"no table dev_sent_emo\.csv"):
            load(series, to_train=False)

    def test_clips_in_no_split_are_refused(self, series):
        touch(series, "dia0_utt0.mp4")
        with pytest.raises(CorpusError, match="lies in no folder that names its split"):
            load(series, to_train=False)

    @pytest.mark.parametrize("line", ["1,Hi,Ross,joy,p,x,0,1,1,,", "1,Hi,,joy,p,0,0,1,1,,", "1,Hi,Ross"])
    def test_a_line_that_is_not_understood_is_named(self, series, line):
        (series / "dev_sent_emo.csv").write_text(f"{HEADER}\n{line}\n")
        with pytest.raises(CorpusError, match=r"dev_sent_emo\.csv, line 2: no"):
            load(series, to_train=False)

    def test_the_tables_of_two_speakers_number_dialogues_anew_and_are_passed_over(self, series):
        (series / "train_sent_emo_dya.csv").write_text(f"{HEADER}\n1,Hi,Joey,anger,n,0,0,1,1,,\n")
        found = [
            (e.label, e.speaker) for e in load(series, to_train=False).examples if e.traits["split"] == "train"
        ]
        assert found == [("happy", "meld-ross"), ("sad", "meld-the-interviewer")]

    def test_of_one_split_no_folder_has_to_name_it(self, tmp_path):
        touch(tmp_path, "dia0_utt0.mp4")
        (tmp_path / "train_sent_emo.csv").write_text(f"{HEADER}\n1,Hi,Ross,joy,p,0,0,1,1,,\n")
        (only,) = load(tmp_path, to_train=False).examples
        assert (only.label, only.traits["split"]) == ("happy", "train")

    def test_other_tables_are_passed_over(self, series):
        (series / "notes.csv").write_text("a,b\n1,2\n")
        (series / "test.csv").write_text("Utterance,Emotion\nHi,joy\n")
        assert len(load(series, to_train=False).examples) == 4

    def test_windows_apostrophes_do_no_harm(self, series):
        (series / "dev_sent_emo.csv").write_bytes(
            f"{HEADER}\n1,It\x92s,Ross,anger,n,0,0,2,3,,\n".encode("latin-1")
        )
        assert len(load(series, to_train=False).examples) == 4
