"""Words in `mercli fit` and `mercli evaluate`: what they are learnt from, and how much they count."""

import csv
import json
import shutil
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import THREE, clouds, front_end
from typer.testing import CliRunner
from utterances import SAID, labelled_texts, words_part

from mercli import bundle as bundles
from mercli import cli, training
from mercli.errors import CorpusError
from mercli.evaluation.rounds import judge_held_out
from mercli.evidence import Evidence
from mercli.fusion import join_words
from mercli.sample import synthesise_voice, write_audio
from mercli.table import Table
from mercli.words.cues import Words
from mercli.words.labelled import read_texts
from mercli.words.own import known_by, learn_part
from mercli.words.reader import Reader
from mercli.words.weighing import LEAST_TEXTS, WEIGHTS, plain, weigh

RATE_HZ = 16000
EVEN = np.full(3, 1 / 3)


def mercli(*words, code=0):
    done = CliRunner().invoke(cli.app, [str(word) for word in words], env={"COLUMNS": "160"})
    assert "Traceback" not in done.output
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def said(text):
    return Words((0.0,), (1.0,), (text,))


def sentences(label, n, rng):
    """Different sentences of a class."""
    words = SAID[label].split()
    return [" ".join(rng.choice(words, 7)) for _ in range(n)]


def spoken(n_each=20, *, about=lambda label: label):
    """Clips of which only words are known: what `about` says of their label."""
    rng = np.random.default_rng(0)
    labels = [label for label in THREE for _ in range(n_each)]
    texts = [text for label in THREE for text in sentences(about(label), n_each, rng)]
    evidence = tuple(Evidence(words=said(text), n_words=7) for text in texts)
    return Table(evidence, tuple(labels), tuple(f"s{i % 4}" for i in range(len(labels))))


# How much they count


def test_words_that_tell_more_than_voice_and_face_count_much():
    table = spoken()
    part, record = weigh(words_part(), table, np.tile(EVEN, (60, 1)), THREE)
    assert part.weight == record["weight"] == max(WEIGHTS)
    assert record["clips"] == 60
    assert set(record["compared_log_loss"]) == {"0", "0.25", "0.5", "0.75", "1", "1.25", "1.5"}


def test_words_that_mislead_do_not_count():
    others = dict(zip(THREE, (*THREE[1:], THREE[0]), strict=True))
    part, _ = weigh(words_part(), spoken(about=others.__getitem__), np.tile(EVEN, (60, 1)), THREE)
    assert part.weight == 0


def test_the_weight_is_the_one_of_the_least_loss_over_classes():
    rng = np.random.default_rng(1)
    table = spoken(30, about=lambda label: label if rng.random() < 0.8 else "sad").take([*range(45), 60, 61])
    beside = rng.dirichlet(np.ones(3), 47)
    part, record = weigh(words_part(), table, beside, THREE)
    reading, losses = Reader(words_part(), THREE), {}
    for weight in WEIGHTS:
        loss = {label: [] for label in THREE}
        for row, clip, label in zip(beside, table.evidence, table.labels, strict=True):
            joined = join_words(row, reading.posterior(clip.words), reading.prior, weight)
            loss[label].append(-np.log(joined[THREE.index(label)]))
        losses[weight] = np.mean([np.mean(each) for each in loss.values()])
    assert part.weight == min(losses, key=losses.get)
    assert record["compared_log_loss"][f"{part.weight:g}"] == pytest.approx(losses[part.weight], abs=1e-4)


@pytest.mark.parametrize(("n_texts", "n_each"), [(2, 40), (LEAST_TEXTS - 1, 20), (LEAST_TEXTS, 60)])
def test_a_few_fixed_sentences_say_nothing_about_words(n_texts, n_each):
    """As in corpora of actors: each is said with every emotion."""
    table = spoken(n_each)
    texts = [f"sentence number {i}" for i in range(n_texts)]
    evidence = tuple(replace(clip, words=said(texts[i % n_texts])) for i, clip in enumerate(table.evidence))
    old = replace(words_part(), weight=0.6)
    part, record = weigh(old, replace(table, evidence=evidence), np.tile(EVEN, (3 * n_each, 1)), THREE)
    assert part == old
    assert record == {
        "weight": 0.6,
        "weight_kept_because": f"{n_texts} different texts in {3 * n_each} clips say nothing about words",
    }


def test_texts_differ_by_more_than_case_and_stops():
    assert plain("- It's ME!") == plain("it s, me")
    assert plain("it's me") != plain("it's you")


