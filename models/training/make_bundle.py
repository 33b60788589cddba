r"""Make the bundle that ships: the voice, face and fusion models, trained behind a given face network.

    python models/training/make_bundle.py --network runs/face/network.onnx \\
        --ravdess-speech DIR --ravdess-faces DIR --javanese DIR --javanese-speech DIR

It prints the scores that the card holds. Everything is scored by folds with no speaker in two of them.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import mercli_models
from av_scores import Answers, judge_each_actor, score_each
from javanese import read_javanese
from mercli import batch, bundle, corpora, emotions, evaluation, fitting, training
from mercli.bundle import Bundle, FacePart
from mercli.card import score_table, write_card
from mercli.corpora import Corpus
from mercli.evaluation import Scores
from mercli.evaluation.rounds import judge_held_out
from mercli.face.choice import HAAR
from mercli.face.spec import FaceSpec
from mercli.fingerprint import identity
from mercli.formats import FRAME_RATE_HZ, SUFFIXES
from mercli.setup import Setup
from mercli.survey import Survey, observe
from mercli.table import Posteriors, Table

SEED = 0
EMBEDDING_SIZE = 32
MARGIN = 0.9  # of the crop behind Haar's boxes: docs/faces.md has the measurement

DATA = """\
Voice, face and fusion models: {clips} clips of {speakers} speakers.

- RAVDESS speech (Livingstone and Russo, 2018), 19 actors, sound; of one of them also face crops with sound.
  North American English, two sentences, acted. CC BY-NC-SA 4.0 as published. Its calm counts as neutral.
- Javanese clips, 7 amateur actors, four sentences, acted, six emotions (no disgust): sound and picture published
  without a licence; four further takes of each, sound alone, from an MIT repository.

Face network: FER2013 (Goodfellow et al., 2013), 48 x 48 grey faces from web searches, for research as published;
with FER+ crowd labels (Barsoum et al., 2016), MIT.

Because of these terms the bundle is for research and other non-commercial use; the code of mercli is not so bound.
No recording and no picture is in it.
"""
CORPUS = "RAVDESS speech and faces, Javanese speech and clips"
BY_ACTOR = """\
### Each way of pooling faces and of fusing, actor by actor

The Javanese clips, every actor judged by models that were trained, from the first step on, without that actor. "As
chosen" takes for each actor the pooling and the fusion that did best inside the training, on its own speakers left
out in turn.
The joint network takes sequences; its rows without a modality are the same network with that one taken away.

{table}
The UAR inside the trainings, by which the choices are made:

{inside}
"""
PROTOCOL = """\
Five folds over all speakers of both corpora, no speaker in two of them. Voice, face and fusion models are
trained anew for each fold without its speakers, the fusion on posteriors of models that did not see the
speaker either. The bundle itself is trained on all speakers. Intervals: 95 %, bootstrap over speakers. Each
corpus' own sentences are in training, spoken by others: on other sentences, languages and rooms expect less,
as the row "voice, RAVDESS to Javanese" shows, whose model was trained on RAVDESS alone. "Untrained" is the frame
network as FER2013 made it: the class with the greatest mean posterior over a clip's frames.
"""
COMMAND = """\
python models/training/train_face_network.py --faces fer2013.npz --out models/training/runs/first
python models/training/train_face_network.py --faces fer2013.npz --out models/training/runs/face --epochs 70 \\
    --start models/training/runs/first/best.pt
python models/training/quantise_network.py --network models/training/runs/face/network.onnx \\
    --faces fer2013.npz --out models/training/runs/int8
