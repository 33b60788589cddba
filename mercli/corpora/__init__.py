"""Labelled corpora: which file carries which emotion and who speaks, and how speakers are divided."""

from mercli.corpora.corpus import Corpus, Example, check_usable, load
from mercli.corpora.manifest import MANIFEST_COLUMNS
from mercli.corpora.splits import folds, parse_split, split_speakers

__all__ = [
    "MANIFEST_COLUMNS",
    "Corpus",
    "Example",
    "check_usable",
    "folds",
    "load",
    "parse_split",
    "split_speakers",
]
