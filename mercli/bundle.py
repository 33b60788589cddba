"""A model bundle on disk: ONNX models, a JSON manifest and a card; hashes checked, nothing executable."""

import json
import os
import re
import reprlib
import shutil
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mercli import emotions, interrupts, strict_json
from mercli.errors import BundleError, UsageError
from mercli.face.spec import FaceSpec
from mercli.files import PLAIN_NAME, refuse_unwritable_folder, replaced_folder, sha256
from mercli.fusion import FUSIONS
from mercli.spreadsheet import is_formula
from mercli.voice.spec import MERCLI_1, VoiceSpec
from mercli.words.spec import WordsSpec

MODALITIES = ("voice", "face", "words")
MANIFEST = "bundle.json"
CARD = "MODEL_CARD.md"
FORMAT_VERSION = 2

_VOICE, _NETWORK, _FACE, _FUSION = "voice.onnx", "face-network.onnx", "face.onnx", "fusion.onnx"
_WORDS = "words.onnx"
_OWN_NAMES = {MANIFEST, CARD, _VOICE, _NETWORK, _FACE, _FUSION, _WORDS}
_SHA256 = re.compile(r"[0-9a-f]{64}")
HEAVIEST_WORDS = 10.0  # the most that words may count beside voice and face
_LONGEST_NAME = 255  # characters
_MANIFEST_LIMIT = 4 << 20  # bytes
_FILES_LIMIT = 512 << 20  # bytes of all files together: they are held in memory


@dataclass(frozen=True, slots=True)
class Model:
    """Hold a classifier: ONNX bytes, and the classes it knows in the order of its output."""

    onnx: bytes = field(repr=False)
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VoicePart:
    """Hold what turns sound into posteriors."""

    spec: VoiceSpec
    model: Model


@dataclass(frozen=True, slots=True)
class FacePart:
    """Hold what turns frames into posteriors; without a clip model the frames' posteriors are averaged."""

    spec: FaceSpec
    network: bytes = field(repr=False)
    model: Model | None = None


@dataclass(frozen=True, slots=True)
class WordsPart:
    """Hold what turns text into posteriors.

    Parameters
    ----------
    spec : WordsSpec
        How text is measured, and how often each class was where that was learnt.
    model : Model
        Trained elsewhere: it may know classes that the bundle does not, two of the bundle's at least.
    weight : float
        How much the words count beside voice and face: 1 for as much as they say, 0 for nothing.
    """

    spec: WordsSpec
    model: Model
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class FusionPart:
    """Hold what makes one posterior of voice and face: one of `mercli.fusion.FUSIONS`, and its model."""

    kind: str
    model: Model


@dataclass(frozen=True, slots=True)
class Bundle:
    """Hold everything `predict` needs, in memory.

    Parameters
    ----------
    name : str
        A plain name.
    classes : tuple of str
        The classes of its answers, in the order of `mercli.emotions.ALL`.
    voice, face, fusion, words : optional
        The parts; a bundle has voice or face or both.
    training : dict
        What it was trained on and how well it did: JSON values.
    card : str
        The model card, Markdown.
    digest : str
        SHA-256 over the manifest and, through its hashes, over every file. Empty before it is saved.
    folder : Path or None
        Where it was read from, which is no part of it.
    """

    name: str
    classes: tuple[str, ...]
    voice: VoicePart | None = None
    face: FacePart | None = None
    fusion: FusionPart | None = None
    training: dict[str, Any] = field(default_factory=dict, repr=False)
    card: str = field(default="", repr=False)
    digest: str = ""
    folder: Path | None = field(default=None, compare=False)
    words: WordsPart | None = None

    @property
    def label(self) -> str:
        """Name the bundle in a table so that it can be told from any other."""
        return f"{self.name}@{self.digest[:12]}"

    @property
    def modalities(self) -> tuple[str, ...]:
        """Name the modalities it can judge."""
        return tuple(name for name in MODALITIES if getattr(self, name) is not None)

    @property
    def voice_spec(self) -> VoiceSpec:
        """Say how it measures a voice; without a voice model, how one is trained behind it."""
        return self.voice.spec if self.voice else MERCLI_1


