"""Give a bundle the words that `words.py` has learnt, with their scores, and say so in its card.

    python models/training/words.py --train train.csv --dev dev.csv --test test.csv --out runs/words
    python models/training/add_words.py --words runs/words

Voice, face and their fusion stay what they are, to the byte. How much words count beside them cannot be found
here, where no corpus has all three: they count for what they say (weight 1).
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mercli_models
from mercli import bundle
from mercli.bundle import Bundle, Model, WordsPart
from mercli.files import sha256
from mercli.words.spec import WordsSpec

TITLE = "## Words"
COMMAND = "python models/training/words.py --train train.csv --dev dev.csv --test test.csv --out runs/words"

LEARNT = """\
Learnt from MELD (Poria et al., 2019): {n_texts:,} utterances of {n_groups:,} dialogues of a television series, in
English, from its training and development parts (from a GPL-3.0 repository, as published; research). Words, and
letters within words, in runs, hashed, for a logistic regression. They join what voice and face say by Bayes' rule
and count for what they say (weight 1): no corpus at hand has all three, so that this weight is not measured.
`mercli fit` finds it on a corpus with transcripts of free speech.
"""
TESTED = """
On MELD's own test part ({n_texts:,} utterances of {n_dialogues} dialogues, judged once, each utterance alone; 95 %
intervals from a bootstrap over dialogues). Its main characters speak in the training, too: these are not unseen
speakers.

| | utterances | accuracy | weighted F1 | macro-F1 |
|---|---|---|---|---|
| all | {n_texts:,} | {cells} |
| those that nobody says word for word in the training | {n_new:,} | {new_cells} |
"""


def add(base: Bundle, folder: Path) -> Bundle:
    """Give a bundle with what `words.py` wrote into a folder, in place of any words that it had."""
    said = json.loads((folder / "words.json").read_text(encoding="utf-8"))
    content = (folder / said["model"]).read_bytes()
    if sha256(content) != said["sha256"]:
        raise SystemExit(f"{folder / said['model']} is not the model that words.json is about")
    part = WordsPart(WordsSpec.from_json(said["spec"]), Model(content, tuple(said["classes"])))
    record = {
        **said["training"],
        "corpus": "MELD, train and dev",
        "test": said.get("test"),
        "test_new": said.get("test_new"),
    }
    training = {**base.training, "words_classifier": record}
    card = base.card.split(f"{TITLE}\n")[0].rstrip() + f"\n\n{describe(said)}"
    modalities = ", ".join(("voice", "face", "words"))
    card = card.replace("Modalities: voice, face.\n", f"Modalities: {modalities}.\n")
    return replace(base, words=part, training=training, card=card)


def describe(said: dict[str, Any]) -> str:
    """Say in Markdown what the words were learnt from, and how they do."""
    text = LEARNT.format(**said["training"])
    if test := said.get("test"):
        new = said["test_new"]
        text += TESTED.format(**test, cells=_cells(test), n_new=new["n_texts"], new_cells=_cells(new))
    return f"{TITLE}\n\n{text}\n```\n{COMMAND}\n```\n"


def _cells(scores: dict[str, Any]) -> str:
    return " | ".join(_with_interval(scores, name) for name in ("accuracy", "weighted_f1", "macro_f1"))


def _with_interval(test: dict[str, Any], name: str) -> str:
    low, high = test[f"{name}_interval"]
    return f"{test[name]:.3f} ({low:.3f} to {high:.3f})".replace("0.", ".")


def main() -> None:
    """Add the words and write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=Path, required=True, help="the folder that words.py wrote")
    parser.add_argument("--bundle", type=Path, default=mercli_models.path(), help="the bundle to add them to")
    parser.add_argument("-o", "--output", type=Path, help="where the new bundle goes; in place of the old one")
    options = parser.parse_args()
    made = add(bundle.load(options.bundle), options.words)
    bundle.save(made, options.output or options.bundle)
    print(f"wrote {options.output or options.bundle}")


if __name__ == "__main__":
    main()
