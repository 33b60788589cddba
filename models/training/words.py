r"""Train the text model on MELD's training and development dialogues, and score it on its test dialogues.

    python models/training/words.py --train train.csv --dev dev.csv --test test.csv --out runs/words

It writes `words.onnx` and `words.json`: the specification, the classes, how the model was found, and its scores.
Every choice is made on dialogues of training and development that are left out in turn; the test dialogues are
judged once, by the ONNX file that was written. It takes some five minutes.
"""

import argparse
import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli import emotions
from mercli.bundle import Model
from mercli.inference import Classifier
from mercli.words import learning
from mercli.words.spec import WordsSpec
from mercli.words.vector import vectors
from mercli.words.weighing import plain

SEED = 0
DRAWS = 1000  # of dialogues, for the intervals
_BATCH = 256  # texts that are judged at once: dense, they are 64 MiB


@dataclass(frozen=True, slots=True)
class Texts:
    """Hold utterances: what was said, the emotion's name, and the dialogue; one entry a text in each field."""

    said: list[str]
    labels: list[str]
    dialogues: list[str]

    def take(self, rows: Sequence[int]) -> "Texts":
        """Give some of the texts."""
        return Texts(*([each[i] for i in rows] for each in (self.said, self.labels, self.dialogues)))

    def __add__(self, other: "Texts") -> "Texts":
        """Put two tables together."""
        return Texts(self.said + other.said, self.labels + other.labels, self.dialogues + other.dialogues)


def read(table: Path) -> Texts:
    """Read one of MELD's tables; a dialogue carries the table's name, for each counts from 0."""
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    labels = [emotions.canonical(row["Emotion"]) for row in rows]
    if None in labels:
        raise SystemExit(f"{table}: line {labels.index(None) + 2} has an emotion that mercli does not know")
    return Texts(
        [row["Utterance"] for row in rows],
        [label for label in labels if label],
        [f"{table.stem}/{row['Dialogue_ID']}" for row in rows],
    )


def judge(trained: Model, spec: WordsSpec, texts: Sequence[str]) -> NDArray[np.float64]:
    """Give the posteriors of texts [n, n_classes] by the ONNX model."""
    network = Classifier(trained.onnx, trained.classes, trained.classes, spec.n_features, "the model of words")
    batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
    return np.concatenate([network.posteriors(vectors(batch, spec)) for batch in batches])


def measure(said: NDArray[np.float64], texts: Texts, classes: Sequence[str]) -> dict[str, Any]:
    """Score posteriors, with intervals of 95 % from dialogues drawn again with replacement."""
    names = np.array(classes)
    kind = np.array([classes.index(label) for label in texts.labels])
    found: dict[str, Any] = learning.scores(said, kind, names)
    _, dialogue = np.unique(texts.dialogues, return_inverse=True)
    members = [np.flatnonzero(dialogue == number) for number in range(dialogue.max() + 1)]
    rng, drawn = np.random.default_rng(SEED), []
    for _ in range(DRAWS):
        rows = np.concatenate([members[number] for number in rng.integers(len(members), size=len(members))])
        drawn.append(learning.scores(said[rows], kind[rows], names))
    for name in list(found):
        found[f"{name}_interval"] = np.percentile([draw[name] for draw in drawn], [2.5, 97.5]).round(4).tolist()
    best = said.argmax(axis=1)
    table = np.zeros((len(classes), len(classes)), int)
    np.add.at(table, (kind, best), 1)
    return {**found, "n_texts": len(kind), "n_dialogues": len(members), "confusion": table.tolist()}


def show(title: str, found: dict[str, Any], classes: Sequence[str]) -> None:
    """Print scores, each class' precision, recall and F1, and who was taken for whom."""
    print(f"{title}: {found['n_texts']} texts of {found['n_dialogues']} dialogues")
    for name in ("accuracy", "weighted_f1", "macro_f1"):
        low, high = found[f"{name}_interval"]
        print(f"  {name.replace('_', ' '):12} {found[name]:.3f}   {low:.3f} to {high:.3f}")
    table = np.array(found["confusion"])
    right, were, called = table.diagonal(), table.sum(axis=1), table.sum(axis=0)
    print(f"  {'':9}{'texts':>7}{'precis.':>9}{'recall':>8}{'F1':>7}   taken for " + " ".join(classes))
    for row, name in enumerate(classes):
        precision, recall = right[row] / max(called[row], 1), right[row] / max(were[row], 1)
        f1 = 2 * right[row] / max(were[row] + called[row], 1)
        taken = " ".join(f"{n:>{len(each)}}" for n, each in zip(table[row], classes, strict=True))
        print(f"  {name:9}{were[row]:>7}{precision:>9.3f}{recall:>8.3f}{f1:>7.3f}{'':13}{taken}")


def main() -> None:
    """Train, write and score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="MELD's train.csv")
    parser.add_argument("--dev", type=Path, help="MELD's dev.csv, learnt from as well")
    parser.add_argument("--test", type=Path, help="MELD's test.csv, judged once at the end")
    parser.add_argument("--out", type=Path, required=True, help="the folder for words.onnx and words.json")
    options = parser.parse_args()
    texts = read(options.train) + read(options.dev) if options.dev else read(options.train)
    trained, spec, record = learning.learn_words(texts.said, texts.labels, texts.dialogues, seed=SEED)
    print("found on dialogues left out:", json.dumps(record, indent=1))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "words.onnx").write_bytes(trained.onnx)
    said = {
        "model": "words.onnx",
        "learnt_from": ["train", "dev"] if options.dev else ["train"],
        "sha256": hashlib.sha256(trained.onnx).hexdigest(),
        "classes": trained.classes,
        "spec": spec.to_json(),
        "training": record,
    }
    if options.test:
        test = read(options.test)
        answers, known = judge(trained, spec, test.said), set(map(plain, texts.said))
        said["test"] = measure(answers, test, trained.classes)
        show("test", said["test"], trained.classes)
        new = [i for i, text in enumerate(test.said) if plain(text) not in known]
        said["test_new"] = measure(answers[new], test.take(new), trained.classes)
        show("of these, what nobody says in the training", said["test_new"], trained.classes)
    (options.out / "words.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    print(f"written: {options.out / 'words.onnx'}, {len(trained.onnx) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
