"""Lengths of time as people write them: `90s`, `15m`, `1h30m`, `2d`, `1w`, ISO 8601 (`PT15M`).

A unit is required: a bare number has too many readings, and the error shows them.
"""

from __future__ import annotations

import re

from runner.errors import DurationError
from runner.moment import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Span

UNITS: dict[str, Span] = {"w": 7 * DAY, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": MILLISECOND}

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[wdhms])", re.ASCII)
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:ms|[wdhms])\s*)+", re.ASCII)
_ISO = re.compile(
    r"P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)
_LONGEST: Span = 100 * 366 * DAY


def parse_duration(text: str) -> Span:
    """The span a text means, in microseconds; DurationError with a hint where it means none.

    >>> parse_duration("1h30m") // SECOND
    5400
    >>> parse_duration("PT15M") // SECOND
    900
    """
    text = text.strip()
    parts: list[tuple[str, str]] = []
    if _WHOLE.fullmatch(text):
        parts = _PART.findall(text)
    elif (iso := _ISO.fullmatch(text.upper())) and text[-1:].upper() not in ("P", "T"):
        parts = [(amount, unit) for unit, amount in iso.groupdict().items() if amount]
    if not parts:
        raise DurationError(f"{text!r} is not a length of time", hint=_hint(text))
    if len({unit for _, unit in parts}) < len(parts):
        raise DurationError(f"{text!r} names a unit twice", hint="write it once, as in 1h30m")
    span = sum(round(float(amount) * UNITS[unit]) for amount, unit in parts)
    if span > _LONGEST:
        raise DurationError(f"{text!r} is longer than a hundred years", hint="is the unit right?")
    return span


def _hint(text: str) -> str:
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return f"say the unit: {text}s (seconds), {text}m (minutes), {text}h (hours) or {text}d (days)"
    return "write a number and a unit: 90s, 15m, 1h30m, 2d, 1w"


def format_duration(span: Span) -> str:
    """The shortest text that `parse_duration` reads back: `1h30m`, `90s` as `1m30s`, `250ms`.

    Microseconds below a millisecond are rounded away; a negative span has a minus sign.
    """
    if span < 0:
        return "-" + format_duration(-span)
    rest = round(span / MILLISECOND) * MILLISECOND
    text = ""
    for unit in ("d", "h", "m", "s", "ms"):
        amount, rest = divmod(rest, UNITS[unit])
        if amount:
            text += f"{amount}{unit}"
    return text or "0s"
