"""One field of a crontab line: `*/15`, `9-17`, `fri-mon`, `L-2`, `15W`, `tue#2`, `H(0-29)`.

A field is read into bits and, for days that depend on the month, into specials (see days.py). What cannot be read is
a TriggerError that names the field, the part, what was expected and what it may have meant.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from runner.errors import TriggerError
from runner.triggers.cron.days import Special

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_WEEKDAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What a field may hold. `names` are full names, of which the first three letters do as well.

    There is one of each, so that it is told by identity: that is quicker than by its names.
    """

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def number_of(self, name: str) -> int | None:
        """The number of a month or weekday by its name, else None."""
        lower = name.lower()
        for number, full in enumerate(self.names, self.low):
            if lower in (full, full[:3]):
                return number
        return None


SECOND = Kind("second", 0, 59)
MINUTE = Kind("minute", 0, 59)
HOUR = Kind("hour", 0, 23)
DAY = Kind("day of month", 1, 31)
MONTH = Kind("month", 1, 12, tuple(_MONTHS))
WEEKDAY = Kind("day of week", 0, 7, tuple(_WEEKDAYS))
KINDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)


@dataclass(frozen=True, slots=True)
class Field:
    """A field, read. In `mask` of the day of week, bit 0 is Monday; `text` has every `H` resolved."""

    mask: int
    special: tuple[Special, ...]
    star: bool
    text: str


_HASH = re.compile(r"H(?:\((\d+)-(\d+)\))?(?:/(\d+))?", re.I)
_NTH = re.compile(r"([^#]*)#(.*)")
_RANGE = re.compile(r"([^-/]+)(?:-([^-/]+))?(?:/([^/]+))?")
_LAST_DAY = re.compile(r"L(?:-(\d+))?", re.I)
_WORKDAY = re.compile(r"(?:(\d+)W|W(\d+))", re.I)
_LAST_BEFORE = re.compile(r"L([0-7]|[a-z]{3,})", re.I)
_LAST_WEEKDAY = re.compile(r"(.+)L", re.I)


def read(kind: Kind, text: str, job_id: str) -> Field:
    """A field from its text. `job_id` decides what `H` is; it matters only there."""
    return _read(kind, text, job_id if "H" in text.upper() and _has_hash(text) else "")


def _has_hash(text: str) -> bool:
    return any(_HASH.fullmatch(part) for part in text.split(","))


@lru_cache(maxsize=8192)
def _read(kind: Kind, text: str, job_id: str) -> Field:
    if text == "*":
        mask = _row(kind.low, kind.high, 1)
        return Field(_from_monday(mask) if kind is WEEKDAY else mask, (), True, text)
    mask = 0
    special: list[Special] = []
    parts: list[str] = []
    for part in text.split(","):
        if not part:
            raise _wrong(
                kind, text, "has a comma with nothing beside it", "separate values by single commas: 1,15"
            )
        if job_id or (part[0] in "Hh" and _HASH.fullmatch(part)):
            part = _resolve(kind, part, job_id)
        parts.append(part)
        day = _special(kind, part)
        if day is not None:
            special.append(day)
        else:
            mask |= _bits(kind, part)
    if kind is WEEKDAY:
        mask = _from_monday(mask)
    return Field(mask, tuple(sorted(set(special))), text[0] in "*?", ",".join(parts))


def _from_monday(mask: int) -> int:
    """Bits with 0 = Sunday (and 7 as well) to bits with 0 = Monday."""
    mask |= mask >> 7 & 1
    return (mask & 0x7F) >> 1 | (mask & 1) << 6


def _special(kind: Kind, part: str) -> Special | None:
    if kind is DAY:
        if part.upper() == "LW" or part.upper() == "WL":
            return ("last workday", 0, 0)
        if match := _LAST_DAY.fullmatch(part):
            before = int(match[1] or 0)
            if before > 30:
                raise _wrong(kind, part, "goes back further than a month", "L-1 is the day before the last")
            return ("last", before, 0)
        if match := _WORKDAY.fullmatch(part):
            return ("workday", _number(kind, match[1] or match[2], part), 0)
    if kind is WEEKDAY:
        if match := _NTH.fullmatch(part):
            if match[2] not in ("1", "2", "3", "4", "5"):
                raise _wrong(
                    kind,
                    part,
                    f'has "{match[2]}" after #',
                    "tue#2 is the second Tuesday; 1 to 5 may stand there",
                )
            return ("nth", (_number(kind, match[1], part) - 1) % 7, int(match[2]))
        if part.upper() == "L":
            raise _wrong(
                kind, part, "says last, but not which weekday", "friL is the last Friday of the month"
            )
        if (match := _LAST_WEEKDAY.fullmatch(part)) and kind.number_of(part) is None:
            return ("last weekday", (_number(kind, match[1], part) - 1) % 7, 0)
    return None


