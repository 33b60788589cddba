"""Tables, timelines and evaluations made of random numbers: they mean nothing, and have the shape of real ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli import evaluation, tables
from mercli.emotions import FER2013
from mercli.evidence import Evidence
from mercli.result import PROBABILITY_DIGITS, Result, Timeline
from mercli.tables import Row

BUNDLE = "made@0123456789ab"


def posteriors(rng: np.random.Generator, *shape: int) -> NDArray[np.float64]:
    return rng.dirichlet(np.full(len(FER2013), 0.5), size=shape)


def rows(n: int, *, seed: int = 0, name: str = "clip-{:05}.mp4") -> list[Row]:
    """Rows as `mercli predict` writes them: one in eight has no face, one in fifty no answer."""
    rng = np.random.default_rng(seed)
    return [
        {**tables.row(name.format(i), _result(rng, i), FER2013, BUNDLE), "face": 0 if i % 8 else None}
        for i in range(n)
    ]


def _result(rng: np.random.Generator, i: int) -> Result:
    if i % 50 == 49:
        return Result("failed", Evidence(), error="not a media file that can be read (Invalid data)")
    voice, face, fused = posteriors(rng, 3)
    n_frames = int(rng.integers(10, 90))
    seen = Evidence(duration_s=n_frames / 10, n_frames=n_frames, n_face_frames=int(rng.integers(0, n_frames + 1)))
    if i % 8 == 0:
        return Result("partial", seen, voice, voice, None, error="no face in any frame")
    return Result("ok", seen, fused, voice, face)


def seconds(made: Sequence[Row], *, seed: int = 0, n: int | None = None) -> list[Row]:
    """A timeline of rows that have a duration: so many seconds each, or as many as they last."""
    rng = np.random.default_rng(seed)
    schema = tables.timeline_columns(FER2013)
    found: list[Row] = []
    for row in made:
        duration_s = n or row["duration_s"]
        if not isinstance(duration_s, int | float):
            continue
        starts = np.arange(np.ceil(duration_s))
        fused, voice, face = (posteriors(rng, len(starts)) for _ in range(3))
        face[::3] = np.nan
        timeline = Timeline(starts, np.minimum(starts + 1, duration_s), fused, voice, face)
        found += [dict(zip(schema, [row["file"], *cells], strict=True)) for cells in tables.seconds(timeline)]
    return found


def evaluation_json(*, seed: int = 0, speakers: int = 5, **changed: Any) -> dict[str, Any]:
    """What `mercli evaluate` writes, of answers that are right somewhat more often than by chance."""
    rng = np.random.default_rng(seed)
    n = 40 * speakers
    truth = rng.integers(0, len(FER2013), n)
    who = [f"{i % speakers + 1:02}" for i in range(n)]
    said = {name: _lean(posteriors(rng, n), truth, lean) for name, lean in LEANS.items()}
    loud = np.arange(n) % 2 == 0
    return {
        "format": "mercli-evaluation",
        "format_version": 1,
        "mercli": "0.1.0",
        "command": "mercli evaluate ./corpus --bundle made",
        "corpus": {"name": "a made corpus", "clips": n, "speakers": speakers, "left_out": 3},
        "protocol": {
            "name": "leave one speaker out",
            "text": "Each speaker by models of the others.",
            "seed": 0,
        },
        "bundle": BUNDLE,
        "seen_speakers": [],
        "warnings": [],
        "classes": list(FER2013),
        "scores": {name: score(p, truth, who) for name, p in said.items()},
        "groups": {
            "intensity": {
                name: {of: score(p[chosen], truth[chosen], np.array(who)[chosen]) for of, p in said.items()}
                for name, chosen in (("normal", ~loud), ("strong", loud))
            },
            "sex": {},
            "speaker": {
                name: {
                    of: score(p[np.array(who) == name], truth[np.array(who) == name], [name] * 40)
                    for of, p in said.items()
                }
                for name in sorted(set(who))
            },
        },
        "baselines": {
            "majority class": {of: score(_constant(n), truth, who) for of in said},
            "permuted labels": {of: score(p, rng.permutation(truth), who) for of, p in said.items()},
        },
        "published": {"voice": {"accuracy": 0.368, "macro_f1": 0.374}},
        "features": {"whatever": 1},
        **changed,
    }


LEANS = {"voice": 0.25, "face": 0.15, "fusion": 0.35}
"""How much the made answers lean to the truth."""


def score(said: NDArray[np.float64], truth: NDArray[np.int_], who: Sequence[str]) -> dict[str, Any]:
    labels = [FER2013[i] for i in truth]
    found = evaluation.score(said, labels, list(who), FER2013).to_json()
    return {**found, "per_class": _per_class(found["confusion"]), "calibration": _bins(said, truth)}


def _lean(said: NDArray[np.float64], truth: NDArray[np.int_], share: float) -> NDArray[np.float64]:
    return (1 - share) * said + share * np.eye(len(FER2013))[truth]


def _constant(n: int) -> NDArray[np.float64]:
    return np.tile(np.eye(len(FER2013))[0] * 0.4 + 0.6 / len(FER2013), (n, 1))


def _per_class(confusion: Sequence[Sequence[int]]) -> Mapping[str, Mapping[str, float | int | None]]:
    matrix = np.array(confusion)
    right, true, answered = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    return {
        name: {
            "precision": round(right[i] / answered[i], 4) if answered[i] else None,
            "recall": round(right[i] / true[i], 4) if true[i] else None,
            "f1": round(2 * right[i] / (true[i] + answered[i]), 4) if true[i] + answered[i] else None,
            "support": int(true[i]),
        }
        for i, name in enumerate(FER2013)
    }


def _bins(said: NDArray[np.float64], truth: NDArray[np.int_]) -> list[dict[str, float | int | None]]:
    sure, right = said.max(axis=1), said.argmax(axis=1) == truth
    found: list[dict[str, float | int | None]] = []
    for i in range(10):
        chosen = (sure * 10).astype(int).clip(0, 9) == i
        n = int(chosen.sum())
        found.append(
            {
                "low": i / 10,
                "high": (i + 1) / 10,
                "n": n,
                "confidence": round(float(sure[chosen].mean()), PROBABILITY_DIGITS) if n else None,
                "accuracy": round(float(right[chosen].mean()), PROBABILITY_DIGITS) if n else None,
            }
        )
    return found