def test_clips_of_which_voice_and_face_say_nothing_are_not_weighed_by():
    beside = np.tile(EVEN, (60, 1))
    beside[::2] = np.nan
    assert weigh(words_part(), spoken(), beside, THREE)[1]["clips"] == 30


# What is trained


def with_words(table, about=lambda label: label):
    """The same clips, of which each says another sentence."""
    rng = np.random.default_rng(0)
    texts = [sentences(about(label), 1, rng)[0] for label in table.labels]
    evidence = tuple(replace(clip, words=said(text)) for clip, text in zip(table.evidence, texts, strict=True))
    return replace(table, evidence=evidence)


@pytest.fixture(scope="module")
def base():
    return replace(front_end(), words=replace(words_part(), weight=0.5))


def test_a_bundle_keeps_the_words_of_its_base_as_they_are_where_nobody_speaks(base):
    made = training.fit(clouds(), base, name="b", seed=0)
    assert made.words == base.words
    assert made.training["words"]["weight_kept_because"] == "0 different texts in 0 clips say nothing about words"
    assert training.fit(clouds(), front_end(), name="b", seed=0).words is None


def test_a_bundle_weighs_the_words_of_its_base_on_clips_that_speak(base):
    table = with_words(clouds(class_offset=0.05))
    made = training.fit(table, base, name="b", seed=0)
    assert made.words is not None
    assert made.words.model is base.words.model
    assert made.words.weight == made.training["words"]["weight"] > 0.5
    assert made.training["words"]["clips"] == len(table.labels)
    json.dumps(made.training)


@pytest.mark.parametrize("modality", ["voice", "face"])
def test_words_are_weighed_beside_one_modality_too(base, modality):
    table = with_words(clouds(modalities=(modality,), class_offset=0.05))
    made = training.fit(table, base, name="b", seed=0)
    assert made.words is not None
    assert made.words.weight > 0.5


def test_the_weight_is_not_found_where_the_recipe_says_why(base):
    recipe = replace(training.Recipe(base.voice_spec), keeps_weight="they are known")
    made = training.fit(with_words(clouds()), base, name="b", seed=0, recipe=recipe)
    assert made.words == base.words
    assert made.training["words"] == {"weight": 0.5, "weight_kept_because": "they are known"}


def test_a_bundle_of_classes_that_the_words_do_not_know_has_none(base):
    made = training.fit(clouds(classes=("disgust", "fear", "sad")), base, name="b", seed=0)
    assert made.words is None


def test_held_out_clips_are_judged_by_their_words_too(base):
    table = with_words(clouds(class_offset=0.05))
    heard = judge_held_out(table, base, seed=0)
    plain_ = judge_held_out(table, front_end(), seed=0)
    assert np.isnan(plain_.words).all()
    right = [THREE.index(label) for label in table.labels]
    assert (heard.words.argmax(axis=1) == right).mean() > 0.9
    assert (heard.fused.argmax(axis=1) == right).mean() > (plain_.fused.argmax(axis=1) == right).mean()
    assert np.array_equal(heard.voice, plain_.voice)


# A table to learn from


@pytest.fixture
def write(tmp_path):
    """``write(lines)`` gives a CSV file of them."""

    def make(lines, encoding="utf-8"):
        path = tmp_path / "texts.csv"
        path.write_bytes("\n".join(lines).encode(encoding))
        return path

    return make


def test_a_table_as_meld_s_is_read(write):
    lines = [
        "Sr No.,Utterance,Speaker,Emotion,Dialogue_ID",
        '1,"Oh, my!",Ann,joy,7',
        "2,No.,Bob,Sadness,7",
        "3,...,Bob,anger,8",
        "",
        "4,Hm,Bob,bored,8",
        "5,Out!,Ann,anger,8",
    ]
    found = read_texts(write(lines))
    assert found.texts == ("Oh, my!", "No.", "Out!")
    assert found.labels == ("happy", "sad", "angry")
    assert found.groups == ("7", "7", "8")
    assert found.left_out == 2


