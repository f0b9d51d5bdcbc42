from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.duration import say_duration
from runner.moment import DAY, HOUR, MILLISECOND, MINUTE, SECOND


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "0ms"),
        (250 * MILLISECOND, "250ms"),
        (999_600, "1s"),
        (SECOND, "1s"),
        (1_340 * MILLISECOND, "1.3s"),
        (42 * SECOND, "42s"),
        (59_600 * MILLISECOND, "1m"),
        (63 * SECOND, "1m 3s"),
        (2 * HOUR + 5 * MINUTE + 10 * SECOND, "2h 5m"),
        (2 * HOUR, "2h"),
        (DAY - SECOND, "1d"),
        (3 * DAY + 4 * HOUR, "3d 4h"),
        (-90 * SECOND, "-1m 30s"),
    ],
)
def test_lengths_for_people(span: int, text: str) -> None:
    assert say_duration(span) == text


@given(st.integers(0, 4_000 * DAY))
def test_every_length_has_words_without_zeros(span: int) -> None:
    words = say_duration(span).split()
    assert 1 <= len(words) <= 2
    assert len(words) == 1 or all(not word.startswith("0") for word in words)
