"""Train one classifier of a bundle, check its ONNX form, and keep what it said of speakers it did not know."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli import classifiers
from mercli.bundle import Model
from mercli.classifiers import Estimator, Family, Rows
from mercli.errors import MercliError
from mercli.inference import Classifier

AUTO = "auto"
"""In place of a classifier's name: the one that does best on speakers left out in turn."""

_AGREEMENT = 1e-5  # between a classifier and its ONNX form, in probability


@dataclass(frozen=True, slots=True)
class Learnt:
    """Hold a trained classifier.

    Parameters
    ----------
    model : Model
        For a bundle.
    held_out : np.ndarray [shape=(n_clips, n_classes)]
        What models without a clip's speaker said of it, over the model's classes; NaN where there were none.
    record : dict
        Its name, and how it was found: JSON values.
    """

    model: Model
    held_out: NDArray[np.float64]
    record: dict[str, Any]


def learn(rows: Rows, name: str, families: Mapping[str, Family], *, n_clips: int, seed: int) -> Learnt | None:
    """Train a classifier.

    Parameters
    ----------
    rows : Rows
        What there is to learn from.
    name : str
        One of `families`, ``"average"`` for the mean of several, or `AUTO`.
    families : mapping
        What there is to choose from.
    n_clips : int
        Clips in all; `rows` may be of some only.
    seed : int
        Of folds and random draws.

    Returns
    -------
    Learnt or None
        None where there are not two classes with two clips each.

    Raises
    ------
    MercliError
        If its ONNX form answers otherwise, by more than 1e-5 in probability.
    """
    if not len(rows.X):
        return None
    record: dict[str, Any] = {}
    if name == AUTO:
        name, compared = classifiers.choose(rows, families, seed=seed)
        record["compared_uar"] = {each: round(uar, 4) for each, uar in compared.items()}
    found = classifiers.train_and_hold_out(families.get(name, name), rows, seed=seed)
    if found is None:
        return None
    estimator, said = found
    held_out = np.full((n_clips, said.shape[1]), np.nan)
    held_out[np.unique(rows.clips)] = said
    record = {"name": name, **estimator.settings, **record}
    return Learnt(_to_model(estimator, rows.X, name), held_out, record)


def _to_model(estimator: Estimator, vectors: NDArray[np.float32], name: str) -> Model:
    model = Model(classifiers.to_onnx(estimator), tuple(str(label) for label in estimator.classes_))
    said = Classifier(model.onnx, model.classes, model.classes, vectors.shape[1], "a trained model").posteriors(
        vectors
    )
    apart = np.abs(said - estimator.predict_proba(vectors)).max(axis=1) > _AGREEMENT
    if apart.any():
        raise MercliError(f"the {name} model in ONNX differs from the trained one on {apart.sum()} rows: a bug")
    return model