def name_for(folder: Path) -> str:
    """Make a bundle's name of the name of its folder."""
    spelled = os.fsencode(os.path.realpath(folder)).decode("utf-8", "backslashreplace").rsplit(os.sep, 1)[-1]
    name = "".join(letter if letter.isprintable() else "?" for letter in spelled)
    if not name or is_formula(name):
        name = f"bundle{name}"
    return name[:_LONGEST_NAME]


def save(bundle: Bundle, folder: Path, kept: str | None = None) -> None:
    """Write a bundle.

    Parameters
    ----------
    bundle : Bundle
        What to write; its `digest` is made anew.
    folder : Path
        The bundle's folder. An older bundle there is replaced, anything else is left alone; a file by the name of
        this bundle's encoder, which users may put there, stays.
    kept : str, optional
        The name of another file that stays.

    Raises
    ------
    UsageError
        If the folder holds something that is not a bundle, or cannot be written.
    """
    encoder = bundle.voice.spec.encoder if bundle.voice else None
    kept = encoder.file if encoder else kept
    refuse_to_replace(folder, kept)
    folder = folder.resolve()  # where it is a link, the folder behind it is what is replaced
    manifest, contents = _to_manifest(bundle)
    # It takes a moment, and half of it would be worse than either bundle.
    with interrupts.noted(), replaced_folder(folder) as part:
        for name, data in contents.items():
            (part / name).write_bytes(data)
        (part / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        if kept and os.path.lexists(folder / kept):
            _carry_over(folder / kept, part / kept)


def refuse_to_replace(folder: Path, kept: str | None = None) -> None:
    """Raise a UsageError, before hours of work, if a bundle cannot be written there or would cost other files.

    Parameters
    ----------
    folder : Path
        Where it is to go.
    kept : str, optional
        The name of its encoder, which is no part of it; a file of that name in the folder will stay there.
    """
    if kept and is_own(kept):
        raise UsageError(f"a bundle has a file {kept} of its own; give the voice encoder another name")
    if os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir may raise
        try:
            _refuse_to_lose(folder, kept)
        except OSError as error:
            raise UsageError(f"cannot replace {folder}: {error.strerror}; give -o a new name") from error
    elif os.path.exists(folder):  # noqa: PTH110
        raise UsageError(f"{folder} is a file; -o names the folder of the new bundle")
    refuse_unwritable_folder(folder)


def is_own(name: str) -> bool:
    """Tell whether a file name is one of a bundle's own, on a system where case counts or not."""
    return name.lower() in {own.lower() for own in _OWN_NAMES}


def _carry_over(file: Path, there: Path) -> None:
    """Have a file, which may be large, under a second name, so that it outlives the first."""
    try:
        there.hardlink_to(file)
    except OSError:  # not every file system has such links
        shutil.copy2(file, there)


def _refuse_to_lose(folder: Path, kept: str | None) -> None:
    names = {entry.name for entry in folder.iterdir()}
    if names and MANIFEST not in names:
        raise UsageError(f"{folder} is a folder but no bundle; give -o a new name so that nothing is lost")
    may_stay = kept in names and stat.S_ISREG((folder / str(kept)).lstat().st_mode)
    own = {*_OWN_NAMES, *([kept] if may_stay else [])}
    if foreign := sorted(names - own):
        raise UsageError(
            f"{folder} holds {foreign[0]!r}, which is no part of a bundle; give -o a new name so that nothing "
            "is lost"
        )
    if folder.samefile(Path.cwd()) or folder.is_mount():
        raise UsageError(f"{folder} cannot be replaced as a whole; give -o the name of a new folder in it")


def load(folder: Path) -> Bundle:
    """Read a bundle, every byte of it checked before any is used.

    Parameters
    ----------
    folder : Path
        The bundle's folder.

    Returns
    -------
    Bundle
        With all its files in memory.

    Raises
    ------
    BundleError
        If it is missing, damaged, changed since it was written, or of a kind this version does not know.
    """
    manifest = _read_manifest(folder)
    contents: dict[str, bytes] = {}
    left = _FILES_LIMIT
    try:
        for name, entry in manifest["files"].items():
            expected, size = entry["sha256"], entry["bytes"]
            if not _SHA256.fullmatch(expected) or type(size) is not int or size < 0:
                raise ValueError(f"SHA-256 {reprlib.repr(expected)}, bytes {reprlib.repr(size)} of {name!r}")
            contents[name] = _read_checked(folder, name, expected, size, limit=left)
            left -= len(contents[name])
        return replace(_from_manifest(manifest, contents), folder=folder.resolve())
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BundleError(f"bundle {folder}: {MANIFEST} is not understood ({repr(error)[:200]})") from error


def _to_manifest(bundle: Bundle) -> tuple[dict[str, Any], dict[str, bytes]]:
    contents = {CARD: bundle.card.encode(errors="backslashreplace")}
    manifest: dict[str, Any] = {
        "format": "mercli-bundle",
        "format_version": FORMAT_VERSION,
        "name": bundle.name,
        "classes": list(bundle.classes),
    }

    def entry(model: Model, name: str) -> dict[str, Any]:
        contents[name] = model.onnx
        return {"file": name, "classes": list(model.classes)}

    if bundle.voice is not None:
        manifest["voice"] = {"spec": bundle.voice.spec.to_json(), "model": entry(bundle.voice.model, _VOICE)}
    if bundle.face is not None:
        contents[_NETWORK] = bundle.face.network
        model = bundle.face.model
        manifest["face"] = {
            "spec": bundle.face.spec.to_json(),
            "network": {"file": _NETWORK},
            "model": entry(model, _FACE) if model else None,
        }
    if bundle.fusion is not None:
        manifest["fusion"] = {"kind": bundle.fusion.kind, "model": entry(bundle.fusion.model, _FUSION)}
    if bundle.words is not None:
        manifest["words"] = {
            "spec": bundle.words.spec.to_json(),
            "model": entry(bundle.words.model, _WORDS),
            "weight": bundle.words.weight,
        }
    manifest["training"] = bundle.training
    manifest["files"] = {
        name: {"sha256": sha256(data), "bytes": len(data)} for name, data in sorted(contents.items())
    }
    manifest["digest"] = _digest(manifest)
    return manifest, contents


def _from_manifest(manifest: dict[str, Any], contents: dict[str, bytes]) -> Bundle:
    classes = _names(manifest["classes"])
    if classes != emotions.ordered(classes) or len(classes) < 2:
        raise ValueError(f"classes {classes}")
    name, training = manifest["name"], manifest["training"]
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise ValueError(f"name {name!r}")
    if is_formula(name):  # it begins a cell of every table
        raise ValueError(f"name {name!r} begins as a spreadsheet's formula does")
    if not isinstance(training, dict):
        raise TypeError(f"training {reprlib.repr(training)}")

    def model(entry: dict[str, Any]) -> Model:
        own = _names(entry["classes"])
        if not set(own) <= set(classes) or not own or len(set(own)) < len(own):
            raise ValueError(f"classes {own} of {entry['file']}")
        return Model(contents[entry["file"]], own)

    voice = face = fusion = None
    if (part := manifest.get("voice")) is not None:
        voice = VoicePart(VoiceSpec.from_json(part["spec"]), model(part["model"]))
        encoder = voice.spec.encoder
        if encoder and is_own(encoder.file):
            raise ValueError(f"encoder file {encoder.file!r} is one of the bundle's own")
    if (part := manifest.get("face")) is not None:
        spec = FaceSpec.from_json(part["spec"])
        clip_model = model(part["model"]) if part["model"] is not None else None
        if clip_model is None and not set(spec.classes) <= set(classes):
            raise ValueError(f"classes {spec.classes} of the face network")
        face = FacePart(spec, contents[part["network"]["file"]], clip_model)
    if (part := manifest.get("fusion")) is not None:
        if part["kind"] not in FUSIONS:
            raise ValueError(f"fusion {reprlib.repr(part['kind'])}")
        fusion = FusionPart(part["kind"], model(part["model"]))
    if voice is None and face is None:
        raise ValueError("neither voice nor face")
    words = None if (part := manifest.get("words")) is None else _read_words(part, classes, contents)
    return Bundle(
        name=name,
        classes=classes,
        voice=voice,
        face=face,
        fusion=fusion,
        words=words,
        training=training,
        card=contents[CARD].decode(),
        digest=manifest["digest"],
    )


def _read_words(part: dict[str, Any], classes: tuple[str, ...], contents: dict[str, bytes]) -> WordsPart:
    spec, weight = WordsSpec.from_json(part["spec"]), part["weight"]
    own = _names(part["model"]["classes"])
    known = set(own) & set(classes)
    if not set(own) <= set(emotions.ALL) or len(set(own)) < len(own) or len(known) < 2:
        raise ValueError(f"classes {own} of the words")
    if len(spec.prior) != len(own):
        raise ValueError(f"the prior of the words is of {len(spec.prior)} classes, their model of {len(own)}")
    if type(weight) not in (int, float) or not 0 <= weight <= HEAVIEST_WORDS:
        raise ValueError(f"weight {weight!r} of the words")
    return WordsPart(spec, Model(contents[part["model"]["file"]], own), weight)


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):  # an object's keys would pass for a list
        raise TypeError(f"classes {reprlib.repr(value)}")
    return tuple(value)


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        if not folder.is_dir():
            raise BundleError(f"no bundle {str(folder)!r}: give the folder that `mercli fit` wrote")
        _check_regular(folder, MANIFEST)
        with (folder / MANIFEST).open("rb") as file:
            text = file.read(_MANIFEST_LIMIT + 1)
    except FileNotFoundError as error:
        raise BundleError(f"bundle {folder}: no {MANIFEST} in it, so it is no bundle") from error
    except OSError as error:
        raise BundleError(f"bundle {folder}: {MANIFEST} cannot be read ({error.strerror})") from error
    if len(text) > _MANIFEST_LIMIT:
        raise BundleError(f"bundle {folder}: {MANIFEST} is over {_MANIFEST_LIMIT >> 20} MB, so it is no bundle")
    try:
        manifest = strict_json.loads(text)
        digest = _digest(manifest) if isinstance(manifest, dict) else None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"bundle {folder}: {MANIFEST} is not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != "mercli-bundle":
        raise BundleError(f"bundle {folder}: {MANIFEST} is not that of a mercli bundle")
    version = manifest.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:  # true and 1.0 equal 1
        raise BundleError(
            f"bundle {folder} has format version {reprlib.repr(version)}; this mercli reads {FORMAT_VERSION}: "
            "another version of mercli wrote it"
        )
    if manifest.get("digest") != digest:
        raise BundleError(f"bundle {folder}: {MANIFEST} was changed since it was written; get the bundle anew")
    return manifest


