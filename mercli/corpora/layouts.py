"""Published corpora whose files say by their names what they hold."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mercli.corpora.labelled import Labelled
from mercli.errors import CorpusError
from mercli.formats import SOUND_SUFFIXES

_LOSSLESS = frozenset({".aif", ".aiff", ".flac", ".w64", ".wav"})


@dataclass(frozen=True, slots=True)
class Layout:
    """Hold how the names of a corpus are read.

    Parameters
    ----------
    name : str
        As it is published.
    example : str
        A file of it.
    read : callable
        Gives what is known of a file, or None where its name is not of this corpus.
    """

    name: str
    example: str
    read: Callable[[Path], Labelled | None]


def _by_content(path: Path) -> int:
    """Rank what has a picture before sound alone, and that before sound that lost something."""
    suffix = path.suffix.lower()
    return 0 if suffix not in SOUND_SUFFIXES else 1 if suffix in _LOSSLESS else 2


# modality-channel-emotion-intensity-statement-repetition-actor (Livingstone and Russo, 2018)
_RAVDESS = re.compile(
    r"(?P<modality>0[123])-(?P<channel>0[12])-(?P<emotion>\d{2})-(?P<intensity>0[12])-(?P<sentence>0[12])"
    r"-(?P<repetition>\d{2})-(?P<actor>\d{2})",
    re.ASCII,
)
_RAVDESS_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_NEVER_SUNG = ("disgust", "surprise")
_RAVDESS_RANK = {"01": 0, "03": 1, "02": 2}  # both, sound only, picture only


def _read_ravdess(path: Path) -> Labelled | None:
    match = _RAVDESS.fullmatch(path.stem)
    if match is None:
        return None
    label, is_song = _RAVDESS_EMOTIONS.get(match["emotion"]), match["channel"] == "02"
    if label is None or (is_song and label in _NEVER_SUNG):
        sung = " in song" if is_song else ""
        raise CorpusError(f"{path}: RAVDESS has no emotion {match['emotion']}{sung}")
    traits = {
        "sex": "male" if int(match["actor"]) % 2 else "female",
        "intensity": {"01": "normal", "02": "strong"}[match["intensity"]],
        "channel": "song" if is_song else "speech",
        "sentence": match["sentence"],
    }
    utterance = f"ravdess-{path.stem[3:]}"
    return Labelled(path, label, f"ravdess-{match['actor']}", traits, utterance, _RAVDESS_RANK[match["modality"]])


# actor_sentence_emotion_level (Cao and others, 2014)
_CREMA_D = re.compile(
    r"(?P<actor>1\d{3})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<level>LO|MD|HI|XX|X)", re.IGNORECASE
)
_CREMA_D_EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
_CREMA_D_LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}


def _read_crema_d(path: Path) -> Labelled | None:
    match = _CREMA_D.fullmatch(path.stem)
    label = _CREMA_D_EMOTIONS.get(match["emotion"].upper()) if match else None
    if match is None or label is None:
        return None
    traits = {
        "intensity": _CREMA_D_LEVELS.get(match["level"].upper(), "unspecified"),
        "sentence": match["sentence"].lower(),
    }
    utterance = f"crema-d-{path.stem.lower()}"
    return Labelled(path, label, f"crema-d-{match['actor']}", traits, utterance, _by_content(path))


# Speaker, then emotion and sentence, in one name or in a folder and a name (Haq and Jackson, 2009)
_SAVEE = re.compile(
    r"(?:(?P<speaker>DC|JE|JK|KL)_)?(?P<emotion>sa|su|a|d|f|h|n)(?P<sentence>\d{1,2})", re.IGNORECASE
)
_SAVEE_EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fear",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprise",
}
_SAVEE_SPEAKERS = frozenset({"DC", "JE", "JK", "KL"})


def _read_savee(path: Path) -> Labelled | None:
    match = _SAVEE.fullmatch(path.stem)
    if match is None:
        return None
    speaker = match["speaker"] or path.absolute().parent.name
    if speaker.upper() not in _SAVEE_SPEAKERS:
        return None
    emotion = match["emotion"].lower()
    code = f"{emotion}{int(match['sentence']):02d}"
    name = f"savee-{speaker.lower()}"
    label = _SAVEE_EMOTIONS[emotion]
    return Labelled(path, label, name, {"sex": "male"}, f"{name}-{code}", _by_content(path))


# Speaker, text, emotion (German initials), version (Burkhardt and others, 2005)
_EMO_DB = re.compile(
    r"(?P<speaker>\d{2})(?P<text>[ab]\d{2})(?P<emotion>[WLEAFTN])(?P<version>[a-z]?)", re.IGNORECASE
)
_EMO_DB_EMOTIONS = {
    "W": "angry",
    "L": None,  # boredom
    "E": "disgust",
    "A": "fear",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
_EMO_DB_MEN = frozenset({"03", "10", "11", "12", "15"})
_EMO_DB_WOMEN = frozenset({"08", "09", "13", "14", "16"})


def _read_emo_db(path: Path) -> Labelled | None:
    match = _EMO_DB.fullmatch(path.stem)
    if match is None or match["speaker"] not in _EMO_DB_MEN | _EMO_DB_WOMEN:
        return None
    traits = {
        "sex": "male" if match["speaker"] in _EMO_DB_MEN else "female",
        "sentence": match["text"].lower(),
    }
    label = _EMO_DB_EMOTIONS[match["emotion"].upper()]
    return Labelled(path, label, f"emo-db-{match['speaker']}", traits, f"emo-db-{path.stem.lower()}")


# Speaker, word, emotion (Pichora-Fuller and Dupuis, 2020); some files lack a letter of the speaker.
_TESS = re.compile(r"(?P<speaker>OAF?|YAF?)_(?P<word>[a-z]+)_(?P<emotion>[a-z_]+)", re.ASCII | re.IGNORECASE)
_TESS_EMOTIONS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprise",
    "pleasant_surprise": "surprise",
    "pleasant_surprised": "surprise",
    "surprise": "surprise",
    "surprised": "surprise",
    "sad": "sad",
}


def _read_tess(path: Path) -> Labelled | None:
    match = _TESS.fullmatch(path.stem)
    label = _TESS_EMOTIONS.get(match["emotion"].lower()) if match else None
    if match is None or label is None:
        return None
    speaker = match["speaker"].lower()[:2] + "f"
    utterance = f"tess-{speaker}-{match['word'].lower()}-{label}"
    return Labelled(path, label, f"tess-{speaker}", {"sex": "female"}, utterance)


LAYOUTS: tuple[Layout, ...] = (
    Layout("RAVDESS", "03-01-05-01-02-01-12.wav", _read_ravdess),
    Layout("CREMA-D", "1001_DFA_ANG_XX.wav", _read_crema_d),
    Layout("SAVEE", "DC_a01.wav", _read_savee),
    Layout("EMO-DB", "03a01Fa.wav", _read_emo_db),
    Layout("TESS", "OAF_back_angry.wav", _read_tess),
)
"""Those whose names say all; MELD's labels stand in tables beside its clips."""


def recognise(paths: Sequence[Path]) -> Iterator[Labelled]:
    """Read the files whose names a layout knows.

    Parameters
    ----------
    paths : sequence of Path
        Media files.

    Yields
    ------
    Labelled
        In the order of the paths.

    Raises
    ------
    CorpusError
        If a name has an emotion that its corpus has not.
    """
    for path in paths:
        for layout in LAYOUTS:
            if (found := layout.read(path)) is not None:
                yield found
                break
