"""The part of a page on an evaluation: scores beside baselines, class by class, group by group."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mercli.charts import drawing
from mercli.charts.calibration import calibration
from mercli.charts.confusion import confusion
from mercli.charts.dimensions import PAIRS, dimensions
from mercli.charts.rates import Rate, rates
from mercli.emotions import ordered
from mercli.report.evaluations import METRICS, Evaluation, Features, Score, Scores
from mercli.report.overview import Figure

MODEL = "the models"

_GROUP_METRIC = "accuracy"  # UAR and macro-F1 of few clips, or of some classes only, say little
_MOST_FEATURES = 30
_MOST_ROWS = 40  # lines of a chart; the table has them all


def evaluation_section(evaluation: Evaluation) -> dict[str, Any]:
    """Lay out an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.

    Returns
    -------
    dict
        What the template shows.
    """
    return {
        "about": evaluation,
        "title": evaluation.corpus.get("name") or "a corpus",
        "metrics": METRICS,
        "table": list(_score_rows(evaluation)),
        "figures": _rate_figures(evaluation),
        "models": [_model(name, score, evaluation) for name, score in evaluation.scores.items()],
        "groups": [_group(name, groups, evaluation) for name, groups in evaluation.groups.items() if groups],
        "features": _features(evaluation.features) if evaluation.features else None,
    }


def rate(value: float | None) -> str:
    """Write a rate with three digits, an em dash for none.

    Examples
    --------
    >>> rate(0.5), rate(None)
    ('.500', '—')
    """
    if value is None:
        return "—"
    return f"{value:.3f}".removeprefix("0")


def _with_interval(score: Score, metric: str) -> dict[str, Any]:
    value = score.rates.get(metric)
    ends = _interval(score, metric)
    if ends and ends[0] == ends[1]:  # always the same answer: there is nothing to spread
        ends = None
    interval = f"{rate(ends[0])} to {rate(ends[1])}" if ends else None
    return {"value": value, "text": rate(value), "interval": interval}


def _interval(score: Score, metric: str) -> tuple[float, float] | None:
    """Give an interval; of one speaker there is nothing to draw: it would look like certainty."""
    return None if score.n_speakers == 1 else score.intervals.get(metric)


def _cells(score: Score) -> dict[str, Any]:
    return {
        "n": score.n,
        "n_speakers": score.n_speakers,
        "rates": [_with_interval(score, metric) for metric in METRICS],
        "ece": rate(score.ece),
    }


def _score_rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Give a line for each model, and below it those of what it is compared with."""
    for name, score in evaluation.scores.items():
        yield {"name": name, "baseline": None, **_cells(score)}
        for baseline, scores in evaluation.baselines.items():
            if name in scores:
                yield {"name": name, "baseline": baseline, **_cells(scores[name])}


def _rate_figures(evaluation: Evaluation) -> list[Figure]:
    figures = []
    for metric, title in METRICS.items():
        shown = list(_rates(evaluation.scores, metric, MODEL))
        for baseline, scores in evaluation.baselines.items():
            shown += _rates({name: scores[name] for name in evaluation.scores if name in scores}, metric, baseline)
        if shown:
            figures.append(_draw(title, shown, f"{title} of each model and of what it is compared with"))
    return figures


def _rates(scores: Scores, metric: str, of: str) -> Iterator[Rate]:
    for name, score in scores.items():
        if metric in score.rates:
            low, high = _interval(score, metric) or (None, None)
            yield Rate(name, of, score.rates[metric], low, high)


def _draw(title: str, shown: Sequence[Rate], what: str) -> Figure:
    colours = drawing.palette()
    chart = rates(shown, title, accent=colours.accent, quiet=colours.quiet)
    return Figure(title, drawing.svg(chart, f"{what}: {', '.join(map(_say, shown))}"))


def _say(shown: Rate) -> str:
    interval = "" if shown.low is None else f" ({rate(shown.low)} to {rate(shown.high)})"
    return f"{shown.row}, {shown.of} {rate(shown.value)}{interval}"


