"""The labelled files of the Javanese corpora, AA-SS-EE_RR: actor, sentence, emotion, repetition."""

import re
from collections.abc import Iterator
from pathlib import Path

from mercli.corpora import Example

_NAME = re.compile(r"(?P<actor>\d\d)-\d\d-(?P<emotion>\d\d)_\d\d")
_EMOTIONS = dict(
    zip(
        ("01", "02", "03", "04", "05", "06"), ("neutral", "sad", "happy", "surprise", "fear", "angry"), strict=True
    )
)


def read_javanese(folder: Path, suffix: str) -> Iterator[Example]:
    """Read the files that end in a suffix; speakers are named ``javanese-AA``."""
    for path in sorted(folder.glob(f"*{suffix}")):
        if match := _NAME.fullmatch(path.stem):
            yield Example(path, _EMOTIONS[match["emotion"]], f"javanese-{match['actor']}")