python models/training/make_bundle.py --network models/training/runs/int8/network.onnx \\
    --ravdess-speech ravdess-speech --ravdess-faces ravdess-crops --javanese javanese-video \\
    --javanese-speech javanese-speech"""


PREFIXES = {"ravdess": "RAVDESS", "javanese": "Javanese"}


def gather(ravdess_speech: Path, ravdess_faces: Path, javanese: Path, javanese_speech: Path) -> Corpus:
    """Read the four corpora as one, each utterance once and each speaker with a corpus in front of the name."""
    examples = corpora.load([ravdess_speech, ravdess_faces]).examples
    clips = list(read_javanese(javanese, ".mp4"))
    seen = {example.path.stem for example in clips}
    clips += [each for each in read_javanese(javanese_speech, ".flac") if each.path.stem not in seen]
    return Corpus(CORPUS, (*examples, *clips))


def make_front_end(network: Path, folder: Path, margin: float) -> Bundle:
    """Write a bundle that holds the face network alone, for workers to measure with."""
    spec = FaceSpec(classes=emotions.FER2013, margin=margin, embedding_size=EMBEDDING_SIZE)
    front = Bundle("front-end", emotions.FER2013, face=FacePart(spec, network.read_bytes()))
    bundle.save(front, folder)
    return bundle.load(folder)


def score_by_corpus(said: Posteriors, table: Table, made: Bundle) -> dict[str, Scores]:
    """Score each corpus' own speakers apart: one figure over both would hide the weaker."""
    scores = {}
    for prefix, name in PREFIXES.items():
        rows = np.flatnonzero([speaker.startswith(prefix) for speaker in table.speakers])
        part = said.take(rows)
        found = fitting.score_all(part, table.take(rows), made.classes, made.modalities)
        both = np.flatnonzero([e.voice is not None and e.face is not None for e in table.take(rows).evidence])
        if "fusion" in found:
            fused = part.take(both)
            found["fusion"] = fitting.score_all(fused, table.take(rows).take(both), made.classes, made.modalities)[
                "fusion"
            ]
        scores |= {f"{what}, {name}": score for what, score in found.items()}
    return scores


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the data is, and how to measure it."""
    parser.add_argument("--network", type=Path, required=True, help="the face network, ONNX")
    parser.add_argument("--margin", type=float, default=MARGIN, help="the crop's side over that of the face's box")
    parser.add_argument("--ravdess-speech", type=Path, required=True, help="RAVDESS speech, sound only")
    parser.add_argument("--ravdess-faces", type=Path, required=True, help="RAVDESS clips with face and sound")
    parser.add_argument("--javanese", type=Path, required=True, help="Javanese clips AA-SS-EE_RR.mp4")
    parser.add_argument("--javanese-speech", type=Path, required=True, help="Javanese speech AA-SS-EE_RR.flac")
    parser.add_argument("--fps", type=float, default=FRAME_RATE_HZ, help="frames a second to look at")
    parser.add_argument("-j", "--jobs", type=int, default=batch.default_jobs())


def measure(options: argparse.Namespace) -> tuple[Survey, Bundle]:
    """Measure all there is to train on, once, and give the front end it was measured by."""
    corpus = gather(options.ravdess_speech, options.ravdess_faces, options.javanese, options.javanese_speech)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "front-end"
        front = make_front_end(options.network, folder, options.margin)
        setup = Setup(
            str(folder), front.digest, ("voice", "face"), altered=True, sequences=True, frame_rate_hz=options.fps
        )
        measured = observe(corpus, setup, jobs=options.jobs)
    for path, reason in measured.problems.items():
        print(f"left out: {path}: {reason}")
    return measured, front


def main() -> None:
    """Make the bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_options(parser)
    parser.add_argument("-o", "--output", type=Path, default=mercli_models.path())
    options = parser.parse_args()
    measured, front = measure(options)
    folders = (options.ravdess_speech, options.ravdess_faces, options.javanese, options.javanese_speech)
    make(measured.table, front, options.network, options.output, name_recordings(*folders))


def name_recordings(*folders: Path) -> list[str]:
    """Give what copies of the files in some folders have in common with them, also of those not trained on."""
    files = (path for folder in folders for path in folder.rglob("*"))
    return sorted({known for path in files if path.suffix in SUFFIXES and (known := identity(path))})