@pytest.mark.parametrize(
    ("header", "groups"),
    [("TEXT,label,SPEAKER", ("x", "y")), ("sentence,Emotion,other", ("2", "3"))],
)
def test_columns_may_have_other_names_and_nobody_to_group_by(write, header, groups):
    assert read_texts(write([header, "oh yes,joy,x", "oh no,anger,y"])).groups == groups


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_the_usual_encodings_of_tables_are_understood(write, encoding):
    assert read_texts(write(["text,label", "it\u2019s so,joy"], encoding)).texts == ("it\u2019s so",)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([""], "has no column for a text: name one Utterance or Text or Sentence or Transcript"),
        (["text,mood", "a,b"], "has no column for an emotion: name one Emotion or Label"),
        (["text,label", "a,joy,c"], "row 2 has 3 cells and not 2"),
        (["text,label", "a,bored", "?,joy"], "no row has a text and an emotion that mercli knows"),
        (["text,label", '"a,joy'], "is no CSV file"),
    ],
)
def test_what_is_no_table_of_texts_is_refused_in_words(write, lines, sentence):
    with pytest.raises(CorpusError, match=r"texts\.csv") as error:
        read_texts(write(lines))
    assert sentence in str(error.value)


def test_a_folder_and_a_table_that_is_not_there_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "gone.csv"):
        with pytest.raises(CorpusError, match="no such file"):
            read_texts(path)


@given(content=st.binary(max_size=120) | st.text(',"\ntextlabjoy', max_size=80).map(str.encode))
def test_any_bytes_are_a_table_or_refused_in_words(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"text,label\n" + content)
    try:
        found = read_texts(path)
    except CorpusError:
        return
    assert len(found.texts) == len(found.labels) == len(found.groups) > 0


def test_a_part_is_learnt_from_a_table(write):
    lines = ["text,label,speaker", *map(",".join, zip(*labelled_texts(), strict=True))]
    part, record = learn_part(read_texts(write(lines)), seed=0)
    assert record["texts"] == 48
    assert part.weight == 1
    assert part.model.classes == tuple(SAID)
    json.dumps(record)


def test_what_words_were_learnt_from_is_found_in_a_corpus():
    table = spoken()
    texts = [clip.words.text for clip in table.evidence if clip.words]
    assert known_by((), table) is None
    assert known_by(texts[:3], table) is None
    assert (
        known_by([text.upper() for text in texts[:30]], table)
        == "30 of 60 clips say what the words were learnt from"
    )
    short = replace(table, evidence=tuple(replace(clip, words=said("oh yes")) for clip in table.evidence))
    assert known_by(["oh yes"], short) is None