def _occurring(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> tuple[list[str], list[list[int]]]:
    """Leave out the classes of a confusion matrix that neither occur nor were answered."""
    if len(matrix) != len(classes):
        return list(classes), []
    shown = [i for i in range(len(classes)) if any(matrix[i]) or any(row[i] for row in matrix)]
    return [classes[i] for i in shown], [[matrix[i][j] for j in shown] for i in shown]


def _model(name: str, score: Score, evaluation: Evaluation) -> dict[str, Any]:
    classes, matrix = _occurring(score.classes or evaluation.classes, score.confusion)
    return {
        "name": name,
        "per_class": [
            {
                "name": label,
                "support": found.support,
                "rates": [(value, rate(value)) for value in (found.precision, found.recall, found.f1)],
            }
            for label, found in score.per_class.items()
        ],
        "classes": classes,
        "confusion": matrix,
        "confusion_figure": _confusion(name, classes, matrix),
        "calibration": score.calibration,
        "calibration_figure": _calibration(name, score),
        "ece": rate(score.ece),
    }


def _confusion(name: str, classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> Figure | None:
    if not matrix or len(matrix) != len(classes):
        return None
    colours = drawing.palette()
    right = ", ".join(
        f"{label} {row[i]} of {sum(row)}" for i, (label, row) in enumerate(zip(classes, matrix, strict=True))
    )
    chart = confusion(classes, matrix, ink=colours.ink, accent=colours.accent)
    return Figure("Confusion", drawing.svg(chart, f"Confusion matrix of {name}; right were: {right}"))


def _calibration(name: str, score: Score) -> Figure | None:
    if not score.calibration:
        return None
    colours = drawing.palette()
    bins = [(found.confidence, found.accuracy, found.n) for found in score.calibration]
    said = ", ".join(f"{n} answers of confidence {sure:.2f} were right {right:.2f}" for sure, right, n in bins)
    chart = calibration(bins, quiet=colours.quiet, accent=colours.accent)
    return Figure("Calibration", drawing.svg(chart, f"Calibration of {name}: {said}"))


def _group(name: str, groups: Mapping[str, Scores], evaluation: Evaluation) -> dict[str, Any]:
    models = [model for model in evaluation.scores if any(model in scores for scores in groups.values())]
    # The accent is of the model that comes first: of fusion, where there is one.
    models.sort(key=lambda model: model != "fusion")
    shown = [
        Rate(group, rate.of, rate.value, rate.low, rate.high)
        for group, scores in list(groups.items())[:_MOST_ROWS]
        for model in models
        for rate in _rates({model: scores[model]} if model in scores else {}, _GROUP_METRIC, model)
    ]
    return {
        "name": name,
        "figure": _draw(METRICS[_GROUP_METRIC], shown, f"Accuracy by {name}") if shown else None,
        "rows": [
            {"name": group, "model": model, **_cells(score)}
            for group, scores in groups.items()
            for model, score in scores.items()
        ],
    }


def _planes(features: Features) -> Iterator[Figure]:
    """Draw the clips in each pair of dimensions: a figure each, so that they go below each other on a phone."""
    classes = ordered(features.labels)
    for i, j in PAIRS if features.points else ():
        chart = dimensions(features.points, features.labels, features.explained, classes, pairs=[(i, j)])
        title = f"Dimensions {i + 1} and {j + 1}"
        shares = f"{features.explained[i]:.0%} and {features.explained[j]:.0%}"
        said = f"{title} of the features, with {shares} of the variance: {len(features.points)} clips"
        yield Figure(title, drawing.svg(chart, said))


def _features(features: Features) -> dict[str, Any]:
    return {
        "set": features.set,
        "n": len(features.ranking),
        "figures": list(_planes(features)),
        "rows": [
            (
                each.name,
                "—" if each.f is None else f"{each.f:.1f}",
                "—" if each.mutual_information is None else f"{each.mutual_information:.3f}",
                "—" if each.importance is None else f"{each.importance:.4f}",
            )
            for each in features.ranking[:_MOST_FEATURES]
        ],
    }