def make(table: Table, front: Bundle, network: Path, output: Path, recordings: list[str]) -> None:
    """Score, train and write the bundle; print its scores."""
    said = judge_held_out(table, front, seed=SEED)
    answers = judge_each_actor(table, front, seed=SEED)
    made = training.fit(table, front, name=mercli_models.DEFAULT, seed=SEED)
    scores = score_by_corpus(said, table, made) | score_across(table, front) | score_untrained(table)
    by_actor = score_each(answers, table)
    metrics = network.with_name("metrics.json")
    network_scores = json.loads(metrics.read_text()) if metrics.is_file() else {}
    made = replace(
        made,
        training={
            **made.training,
            "corpus": CORPUS,
            "speakers": sorted(set(table.speakers)),
            "recordings": recordings,
            "clips": len(table.labels),
            "detector": HAAR,
            "seed": SEED,
            "scores": {what: score.to_json() for what, score in scores.items()},
            "scores_by_actor": {what: score.to_json() for what, score in by_actor.items()},
            "uar_inside_the_training": {what: round(float(np.mean(v)), 4) for what, v in answers.inside.items()},
            "face_network": network_scores,
        },
    )
    card = write_card(made, scores=scores, **describe(table, network_scores, by_actor, answers))
    bundle.save(replace(made, card=card), output)
    print(score_table(scores))
    print(score_table(by_actor))


def score_untrained(table: Table) -> dict[str, Scores]:
    """Score the frame network as it is, by the mean of its posteriors over a clip's frames."""
    scores: dict[str, Scores] = {}
    for prefix, name in PREFIXES.items():
        rows = table.take([i for i in table.with_modality("face") if table.speakers[i].startswith(prefix)])
        means = [clip.face.posteriors.mean(axis=0, dtype=np.float64) for clip in rows.evidence if clip.face]
        said = np.array(means).reshape(-1, len(emotions.FER2013))
        scores[f"face untrained, {name}"] = evaluation.score(said, rows.labels, rows.speakers, emotions.FER2013)
    return scores


def score_across(table: Table, front: Bundle) -> dict[str, Scores]:
    """Score a voice model on a corpus of which it saw nothing."""
    of_ravdess, of_javanese = (
        table.of_speakers(frozenset(name for name in table.speakers if name.startswith(prefix)))
        for prefix in ("ravdess", "javanese")
    )
    made = training.fit(of_ravdess, front, name="ravdess", seed=SEED)
    said = training.judge_all(made, of_javanese, emotions.FER2013)
    found = fitting.score_all(said, of_javanese, emotions.FER2013, ("voice",))
    return {"voice, RAVDESS to Javanese": found["voice"]}


def describe(
    table: Table, network: dict[str, Any], by_actor: dict[str, Scores], answers: Answers
) -> dict[str, str]:
    """Word the parts of the card that are this bundle's own."""
    speakers = len(set(table.speakers))
    return {
        "data": DATA.format(clips=len(table.labels), speakers=speakers) + face_network(network),
        "protocol": PROTOCOL,
        "more": BY_ACTOR.format(
            table=score_table(by_actor),
            inside="\n".join(f"- {name}: {float(np.mean(uars)):.3f}" for name, uars in answers.inside.items()),
        ),
        "command": COMMAND,
    }


def face_network(scores: dict[str, Any]) -> str:
    """Say what the face network scored on the part of FER2013 it never saw."""
    test = scores.get("private_test")
    if not test:
        return ""
    recalls = ", ".join(f"{name} {value:.2f}" for name, value in test["recall"].items())
    return (
        f"\nThe face network ({scores['parameters'] / 1e6:.2f} M parameters) on FER2013's PrivateTest: accuracy "
        f"{test['accuracy']:.3f}, macro-F1 {test['macro_f1']:.3f} against the set's own labels; "
        f"{test['crowd_accuracy']:.3f} against the majority of the FER+ crowd. Recalls: {recalls}. "
        "Images of PrivateTest and PublicTest that also stand in Training were dropped from Training. Its first "
        "run was ended after 38 epochs, and had stronger augmentation, mixup in every batch, more dropout and "
        "more weight on rare classes than the recipe has now; the second is the recipe's.\n"
    )


if __name__ == "__main__":
    main()