def _read_checked(folder: Path, name: str, expected: str, size: int, *, limit: int) -> bytes:
    if not PLAIN_NAME.fullmatch(name):
        raise BundleError(f"bundle {folder}: {reprlib.repr(name)} is not a plain file name; the bundle is refused")
    path = folder / name
    try:
        found = _check_regular(folder, name)
        if found != size:
            raise BundleError(f"bundle {folder}: {name} has {found} bytes, {reprlib.repr(size)} were expected")
        if size > limit:
            raise BundleError(f"bundle {folder}: its files are over {_FILES_LIMIT >> 20} MB, so it is refused")
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"bundle {folder}: {name} cannot be read ({error.strerror})") from error
    if sha256(data) != expected:
        raise BundleError(
            f"bundle {folder}: {name} has SHA-256 {sha256(data)[:12]}…, {expected[:12]}… was expected; "
            "it is damaged or was tampered with: get the bundle anew"
        )
    return data


def _check_regular(folder: Path, name: str) -> int:
    """Give a file's size; a link, which could lead anywhere, or a pipe, which could be waited on, is refused."""
    info = (folder / name).lstat()
    if not stat.S_ISREG(info.st_mode):
        raise BundleError(f"bundle {folder}: {name} is not a regular file; the bundle is refused")
    return info.st_size


def _digest(manifest: dict[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    return sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())
