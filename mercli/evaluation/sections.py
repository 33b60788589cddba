"""An evaluation as headed tables of text: what a terminal, a Markdown file and a model card show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mercli.evaluation import original
from mercli.evaluation.judged import ALL, BOTH, FUSION
from mercli.evaluation.scores import RATES, Scores

if TYPE_CHECKING:
    from mercli.evaluation.chance import Permuted
    from mercli.evaluation.ranking import Ranking
    from mercli.evaluation.verdict import Evaluation

_RANKED = 15  # features that are shown
_NAMES = ("accuracy", "macro-F1", "UAR")


@dataclass(frozen=True, slots=True)
class Section:
    """Hold a table of text under a title.

    Parameters
    ----------
    title : str
        What it shows.
    headings : tuple of str
        Of the columns; the first may be empty.
    rows : sequence of tuple of str
        The cells.
    note : str
        What is to be said of it.
    """

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def sections(found: "Evaluation") -> Iterator[Section]:
    """Lay an evaluation out, the most important first."""
    yield scores(found.scores)
    yield _chance(found)
    if found.published:
        yield _published(found)
    for what, score in found.scores.items():
        yield _per_class(what, score)
    for trait, parts in found.groups.items():
        yield _group(trait, parts)
    for what, score in found.scores.items():
        yield confusion(what, score)
    for what, score in found.scores.items():
        yield _calibration(what, score)
    if found.ranking:
        yield _ranking(found.ranking, original.FEATURE if found.published else None)


def scores(found: Mapping[str, Scores], title: str = "Scores") -> Section:
    """Lay scores out: 95 % bootstrap intervals over speakers, expected calibration error."""
    rows = [
        (what, str(score.n), str(score.n_speakers), *_rates(score), f"{score.ece:.3f}")
        for what, score in found.items()
    ]
    return Section(title, ("", "clips", "speakers", *_NAMES, "ECE"), rows)


def confusion(what: str, score: Scores) -> Section:
    """Lay a confusion matrix out, without classes that neither occur nor were answered."""
    shown = [i for i, name in enumerate(score.classes) if name in score.per_class]
    rows = [(score.classes[i], *(str(score.confusion[i][j]) for j in shown)) for i in shown]
    headings = ("true \\ answer", *(score.classes[i] for i in shown))
    return Section(f"{what}: confusion, rows are true, columns answered", headings, rows)


def with_interval(score: Scores, rate: str) -> str:
    """Write a rate and, of more than one speaker, its interval."""
    low, high = score.intervals[rate]
    value = f"{getattr(score, rate):.3f}"
    # Of one speaker there is nothing to draw: an interval would look like certainty.
    return value if score.n_speakers == 1 else f"{value} ({low:.3f} to {high:.3f})"


def _rates(score: Scores) -> Iterator[str]:
    return (with_interval(score, rate) for rate in RATES)


def markdown(section: Section) -> str:
    """Write the table of a section as Markdown, without its title."""
    lines = [_line(section.headings), "|---" * len(section.headings) + "|", *map(_line, section.rows)]
    note = f"{section.note}\n\n" if section.note else ""
    return note + "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(_in_markdown, cells))} |".replace("|  |", "| |", 1)


def _in_markdown(cell: str) -> str:
    """Keep a cell from ending its column, and from being taken for HTML."""
    return cell.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def _chance(found: "Evaluation") -> Section:
    rows = []
    for what in found.scores:
        always, drawn = found.majority[what], found.permuted[what]
        rows += [
            (what, "majority class", *(f"{getattr(always, rate):.3f}" for rate in RATES), ""),
            (what, "permuted labels", *(_drawn(drawn, rate) for rate in RATES), f"{drawn.p_value['uar']:.3f}"),
        ]
    note = (
        "Always the class that occurs most; and the answers as they are, against labels dealt out anew among each "
        "speaker's clips, a thousand times: mean, and where 95 % lie. p is how often chance reached the UAR."
    )
    return Section("What chance would score", ("", "", *_NAMES, "p"), rows, note)


def _drawn(drawn: "Permuted", rate: str) -> str:
    low, high = drawn.intervals[rate]
    return f"{drawn.mean[rate]:.3f} ({low:.3f} to {high:.3f})"


def _published(found: "Evaluation") -> Section:
    rows = []
    for what, score in found.scores.items():
        if figures := found.published.get(FUSION if what in (BOTH, ALL) else what):
            pairs = ((with_interval(score, rate), f"{figures[rate]:.3f}") for rate in ("accuracy", "macro_f1"))
            rows.append((what, str(score.n), str(score.n_speakers), *(cell for pair in pairs for cell in pair)))
    headings = ("", "clips", "speakers", "accuracy here", "published", "macro-F1 here", "published")
    note = "The published figures are of one draw of four actors, and of a VGG-19 for the face."
    return Section("Beside the original", headings, rows, note)


def _per_class(what: str, score: Scores) -> Section:
    rows = [
        (name, *map(_or_dash, (each.precision, each.recall, each.f1)), str(each.support))
        for name, each in score.per_class.items()
    ]
    return Section(f"{what}: by class", ("", "precision", "recall", "F1", "clips"), rows)


def _or_dash(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _group(trait: str, parts: Mapping[str, Mapping[str, Scores]]) -> Section:
    rows = [
        (value, what, str(score.n), str(score.n_speakers), *_rates(score))
        for value, of in parts.items()
        for what, score in of.items()
    ]
    return Section(f"By {trait}", (trait, "", "clips", "speakers", *_NAMES), rows)


def _calibration(what: str, score: Scores) -> Section:
    rows = [
        (f"{each.low:.1f} to {each.high:.1f}", str(each.n), f"{each.confidence:.3f}", f"{each.accuracy:.3f}")
        for each in score.calibration
    ]
    note = f"How often answers of each probability are right. Expected calibration error: {score.ece:.3f}."
    return Section(f"{what}: calibration", ("probability", "clips", "mean", "right"), rows, note)


def _ranking(ranking: "Ranking", published: str | None) -> Section:
    rows = [
        (each.name, f"{each.f:.1f}", f"{each.mutual_information:.3f}", _or_dash(each.importance, 4))
        for each in ranking.features[:_RANKED]
    ]
    shares = ", ".join(f"{share:.3f}" for share in ranking.explained)
    note = (
        f"The voice's features of {ranking.feature_set} with the greatest F over the classes, the first "
        f"{len(rows)} of {len(ranking.features)}; mutual information with the class, in nats; and the UAR that is "
        "lost on the clips tested when a feature's values are dealt out anew among them. The three leading "
        f"dimensions hold {shares} of the variance."
    )
    places = [i for i, each in enumerate(ranking.features, 1) if each.name == published]
    if places:
        note += (
            f" The original named {published}, which is number {places[0]} of {len(ranking.features)} by F here."
        )
    return Section("Features", ("feature", "F", "mutual information", "importance"), rows, note)