def _bits(kind: Kind, part: str) -> int:
    if part.isascii() and part.isdigit():
        return 1 << _number(kind, part, part)
    match = _RANGE.fullmatch(part)
    if match is None:
        raise _wrong(kind, part, "is not a value, a range or a step", _usage(kind))
    first, last, every = match[1], match[2], match[3]
    step = _step(kind, part, every) if every is not None else 1
    if first in ("*", "?"):
        if last is not None:
            raise _wrong(kind, part, f"begins a range with {first}", _usage(kind))
        high = 6 if kind is WEEKDAY else kind.high
        return _row(kind.low, high, step)
    low = _number(kind, first, part)
    if last is None and every is None:
        return 1 << low
    high = (
        _number(kind, last, part) if last is not None else (6 if kind is WEEKDAY and low < 7 else kind.high)
    )
    if low <= high:
        return _row(low, high, step)
    return _wrapped(kind, low, high, step)


def _row(low: int, high: int, step: int) -> int:
    """The bits of numbers in a row."""
    if step == 1:
        return (2 << high) - (1 << low)
    return sum([1 << number for number in range(low, high + 1, step)])


def _wrapped(kind: Kind, low: int, high: int, step: int) -> int:
    """`fri-mon`, `22-2`: on from the last value to the first one."""
    size = 7 if kind is WEEKDAY else kind.high - kind.low + 1
    numbers = range(low, high + size + 1, step)
    return sum({1 << kind.low + (number - kind.low) % size for number in numbers})


def _number(kind: Kind, text: str, part: str) -> int:
    if text.isascii() and text.isdigit():
        number = int(text)
        if kind.low <= number <= kind.high:
            return number
        raise _wrong(
            kind,
            part,
            f"has {number}, out of range: expected {kind.low} to {kind.high}",
            _meant(kind, number),
        )
    named = kind.number_of(text)
    if named is not None:
        return named
    if kind is WEEKDAY and (last := _LAST_BEFORE.fullmatch(part)):
        raise _wrong(kind, part, "has L before the weekday", f"{last[1]}L is the last of the month")
    for other in KINDS:
        if other.number_of(text) is not None:
            raise _wrong(
                kind, part, f"has {text!r}, a {other.name}", f"that belongs in the {other.name} field"
            )
    near = difflib.get_close_matches(text.lower(), [*kind.names, *(name[:3] for name in kind.names)], 1, 0.5)
    hint = f"did you mean {near[0][:3]}?" if near else _usage(kind)
    raise _wrong(kind, part, f"has {text!r}, which is no number{' or name' if kind.names else ''}", hint)


def _step(kind: Kind, part: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise _wrong(kind, part, f"has the step {text!r}, which is no number from 1 on", "*/15 is every 15th")
    step = int(text)
    if step > kind.high - kind.low + 1:
        unit = {"second": "s", "minute": "m", "hour": "h"}.get(kind.name)
        hint = f"for a longer period write `every {step}{unit}`" if unit else _usage(kind)
        raise _wrong(
            kind, part, f"has the step {step}, longer than the field ({kind.low} to {kind.high})", hint
        )
    return step


def _resolve(kind: Kind, part: str, job_id: str) -> str:
    """`H` as a number that stays the same for the job and differs between jobs."""
    match = _HASH.fullmatch(part)
    if match is None:
        return part
    low, high = kind.low, {"day of month": 28, "day of week": 6}.get(kind.name, kind.high)
    if match[1] is not None:
        low, high = _number(kind, match[1], part), _number(kind, match[2], part)
        if low > high:
            raise _wrong(kind, part, "has a range that runs backwards", f"write H({high}-{low})")
    digest = hashlib.sha256(f"{kind.name} {job_id}".encode()).digest()
    spread = int.from_bytes(digest[:8], "big")
    if match[3] is None:
        return str(low + spread % (high - low + 1))
    step = _step(kind, part, match[3])
    return f"{low + spread % min(step, high - low + 1)}-{high}/{step}"


def _meant(kind: Kind, number: int) -> str:
    if (kind, number) == (HOUR, 24):
        return "midnight is hour 0"
    if kind in (MINUTE, SECOND) and number == 60:
        return f"{kind.name} 0 of the next one"
    if kind in (DAY, MONTH) and number == 0:
        return f"the first {'day' if kind is DAY else 'month'} is 1"
    if kind is WEEKDAY and number >= 1970:
        return "a year does not stand here, use start and end; six fields begin with the seconds"
    if kind is WEEKDAY:
        return "0 and 7 are Sunday"
    if kind is HOUR and number <= 59:
        return "the minute comes before the hour: 30 2 * * * is 02:30"
    return _usage(kind)


def _usage(kind: Kind) -> str:
    if kind.names:
        return (
            f"write {kind.low}-{kind.high} or a name such as {kind.names[1][:3]}, a list 1,3, a range, or *"
        )
    return f"write a number from {kind.low} to {kind.high}, a list 1,3, a range 1-5, a step */5, or *"


def _wrong(kind: Kind, part: str, what: str, hint: str) -> TriggerError:
    return TriggerError(f'{kind.name} field: "{part}" {what}', hint=hint)
