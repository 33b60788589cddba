"""A words part of the user's own, and what of a corpus it knows already."""

from collections.abc import Iterable
from typing import Any

from mercli.bundle import WordsPart
from mercli.table import Table
from mercli.words.labelled import LabelledTexts
from mercli.words.learning import learn_words
from mercli.words.weighing import plain

_FEW_WORDS = 4  # such as "oh yes": that somebody says it again is no wonder
_MOST_KNOWN = 0.05  # of the clips that say more


def learn_part(labelled: LabelledTexts, *, seed: int, language: str = "en") -> tuple[WordsPart, dict[str, Any]]:
    """Train a words part.

    Parameters
    ----------
    labelled : LabelledTexts
        What to learn from.
    seed : int
        Of the folds.
    language : str
        Of the texts: a code of two letters.

    Returns
    -------
    part : WordsPart
        For a bundle.
    record : dict
        How it was found: JSON values.

    Raises
    ------
    CorpusError
        If there is too little to learn from.
    """
    table = labelled.texts, labelled.labels, labelled.groups
    model, spec, record = learn_words(*table, seed=seed, language=language)
    return WordsPart(spec, model), {**record, "texts": len(labelled.texts), "left_out": labelled.left_out}


def known_by(texts: Iterable[str], table: Table) -> str | None:
    """Say in how many clips of a table there is a text that words were learnt from, or give None where in few.

    Parameters
    ----------
    texts : iterable of str
        What words were learnt from.
    table : Table
        Clips; of those that say little, nothing is concluded.
    """
    known = set(map(plain, texts))
    said = [plain(clip.words.text) for clip in table.evidence if clip.words is not None]
    said = [text for text in said if len(text.split()) >= _FEW_WORDS]
    n = sum(text in known for text in said)
    if n <= _MOST_KNOWN * len(said):
        return None
    return f"{n} of {len(said)} clips say what the words were learnt from"
