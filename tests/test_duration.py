from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.duration import format_duration, parse_duration
from runner.errors import DurationError
from runner.moment import DAY, HOUR, MILLISECOND, MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", 90 * SECOND),
        ("15m", 15 * MINUTE),
        ("1h30m", HOUR + 30 * MINUTE),
        ("1h 30m", HOUR + 30 * MINUTE),
        ("2d", 2 * DAY),
        ("1w", 7 * DAY),
        ("250ms", 250 * MILLISECOND),
        ("0.5s", 500 * MILLISECOND),
        ("PT15M", 15 * MINUTE),
        ("P1DT2H", DAY + 2 * HOUR),
        ("P2W", 14 * DAY),
    ],
)
def test_reads(text: str, span: int) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "15",
            "'15' is not a length of time (say the unit: 15s (seconds), 15m (minutes), 15h (hours) or 15d (days))",
        ),
        ("soon", "'soon' is not a length of time (write a number and a unit: 90s, 15m, 1h30m, 2d, 1w)"),
        ("", "'' is not a length of time (write a number and a unit: 90s, 15m, 1h30m, 2d, 1w)"),
        ("P", "'P' is not a length of time (write a number and a unit: 90s, 15m, 1h30m, 2d, 1w)"),
        ("1m1m", "'1m1m' names a unit twice (write it once, as in 1h30m)"),
        ("900000d", "'900000d' is longer than a hundred years (is the unit right?)"),
        ("-5m", "'-5m' is not a length of time (write a number and a unit: 90s, 15m, 1h30m, 2d, 1w)"),
    ],
)
def test_refuses(text: str, error: str) -> None:
    with pytest.raises(DurationError) as caught:
        parse_duration(text)
    assert str(caught.value) == error


@given(st.integers(min_value=0, max_value=90 * 366 * DAY // MILLISECOND))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    span = milliseconds * MILLISECOND
    assert parse_duration(format_duration(span)) == span
