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
English, from its {parts} (from a GPL-3.0 repository, as published; research). Words, and
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
        "corpus": f"MELD, {' and '.join(said['learnt_from'])}",
        "test": said.get("test"),
        "test_new": said.get("test_new"),
    }
    training = {**base.training, "words_classifier": record}
    named = [name for name in base.modalities if name != "words"]
    old, new = (f"Modalities: {', '.join(names)}.\n" for names in (base.modalities, [*named, "words"]))
    if old not in base.card:
        raise SystemExit(f"the card of {base.name} does not say {old.strip()!r}")
    before, _, rest = base.card.replace(old, new).partition(f"{TITLE}\n")
    _, mark, after = rest.partition("\n## ")
    card = f"{before.rstrip()}\n\n{describe(said)}{mark}{after}"
    return replace(base, words=part, training=training, card=card)


def describe(said: dict[str, Any]) -> str:
    """Say in Markdown what the words were learnt from, and how they do."""
    parts = {"train": "training", "dev": "development"}
    learnt_from = " and ".join(parts[name] for name in said["learnt_from"])
    text = LEARNT.format(**said["training"], parts=f"{learnt_from} part{'s' * (len(said['learnt_from']) > 1)}")
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
