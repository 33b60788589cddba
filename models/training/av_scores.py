r"""How well face, voice and their fusion do on the Javanese clips, each actor judged by models of the others.

    python models/training/av_scores.py --network runs/face/network.onnx \
        --ravdess-speech DIR --ravdess-faces DIR --javanese DIR --javanese-speech DIR

For every actor everything is trained anew without that actor, from the first step on: the voice on both corpora,
the face for each pooling, each fusion on posteriors of models that did not know the speaker. "as chosen" takes for
every actor the pooling and the fusion that did best among the others.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mercli import emotions, evaluation, training
from mercli.bundle import Bundle, FusionPart
from mercli.card import confusion_table, score_table
from mercli.evaluation import Scores
from mercli.face.spec import POOLINGS
from mercli.fusion import FUSIONS, JOINT
from mercli.learning import Learnt
from mercli.stacking import fit_fusion
from mercli.table import Table

CLIPS = "javanese"
CLASSES = emotions.FER2013


@dataclass
class Answers:
    """Hold what each way said of the clips of a table [n, 7], and its UAR inside the training for each actor."""

    said: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    inside: dict[str, list[float]] = field(default_factory=dict)

    def put(self, name: str, rows: NDArray[np.int_], posteriors: NDArray[np.float64], n: int) -> None:
        """Keep what was said of some rows."""
        self.said.setdefault(name, np.full((n, len(CLASSES)), np.nan))[rows] = posteriors


def judge_each_actor(
    table: Table,
    front: Bundle,
    *,
    seed: int,
    say: Callable[[str], None] = print,
    poolings: Sequence[str] = POOLINGS,
) -> Answers:
    """Judge the Javanese clips actor by actor, by every pooling and every fusion.

    Parameters
    ----------
    table : Table
        All that was measured, sequences of the voice included.
    front : Bundle
        How it was measured.
    seed : int
        Of folds, forests and networks.
    say : callable
        Told how far it is.
    poolings : sequence of str
        Those to try; the joint network is tried beside the first of all.

    Returns
    -------
    Answers
        Named ``voice``, ``face, POOLING``, ``POOLING + FUSION``, ``joint``, ``... without face`` and so on.
    """
    answers = Answers()
    n = len(table.labels)
    for actor in sorted({who for who in table.speakers if who.startswith(CLIPS)}):
        of_actor = np.array([who == actor for who in table.speakers])
        seen = np.array([clip.face is not None for clip in table.evidence])
        rest, tested = table.take(np.flatnonzero(~of_actor)), np.flatnonzero(of_actor & seen)
        for name, posteriors, inside in _answers(rest, table.take(tested), front, seed, poolings):
            answers.put(name, tested, posteriors, n)
            if inside is not None:
                answers.inside.setdefault(name, []).append(inside)
        _choose(answers, tested, n)
        say(f"{actor} is judged")
    return answers


def _answers(
    rest: Table, tested: Table, front: Bundle, seed: int, poolings: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.float64], float | None]]:
    """Give what each way says of the clips tested, and its UAR inside the training."""
    recipe = training.Recipe(front.voice_spec)
    heard = training.learn_voice(rest, recipe, seed=seed)
    assert heard is not None
    assert front.face is not None
    for pooling in poolings:
        pooled = replace(front, face=replace(front.face, spec=replace(front.face.spec, pooling=pooling)))
        assert pooled.face is not None
        seen = training.learn_face(rest, pooled.face.spec, seed=seed)
        assert seen is not None
        classes = emotions.ordered(rest.labels)
        made = training.assemble(pooled, recipe, heard, seen, classes)
        alone = training.judge_all(made, tested, CLASSES)
        if pooling == poolings[0]:
            yield "voice", alone.voice, None
        yield f"face, {pooling}", alone.face, _uar(seen, rest)
        said = training.held_out(heard, seen, classes)
        for kind in FUSIONS:
            if kind == JOINT and (pooling != POOLINGS[0] or len(poolings) == 1):
                continue  # it takes no posteriors
            fused = fit_fusion(kind, rest, said, made, classes, seed=seed)
            assert fused is not None
            bundle = replace(made, fusion=FusionPart(kind, fused.model))
            name = kind if kind == JOINT else f"{pooling} + {kind}"
            yield name, training.judge_all(bundle, tested, CLASSES).fused, _uar(fused, rest)
            if kind == JOINT:
                for lost in ("voice", "face"):
                    left = training.judge_all(bundle, _without(tested, lost), CLASSES)
                    yield f"{name} without {lost}", left.fused, None


def _without(table: Table, modality: str) -> Table:
    left = (
        replace(clip, voice=None, voice_sequences=None) if modality == "voice" else replace(clip, face=None)
        for clip in table.evidence
    )
    return replace(table, evidence=tuple(left))


def _uar(learnt: Learnt, table: Table) -> float:
    """Give the UAR of held-out answers on the clips that have a face, of the corpus that is tested."""
    whose = zip(table.speakers, table.evidence, strict=True)
    alike = np.array([who.startswith(CLIPS) and clip.face is not None for who, clip in whose])
    judged = alike & ~np.isnan(learnt.held_out).any(axis=1)
    answers = np.array(learnt.model.classes)[learnt.held_out[judged].argmax(axis=1)]
    truth = np.array(table.labels)[judged]
    return float(np.mean([(answers[truth == label] == label).mean() for label in np.unique(truth)]))


def _choose(answers: Answers, tested: NDArray[np.int_], n: int) -> None:
    """Answer by what did best inside the training that was just done."""
    last = {name: uars[-1] for name, uars in answers.inside.items()}
    faces = [name for name in last if name.startswith("face")]
    for what, names in (("face", faces), ("fusion", [name for name in last if name not in faces])):
        best = max(names, key=lambda name: last[name])
        answers.put(f"{what}, as chosen", tested, answers.said[best][tested], n)


def score_each(answers: Answers, table: Table) -> dict[str, Scores]:
    """Score every way on the clips it judged."""
    return {
        name: evaluation.score(said, table.labels, table.speakers, CLASSES) for name, said in answers.said.items()
    }


def main() -> None:
    """Measure, judge and print."""
    from make_bundle import SEED, add_data_options, measure

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_options(parser)
    parser.add_argument("--pooling", choices=POOLINGS, help="try only this one, and no joint network")
    options = parser.parse_args()
    measured, front = measure(options)
    poolings = (options.pooling,) if options.pooling else POOLINGS
    answers = judge_each_actor(measured.table, front, seed=SEED, poolings=poolings)
    scores = score_each(answers, measured.table)
    print(score_table(scores))
    for name, uars in answers.inside.items():
        print(f"{name}: UAR inside the trainings {np.mean(uars):.3f}")
    for name, score in scores.items():
        print(f"\n{name}\n\n{confusion_table(score)}")


if __name__ == "__main__":
    main()
