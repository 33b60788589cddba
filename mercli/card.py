"""The model card of a bundle: what it is, what it was trained on, and how far its numbers can be trusted."""

from collections.abc import Mapping

from mercli.bundle import Bundle
from mercli.evaluation import Scores, sections
from mercli.files import sha256

MEANING = """\
The answers say which emotion a listener or viewer would likely have named, in recordings like those it was
trained on: emotion as expressed and labelled, mostly by actors. They do not show what a person felt, and are
not fit for decisions about people.
"""


def write_card(
    bundle: Bundle,
    *,
    data: str,
    protocol: str,
    scores: Mapping[str, Scores],
    command: str,
    more: str = "",
) -> str:
    """Write a model card in Markdown.

    Parameters
    ----------
    bundle : Bundle
        The bundle it goes with.
    data : str
        The corpora and their terms, Markdown.
    protocol : str
        How the numbers were got, one sentence or more.
    scores : dict of str to Scores
        By what was scored, in the order to show.
    more : str
        What else is to be said of the scores, Markdown.
    command : str
        The command that trains the bundle and prints the numbers.

    Returns
    -------
    str
        The card.
    """
    parts = [
        f"# {bundle.name}\n",
        f"Classes: {', '.join(bundle.classes)}. Modalities: {', '.join(bundle.modalities)}.\n",
        *_ways(bundle),
        *_encoder(bundle),
        *_network(bundle),
        f"## What the answers mean\n\n{MEANING}",
        f"## Data\n\n{data.strip()}\n",
        f"## How it does on speakers it never saw\n\n{protocol.strip()}\n",
        score_table(scores),
        *(f"### {what}: confusion\n\n{confusion_table(score)}" for what, score in scores.items()),
        *([more] if more else []),
        f"## How it was made\n\n```\n{command}\n```\n",
    ]
    return "\n".join(parts)


def _ways(bundle: Bundle) -> list[str]:
    """Say how faces are pooled, what fuses, and how much words count."""
    pooling = f"Frames of a face are pooled by {bundle.face.spec.pooling}." if bundle.face else ""
    fusion = f"Voice and face are fused by {bundle.fusion.kind}." if bundle.fusion else ""
    words = ""
    if bundle.words:
        known = bundle.training.get("words_classifier", {}).get("corpus")
        learnt = f"elsewhere ({known}: its terms hold for them)" if known else "elsewhere"
        words = f"Words were learnt {learnt}, and count {bundle.words.weight:g} times what they say."
    ways = " ".join(filter(None, (pooling, fusion, words)))
    return [f"{ways}\n"] if pooling or words else []


def _encoder(bundle: Bundle) -> list[str]:
    spec = bundle.voice.spec.encoder if bundle.voice else None
    if spec is None:
        return []
    return [
        f"The voice is measured by the speech network `{spec.file}` ({spec.size_bytes:,} bytes, SHA-256\n"
        f"`{spec.sha256}`). The bundle refers to it and does not\n"
        "hold it; who passes it on owes its users the terms of that network too.\n"
    ]


def _network(bundle: Bundle) -> list[str]:
    contract = bundle.face.spec.contract if bundle.face else None
    if bundle.face is None or contract is None:
        return []
    name = bundle.training.get("face_network", {}).get("name", "unnamed")
    terms = contract.licence or "not given: find out before you pass the bundle on"
    return [
        f"Frames of a face are scored by the network `{name}` (SHA-256\n"
        f"`{sha256(bundle.face.network)}`), which is not mercli's and\n"
        f"lies in the bundle. From: {contract.source or 'not given'}. Terms: {terms}.\n"
    ]


def score_table(scores: Mapping[str, Scores]) -> str:
    """Lay out scores as a Markdown table: 95 % bootstrap intervals over speakers, expected calibration error."""
    return sections.markdown(sections.scores(scores))


def confusion_table(score: Scores) -> str:
    """Lay out a confusion matrix as a Markdown table: rows are true, columns answered."""
    return sections.markdown(sections.confusion("", score))
