"""Sound that is written piece by piece and read back in blocks."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from mercli.voice.spool import Spool
from mercli_kernels import measure_level

SOUND: NDArray[np.float32] = np.random.default_rng(0).uniform(-0.5, 0.6, 3001).astype(np.float32)

SIZES = pytest.mark.parametrize("spool_bytes", [1, 1 << 20], ids=["on disk", "in memory"])


def filled(spool_bytes: int) -> Spool:
    sound = Spool(block_samples=800, spool_bytes=spool_bytes)
    for start in range(0, 3001, 700):
        sound.write(SOUND[start : start + 700])
    return sound


@SIZES
@pytest.mark.parametrize(("n", "lengths"), [(None, [100] * 30 + [1]), (3001, [3001]), (9999, [3001])])
def test_what_was_written_is_read_back_as_often_as_is_asked(
    spool_bytes: int, n: int | None, lengths: list[int]
) -> None:
    with filled(spool_bytes) as sound:
        assert sound.n_samples == 3001
        for _ in range(2):
            blocks = list(sound.blocks(n))
            assert [len(block) for block in blocks] == lengths
            assert np.array_equal(np.concatenate(blocks), SOUND)


@SIZES
def test_several_may_read_at_the_same_time_and_more_may_be_written_meanwhile(spool_bytes: int) -> None:
    with filled(spool_bytes) as sound:
        one, other = sound.blocks(1000), sound.blocks(300)
        first = [next(one), *itertools.islice(other, 3)]
        sound.write(SOUND[:50])
        assert np.array_equal(np.concatenate([first[0], *one]), SOUND)
        assert np.array_equal(np.concatenate([*first[1:], *other]), SOUND)
        assert np.array_equal(np.concatenate(list(sound.blocks())), np.concatenate((SOUND, SOUND[:50])))


@SIZES
def test_the_level_is_that_of_all_that_was_written(spool_bytes: int) -> None:
    with filled(spool_bytes) as sound:
        assert sound.level == measure_level(np.split(SOUND, [800, 1600, 2400]))
        sound.write(3 * SOUND)
        assert sound.level == pytest.approx(measure_level([SOUND, 3 * SOUND]))


def test_nothing_is_read_where_nothing_was_written() -> None:
    with Spool() as sound:
        assert (sound.n_samples, list(sound.blocks())) == (0, [])


@SIZES
def test_a_part_is_a_sound_of_its_own_at_the_level_of_the_whole(spool_bytes: int) -> None:
    with filled(spool_bytes) as sound, sound.part(500, 900) as part, sound.part(2900, 9999) as last:
        assert np.array_equal(np.concatenate(list(part.blocks())), SOUND[500:900])
        assert np.array_equal(np.concatenate(list(last.blocks())), SOUND[2900:])
        assert part.level == last.level == sound.level != measure_level([SOUND[500:900]])
