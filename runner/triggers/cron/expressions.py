"""One of APScheduler's eight cron fields: `*/15`, `9-17`, `mon-fri`, `2nd fri`, `last sun`, `last`.

Other than in crontab text Monday is 0, every field must match, and ranges do not wrap.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache

from runner.errors import TriggerError
from runner.triggers.cron.days import Special
from runner.triggers.cron.fields import Kind

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

KINDS = {
    kind.name: kind
    for kind in (
        Kind("year", 1970, 9999),
        Kind("month", 1, 12, _MONTHS),
        Kind("day", 1, 31),
        Kind("week", 1, 53),
        Kind("day_of_week", 0, 6, _WEEKDAYS),
        Kind("hour", 0, 23),
        Kind("minute", 0, 59),
        Kind("second", 0, 59),
    )
}

_NTH = ("1st", "2nd", "3rd", "4th", "5th")
_STAR = re.compile(r"\*(?:/(\d+))?")
_RANGE = re.compile(r"(\w+)(?:-(\w+))?(?:/(\d+))?", re.ASCII)
_POSITION = re.compile(r"(\w+)\s+(\w+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Expression:
    """A field, read: bits, days that depend on the month, and the text as it is shown."""

    mask: int
    special: tuple[Special, ...]
    text: str

    @property
    def star(self) -> bool:
        """Whether the field follows the wall clock rather than naming fixed times."""
        return self.text.startswith("*")


@lru_cache(maxsize=8192)
def read(kind: Kind, text: str) -> Expression:
    """A field from its text; TriggerError names the field, the part and what was expected."""
    mask = 0
    special: list[Special] = []
    shown: list[str] = []
    for part in (part.strip().lower() for part in text.split(",")):
        if kind.name == "day" and (day := _day(kind, part)) is not None:
            special.append(day)
            shown.append(" ".join(part.split()))
        else:
            bits, said = _bits(kind, part)
            mask |= bits
            shown.append(said)
    return Expression(mask, tuple(sorted(set(special))), ",".join(shown))


def _day(kind: Kind, part: str) -> Special | None:
    if part == "last":
        return ("last", 0, 0)
    match = _POSITION.fullmatch(part)
    if match is None:
        return None
    which, name = match[1], match[2]
    weekday = KINDS["day_of_week"].number_of(name)
    if which != "last" and which not in _NTH:
        raise _wrong(kind, part, f'has "{which}"', "write 1st, 2nd, 3rd, 4th, 5th or last")
    if weekday is None:
        raise _wrong(kind, part, f'has "{name}", which is no weekday', _near(name, _WEEKDAYS))
    return ("last weekday", weekday, 0) if which == "last" else ("nth", weekday, _NTH.index(which) + 1)


def _bits(kind: Kind, part: str) -> tuple[int, str]:
    if star := _STAR.fullmatch(part):
        step = _step(kind, part, star[1], kind.high - kind.low)
        said = "*" if star[1] is None else f"*/{step}"
        return _mask(kind.low, kind.high, step), said
    match = _RANGE.fullmatch(part)
    if match is None:
        raise _wrong(kind, part, "is no expression", _usage(kind))
    low, said = _value(kind, match[1], part)
    if match[2] is not None:
        high, last = _value(kind, match[2], part)
        if high < low:
            raise _wrong(kind, part, "is a range that runs backwards", "write it as two ranges, with a comma")
        said = f"{said}-{last}" if high != low else said
    else:
        high = low if match[3] is None else kind.high
    step = _step(kind, part, match[3], high - low)
    return _mask(low, high, step), said if match[3] is None else f"{said}/{step}"


def _mask(low: int, high: int, step: int) -> int:
    if step == 1:
        return (1 << (high + 1)) - (1 << low)
    return sum(1 << number for number in range(low, high + 1, step))


def _value(kind: Kind, text: str, part: str) -> tuple[int, str]:
    if text.isdigit():
        number = int(text)
        if not kind.low <= number <= kind.high:
            fact = f"has {number}, out of range: expected {kind.low} to {kind.high}"
            raise _wrong(kind, part, fact, _usage(kind))
        return number, str(number)
    named = kind.number_of(text)
    if named is None:
        what = f'has "{text}", which is no number{" or name" if kind.names else ""}'
        raise _wrong(kind, part, what, _near(text, kind.names) if kind.names else _usage(kind))
    return named, text[:3]


def _step(kind: Kind, part: str, text: str | None, span: int) -> int:
    if text is None:
        return 1
    step = int(text)
    if step == 0:
        raise _wrong(kind, part, "has the step 0", "a step is 1 or more")
    if step > span:
        raise _wrong(kind, part, f"has the step {step}, longer than its range of {span}", _usage(kind))
    return step


def _near(text: str, names: tuple[str, ...]) -> str:
    short = [name[:3] for name in names]
    near = difflib.get_close_matches(text, [*names, *short], 1, 0.5)
    return f"did you mean {near[0][:3]}?" if near else f"write {', '.join(short)}"


def _usage(kind: Kind) -> str:
    name = f", {kind.names[0][:3]}" if kind.names else ""
    days = ", 2nd fri, last sun, last" if kind.name == "day" else ""
    return f"write {kind.low} to {kind.high}{name}, a range a-b, a step */n, a list{days}, or *"


def _wrong(kind: Kind, part: str, what: str, hint: str) -> TriggerError:
    return TriggerError(f'{kind.name} field: "{part}" {what}', hint=hint)
