"""The firings of a walk in aware datetimes, as APScheduler's interface asks for them.

Arithmetic on datetimes of one zone is arithmetic on its wall clock, and several times cheaper than the way over UTC
and back. It is used where that is right: on quiet days, at least two days away from any change of the zone.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from functools import lru_cache

from runner.moment import SECOND, from_datetime
from runner.triggers.cron.days import EPOCH
from runner.triggers.cron.walk import Walk, bits

_DAY = 86_400
_NEAR = 20 * _DAY
"""Days further apart are not worth a page."""
_QUIET = 2 * _DAY
_FEW = 3
"""So few firings are not worth a page."""

_AHEAD = {days * _DAY: timedelta(days) for days in range(1, 367)}
"""Whole days, in seconds: a datetime is sooner moved by a length that is there than made."""

Page = tuple[datetime, datetime, datetime, tuple[timedelta, ...], int]
"""(low, last, base, lengths, local): after any datetime from `low` to before `last`, the first firing is the first of
`base` plus a length; `local` is `last` in seconds of the wall clock."""


@lru_cache(maxsize=256)
def _of_day(times: tuple[int, ...]) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=time) for time in times)


@lru_cache(maxsize=1024)
def _of_days(mask: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(day) for day in bits(mask))


class Dates:
    """One walk's firings as datetimes of its zone. What it remembers are tuples, so that threads need no lock.

    Whoever asks looks at the page first, which answers without a call. It holds a day with many firings, or many days
    with one.
    """

    __slots__ = ("_once", "_quiet", "_times", "_walk", "info", "page")

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self.info = walk.info
        plain = walk.last == walk.times[-1]
        self._once = plain and len(walk.times) == 1
        self._times = _of_day(walk.times) if plain and len(walk.times) > _FEW else ()
        never = datetime.max.replace(tzinfo=walk.info)
        self.page: Page = (never, never, never, (), 0)
        self._quiet = (0, 0, 0)
        """(low, high, offset): wall-clock seconds far from a change, and what the clock is ahead of UTC there."""

    def after(self, when: datetime) -> datetime | None:
        """The first firing strictly after an aware datetime for which the page has no answer."""
        if when.tzinfo is not self.info:
            return self._far(from_datetime(when) // SECOND)
        _, last, _, _, local = self.page
        known = when == last
        if not known:
            local = (when.toordinal() - EPOCH) * _DAY + when.hour * 3600 + when.minute * 60 + when.second
        begin, end, offset = self._quiet
        if not begin <= local < end:
            return self._far(from_datetime(when) // SECOND)
        found = self._walk.wall(local + 1)
        if found is None or found >= end:
            return self._far(local - offset)
        ahead = _AHEAD.get(found - local)
        if known and ahead:
            at = when + ahead
        else:
            at = datetime.fromtimestamp(found - offset, self.info)
        if self._times:
            self._turn_day(when, at, found, end)
        elif self._once and found - local <= _NEAR:
            self._turn_days(when, at, found, end)
        else:
            self.page = (at, at, at, (), found)
        return at

    def _turn_day(self, when: datetime, at: datetime, found: int, end: int) -> None:
        """Remember the day of a firing, where all of it is quiet."""
        last = found - found % _DAY + self._walk.last
        if last < end:
            midnight = at - timedelta(seconds=found % _DAY)
            self.page = (when, midnight + self._times[-1], midnight, self._times, last)
        else:
            self.page = (at, at, at, (), found)

    def _turn_days(self, when: datetime, at: datetime, found: int, end: int) -> None:
        """Remember the days from a firing on, as far as they are known and quiet."""
        days = self._walk.days_from(found // _DAY)
        last = found + (days.bit_length() - 1) * _DAY
        if days.bit_count() > 1 and last < end:
            lengths = _of_days(days)
            self.page = (when, at + lengths[-1], at, lengths, last)
        else:
            self.page = (at, at, at, (), found)

    def _far(self, second: int) -> datetime | None:
        """The way over UTC; and the quiet stretch of the answer is remembered, from where one asks next."""
        found = self._walk.after(second)
        if found is None:
            return None
        starts, offsets = self._walk.zone.table[2:4]
        index = bisect_right(starts, found) - 1
        offset = offsets[index]
        self._quiet = (starts[index] + offset + _QUIET, starts[index + 1] + offset - _QUIET, offset)
        return datetime.fromtimestamp(found, self.info)
