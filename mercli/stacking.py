"""Train what makes one posterior of voice and face, on posteriors of models that did not know the speaker."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mercli import classifiers
from mercli.bundle import Bundle
from mercli.classifiers import Rows
from mercli.face.pooling import pool
from mercli.face.spec import RECURRENT
from mercli.fusion import FOREST, FUSIONS, JOINT, LOGISTIC, PRODUCT, fusion_vector, joint_vectors
from mercli.judge import layout_of
from mercli.learning import AUTO, Learnt, learn
from mercli.table import Posteriors, Table

BEST = PRODUCT
"""The fusion that did best on speakers left out (docs/faces.md)."""

CHOICES = (*FUSIONS, AUTO)


def fit_fusion(
    kind: str, table: Table, said: Posteriors, front: Bundle, classes: Sequence[str], *, seed: int
) -> Learnt | None:
    """Train a fusion.

    Parameters
    ----------
    kind : str
        One of `CHOICES`; ``"auto"``: of those that take posteriors, the one that does best on speakers left out.
    table : Table
        Labelled evidence.
    said : Posteriors
        What models that did not know a row's speaker said of it.
    front : Bundle
        How voice and face are measured.
    classes : sequence of str
        The columns of `said`.
    seed : int
        Of folds, forest and random starts.

    Returns
    -------
    Learnt or None
        Named by its kind; None where there is too little.
    """
    n_clips = len(table.labels)
    if kind == JOINT:
        layout = layout_of(front)
        return learn(
            _sequences(table, front), JOINT, {JOINT: classifiers.joint(layout)}, n_clips=n_clips, seed=seed
        )
    families = {
        FOREST: classifiers.FAMILIES[FOREST],
        LOGISTIC: classifiers.FAMILIES[LOGISTIC],
        PRODUCT: classifiers.product(classes),
    }
    return learn(_posteriors(table, said), kind, families, n_clips=n_clips, seed=seed)


def _posteriors(table: Table, said: Posteriors) -> Rows:
    """Give what is said of the clips that have both modalities."""
    both = np.flatnonzero(~np.isnan(said.voice).any(axis=1) & ~np.isnan(said.face).any(axis=1))
    vectors = fusion_vector(said.voice[both], said.face[both])
    return table.rows(both, [vector[np.newaxis] for vector in vectors])


def _sequences(table: Table, front: Bundle) -> Rows:
    """Give the sequences of all clips, whatever they lack."""
    layout = layout_of(front)
    spec = replace(front.face.spec, pooling=RECURRENT) if front.face else None
    clips = [
        joint_vectors(
            clip.voice_sequences, pool(clip.face, spec) if clip.face is not None and spec else None, layout
        )
        for clip in table.evidence
    ]
    there = np.flatnonzero([len(clip) > 0 for clip in clips])
    return table.rows(there, [clips[i] for i in there])
