"""Which days a schedule names, as bits: matched once per month, then only looked up.

Days are numbered from 1970-01-01 = 0. Bit n of a month's mask is day n. Weekdays are Python's: 0 is Monday.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache

EPOCH = date(1970, 1, 1).toordinal()
_LAST_DAY = date(9999, 12, 31).toordinal() - EPOCH
_FIRST_DAY = date(1, 1, 1).toordinal() - EPOCH

EVERY_DAY = (1 << 32) - 2
EVERY_MONTH = (1 << 13) - 2
EVERY_WEEKDAY = (1 << 7) - 1

_LONGEST = 41
"""A date that comes at all comes within so many years: 29 February on a Sunday in 40 where a century lacks its day."""

Special = tuple[str, int, int]
"""A day that depends on the month: (`last`, n before it, 0), (`workday`, nearest to day n, 0), (`last workday`, 0, 0),
(`nth`, weekday, n), (`last weekday`, weekday, 0)."""


@dataclass(frozen=True, slots=True)
class DayRule:
    """Which days: those of `months` (and `years`, ISO `weeks`) that match the days of the month and the weekdays.

    Both must match, or `either` where crontab says so.
    """

    months: int = EVERY_MONTH
    days: int = EVERY_DAY
    special_days: tuple[Special, ...] = ()
    weekdays: int = EVERY_WEEKDAY
    special_weekdays: tuple[Special, ...] = ()
    either: bool = False
    weeks: int = 0
    """Bits of ISO week numbers; 0 for any."""
    years: tuple[int, ...] | None = None
    """Sorted; None for any."""

    def every_day(self) -> bool:
        """True where no day is left out."""
        return (
            self.months == EVERY_MONTH
            and self.days == EVERY_DAY
            and self.weekdays == EVERY_WEEKDAY
            and not self.weeks
            and self.years is None
        )

    def month(self, year: int, month: int) -> int:
        """The mask of one month that `months` and `years` admit."""
        first = date(year, month, 1)
        length = _length(year, month)
        mask = self.mask(first.weekday(), length)
        return self._only_weeks(mask, first, length) if self.weeks else mask

    def mask(self, weekday: int, length: int) -> int:
        """The mask of a month that begins on a weekday and has so many days, whatever the ISO weeks."""
        by_day = self.days
        for special in self.special_days:
            by_day |= _special(special, weekday, length)
        by_weekday = _spread(self.weekdays, weekday)
        for special in self.special_weekdays:
            by_weekday |= _special(special, weekday, length)
        mask = (by_day | by_weekday) if self.either else (by_day & by_weekday)
        return mask & (1 << (length + 1)) - 2

    def _only_weeks(self, mask: int, first: date, length: int) -> int:
        for day in range(1, length + 1):
            if mask >> day & 1 and not self.weeks >> first.replace(day=day).isocalendar().week & 1:
                mask &= ~(1 << day)
        return mask

    def possible(self) -> bool:
        """Whether there is such a day in any year; `years` are not asked."""
        months = [month for month in range(1, 13) if self.months >> month & 1]
        return any(self.month(year, month) for year in _every_kind_of_year() for month in months)


@cache
def _every_kind_of_year() -> tuple[int, ...]:
    """Years of which each has other weekdays, days or ISO weeks than the others: there are no more kinds."""
    kinds = {
        (date(year, 1, 1).weekday(), _length(year, 2), _length(year - 1, 2)): year
        for year in range(2000, 2400)
    }
    return tuple(kinds.values())


def _length(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@lru_cache(maxsize=1024)
def _spread(weekdays: int, first: int) -> int:
    """The mask of a month that begins on weekday `first`, of days on these weekdays."""
    return sum(1 << day for day in range(1, 32) if weekdays >> (first + day - 1) % 7 & 1)


def _special(special: Special, first: int, length: int) -> int:
    kind, number, nth = special
    if kind == "last":
        day = length - number
    elif kind == "workday":
        day = _nearest_workday(min(number, length), first, length) if number <= length else 0
    elif kind == "last workday":
        weekday = (first + length - 1) % 7
        day = length - max(0, weekday - 4)
    elif kind == "nth":
        day = 1 + (number - first) % 7 + 7 * (nth - 1)
    else:
        day = length - (first + length - 1 - number) % 7
    return 1 << day if 1 <= day <= length else 0


def _nearest_workday(day: int, first: int, length: int) -> int:
    """Saturday goes back to Friday and Sunday on to Monday, but never into another month."""
    weekday = (first + day - 1) % 7
    if weekday == 5:
        return day - 1 if day > 1 else day + 2
    if weekday == 6:
        return day + 1 if day < length else day - 2
    return day


class Days:
    """The days of a rule, in order; made by `days(rule)`, which keeps one of each."""

    __slots__ = ("_masks", "_next", "_over", "blocks", "ever", "every", "rule")

    def __init__(self, rule: DayRule) -> None:
        self.rule = rule
        self.every = rule.every_day()
        self.blocks: dict[int, int] = {}
        """Of 64 days each, the days of the rule as bits, as far as somebody looked."""
        self._next: dict[int, int | None] = {}
        self._masks: dict[tuple[int, int], int] = {}
        """By the weekday a month begins on and its length: there are 28 kinds of months."""
        possible = self.every or rule.possible()
        self._over = _LAST_DAY + 1 if possible else _FIRST_DAY
        """From this day on there is none, as far as somebody looked."""
        self.ever = possible and (rule.years is None or self.on_or_after(0) is not None)
        """False where no day matches, in any year."""

    def __reduce__(self) -> tuple[object, tuple[DayRule]]:
        return days, (self.rule,)

    def __contains__(self, day: int) -> bool:
        return self.on_or_after(day) == day

    def count(self, first: int, past: int) -> int:
        """How many days of the rule there are from one to before another."""
        found = 0
        for block in range(first >> 6, (past - 1 >> 6) + 1):
            mask = self.blocks.get(block)
            if mask is None:
                mask = self._block(block)
            low, high = max(first - (block << 6), 0), min(past - (block << 6), 64)
            found += (mask >> low & (1 << high - low) - 1).bit_count()
        return found

    def on_or_after(self, day: int) -> int | None:
        """The first day of the rule that is not before `day`; None where there is none up to year 9999."""
        block = day >> 6
        mask = self.blocks.get(block)
        if mask is None:
            mask = self._block(block)
        rest = mask >> (day & 63)
        if rest:
            return day + (rest & -rest).bit_length() - 1
        if day >= self._over:
            return None
        if block not in self._next:
            self._next[block] = found = self._search((block + 1) << 6)
            if found is None:
                self._over = min(self._over, (block + 1) << 6)
        return self._next[block]

    def _block(self, block: int) -> int:
        """64 days from day 64 * block, as bits."""
        low = max(block << 6, _FIRST_DAY)
        high = min((block + 1) << 6, _LAST_DAY + 1)
        mask = 0
        if low < high:
            first = date.fromordinal(low + EPOCH)
            year, month = first.year, first.month
            begin = low - first.day  # the number of "day 0" of the month
            while begin + 1 < high:
                if self._admits(year, month):
                    shift = begin - (block << 6)
                    bits = self._mask(year, month)
                    mask |= bits << shift if shift >= 0 else bits >> -shift
                begin += _length(year, month)
                year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        mask &= (1 << 64) - 1
        self.blocks[block] = mask
        return mask

    def _admits(self, year: int, month: int) -> bool:
        rule = self.rule
        if not rule.months >> month & 1:
            return False
        if rule.years is None:
            return True
        index = bisect_left(rule.years, year)
        return index < len(rule.years) and rule.years[index] == year

    def _mask(self, year: int, month: int) -> int:
        if self.rule.weeks:
            return self.rule.month(year, month)
        kind = date(year, month, 1).weekday(), _length(year, month)
        mask = self._masks.get(kind)
        if mask is None:
            mask = self._masks[kind] = self.rule.mask(*kind)
        return mask

    def _search(self, day: int) -> int | None:
        if day > _LAST_DAY:
            return None
        start = date.fromordinal(max(day, _FIRST_DAY) + EPOCH)
        years: Sequence[int] = range(start.year, min(start.year + _LONGEST, 9999) + 1)
        if self.rule.years is not None:
            years = self.rule.years[bisect_left(self.rule.years, start.year) :]
        months = [month for month in range(1, 13) if self.rule.months >> month & 1]
        for year in years:
            for month in months:
                if (year, month) < (start.year, start.month):
                    continue
                mask = self._mask(year, month)
                if (year, month) == (start.year, start.month):
                    mask = mask >> start.day << start.day
                if mask:
                    first = (mask & -mask).bit_length() - 1
                    return date(year, month, first).toordinal() - EPOCH
        return None


@lru_cache(maxsize=4096)
def days(rule: DayRule) -> Days:
    """The days of a rule; equal rules share what was already matched."""
    return Days(rule)