# As it is typed


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Sound of 4 speakers x 3 classes x 4 takes, each with a transcript of its own."""
    folder, rng = tmp_path_factory.mktemp("corpus") / "radio", np.random.default_rng(0)
    folder.mkdir()
    rows = ["file,label,speaker"]
    for speaker, label, take in product(range(4), THREE, range(4)):
        name = f"{label}-{speaker}-{take}"
        sound = synthesise_voice(0.7, sample_rate_hz=RATE_HZ, expression="neutral", seed=99 * speaker + take)
        write_audio(folder / f"{name}.wav", sound, sample_rate_hz=RATE_HZ)
        (folder / f"{name}.txt").write_text(sentences(label, 1, rng)[0])
        rows.append(f"{name}.wav,{label},{speaker}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def texts(corpus):
    path = corpus.parent / "texts.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Utterance", "Emotion", "Dialogue_ID"])
        writer.writerows(zip(*labelled_texts(), strict=True))
    return path


@pytest.fixture(scope="module")
def fitted(corpus, texts):
    output = corpus.parent / "bundle"
    return output, mercli("fit", corpus, "-o", output, "--words-model", texts, "--voice-set", "original-34", "-q")


def test_fit_learns_words_from_a_table_and_scores_them_beside_the_voice(fitted, corpus):
    output, printed = fitted
    bundle = bundles.load(output)
    assert bundle.modalities == ("voice", "words")
    assert bundle.words is not None
    assert bundle.words.weight == bundle.training["words"]["weight"] > 0
    assert bundle.training["words_classifier"]["texts"] == 48
    assert bundle.training["scores"]["words"]["accuracy"] > 0.9
    assert bundle.training["scores"]["fusion"]["accuracy"] > bundle.training["scores"]["voice"]["accuracy"]
    assert "words" in printed
    assert f"count {bundle.words.weight:g} times" in " ".join(bundle.card.split())
    table = corpus.parent / "out.csv"
    mercli("predict", corpus, "--bundle", output, "-o", table, "-q")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    right = [row["emotion"] == row["file"].split("-")[0] for row in rows]
    assert np.mean(right) > 0.8


def test_evaluate_scores_words_and_the_fusion_with_them(fitted, corpus):
    kept, answers = corpus.parent / "numbers.json", corpus.parent / "answers.csv"
    words = ("--allow-seen", "--json", kept, "--answers", answers, "--overwrite", "-q")
    mercli("evaluate", corpus, "--bundle", fitted[0], *words)
    assert set(json.loads(kept.read_text())["scores"]) == {"voice", "words", "fusion"}
    with answers.open() as file:
        assert {"words_sad", "voice_sad", "p_sad"} <= set(next(csv.DictReader(file)))
    mercli("evaluate", corpus, "--bundle", fitted[0], *words, "--modalities", "voice")
    assert set(json.loads(kept.read_text())["scores"]) == {"voice"}


def test_a_protocol_scores_the_words_of_its_base(fitted, corpus):
    kept = corpus.parent / "numbers.json"
    how = ("--protocol", "2/1/1", "--base", fitted[0], "--voice-set", "original-34", "--json", kept, "--overwrite")
    mercli("evaluate", corpus, *how, "-q")
    assert "words" in json.loads(kept.read_text())["scores"]
    mercli("evaluate", corpus, "--protocol", "original", "--base", fitted[0], "--json", kept, "--overwrite", "-q")
    assert "words" not in json.loads(kept.read_text())["scores"]


def test_known_texts_are_told_and_words_are_not_weighed_by_them(corpus):
    path = corpus.parent / "known.csv"
    lines = ["text,emotion"]
    for file in sorted(corpus.glob("*.txt")):
        lines.append(f"{file.read_text()},{file.name.split('-')[0]}")
    path.write_text("\n".join(lines))
    output = corpus.parent / "knowing"
    printed = mercli("fit", corpus, "-o", output, "--words-model", path, "--voice-set", "original-34", "-q")
    told = "48 of 48 clips say what the words were learnt from"
    assert told in printed
    bundle = bundles.load(output)
    assert bundle.training["words"] == {"weight": 1.0, "weight_kept_because": told}
    assert "too good" in bundle.card


def test_without_words_among_the_modalities_a_bundle_has_none(fitted, corpus):
    output = corpus.parent / "silent"
    how = ("--voice-set", "original-34", "--modalities", "voice", "--base", fitted[0], "-q")
    mercli("fit", corpus, "-o", output, *how)
    assert bundles.load(output).modalities == ("voice",)
    said = mercli("fit", corpus, "-o", output, "--words-model", corpus / "x.csv", "--modalities", "voice", code=2)
    assert "--words-model is for words, which --modalities leaves out" in said


def test_a_table_that_is_none_is_refused_before_any_file_is_read(corpus, tmp_path):
    said = mercli("fit", corpus, "-o", tmp_path / "b", "--words-model", corpus / "manifest.csv", code=2)
    assert "has no column for a text" in said
    assert not (tmp_path / "b").exists()


def test_words_learnt_in_a_language_look_for_transcripts_in_it(corpus, texts, tmp_path):
    clips = tmp_path / "clips"
    shutil.copytree(corpus, clips)
    for path in clips.glob("*.txt"):
        path.rename(path.with_suffix(".ger.txt"))
    how = ("--voice-set", "original-34", "-q", "--words-model", texts)
    mercli("fit", clips, "-o", tmp_path / "german", *how, "--words-language", "de")
    bundle = bundles.load(tmp_path / "german")
    assert bundle.words is not None
    assert bundle.words.spec.language == "de"
    assert bundle.training["scores"]["words"]["n"] == 48
    said = mercli("fit", clips, "-o", tmp_path / "b", *how, "--words-language", "german", code=2)
    assert "--words-language: language 'german' is no code of two letters, such as de" in said
    said = mercli("fit", clips, "-o", tmp_path / "b", "--words-language", "de", code=2)
    assert "--words-language is for --words-model, which is not given" in said


def test_words_that_know_other_classes_are_refused_where_they_are_asked_for(corpus, tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text("text,emotion\n" + "who is there,fear\nhow odd,surprise\nwhat now,bored\n" * 6)
    how = ("--voice-set", "original-34", "-o", tmp_path / "b")
    said = mercli("fit", corpus, *how, "--words-model", path, code=2)
    assert "left out: 6 of 18 rows of" in said
    assert "the words know fear, surprise, the corpus " in said
    assert not (tmp_path / "b").exists()


def test_words_alone_are_not_trained(corpus, tmp_path):
    said = mercli("fit", corpus, "-o", tmp_path / "b", "--modalities", "words", code=2)
    assert "of --modalities voice or face is needed: words join what they say" in said
