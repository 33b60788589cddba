"""What one file may cost, as people type it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercli.errors import UsageError
from mercli.limits import memory_share, parse_size, show_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("1234", 1234),
        ("500M", 500 << 20),
        ("500 mb", 500 << 20),
        ("2GiB", 2 << 30),
        ("1.5g", 3 << 29),
        (" 4K ", 4096),
        ("1T", 1 << 40),
    ],
)
def test_an_amount_of_memory_is_a_number_and_a_unit(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "M", "-1", "1e9", "1 2", "1.G", "nan", "inf", "4X", "1,5G", "٣G", "9" * 40])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not an amount of memory"):
        parse_size(text)


@given(st.text())
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse_size(text) >= 0


@given(st.integers(0, 10**15))
def test_what_is_shown_is_read_back_nearly(n_bytes: int) -> None:
    assert parse_size(show_size(n_bytes).replace(" bytes", "")) == pytest.approx(n_bytes, rel=0.01)


def test_workers_share_most_of_the_memory() -> None:
    assert memory_share(1) > memory_share(2) >= memory_share(10_000) == 1 << 30
