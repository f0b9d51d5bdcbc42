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


def say_duration(span: Span) -> str:
    """A length of time for people, two units deep: `1m 3s`, `2h 5m`, `3d 4h`, `1.3s`, `250ms`.

    >>> say_duration(63 * SECOND)
    '1m 3s'
    """
    if span < 0:
        return "-" + say_duration(-span)
    if span < SECOND:
        return f"{round(span / MILLISECOND)}ms" if span < SECOND - MILLISECOND // 2 else "1s"
    if span < 10 * SECOND:
        return f"{span / SECOND:.1f}".removesuffix(".0") + "s"
    whole = round(span / SECOND) * SECOND
    units = [(unit, UNITS[unit]) for unit in ("d", "h", "m", "s")]
    first = next(index for index, (_, size) in enumerate(units) if whole >= size)
    if first < 2:  # from an hour on the seconds say nothing
        size = units[first + 1][1]
        whole = (whole + size // 2) // size * size
        if first == 1 and whole >= DAY:
            first = 0
    parts = []
    for unit, size in units[first : first + 2]:
        amount, whole = divmod(whole, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return " ".join(parts)
