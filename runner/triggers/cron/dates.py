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
from runner.triggers.cron.walk import Walk

_DAY = 86_400
_QUIET = 2 * _DAY
_FEW = 3
"""A day with so few firings is not worth a page."""

_AHEAD = {days * _DAY: timedelta(days) for days in range(1, 367)}
"""Whole days, in seconds: a datetime is sooner moved by a length that is there than made."""

Page = tuple[datetime, datetime, datetime, int]
"""(low, last, midnight, local): after any datetime from `low` to before `last`, the first firing is on the day that
began at `midnight`; `local` is `last` in seconds of the wall clock."""


@lru_cache(maxsize=256)
def _deltas(times: tuple[int, ...]) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=time) for time in times)


class Dates:
    """One walk's firings as datetimes of its zone. What it remembers are tuples, so that threads need no lock."""

    __slots__ = ("_deltas", "_info", "_page", "_paged", "_quiet", "_walk")

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._info = walk.info
        self._deltas = () if walk.last > walk.times[-1] else _deltas(walk.times)
        self._paged = len(self._deltas) > _FEW
        never = datetime.max.replace(tzinfo=walk.info)
        self._page: Page = (never, never, never, 0)
        self._quiet = (0, 0, 0)
        """(low, high, offset): wall-clock seconds far from a change, and what the clock is ahead of UTC there."""

    def after(self, when: datetime) -> datetime | None:
        """The first firing strictly after an aware datetime."""
        if when.tzinfo is not self._info:
            return self._far(from_datetime(when) // SECOND)
        low, last, midnight, local = self._page
        if low <= when < last:
            deltas = self._deltas
            return midnight + deltas[bisect_right(deltas, when - midnight)]
        known = when == last
        if not known:
            local = (when.toordinal() - EPOCH) * _DAY + when.hour * 3600 + when.minute * 60 + when.second
        begin, end, offset = self._quiet
        if not begin <= local < end:
            return self._far(from_datetime(when) // SECOND)
        found = self._walk.wall(local + 1)
        if found is None or found >= end:
            return self._far(local - offset)
        if known and (ahead := _AHEAD.get(found - local)):
            at = last + ahead
        else:
            at = datetime.fromtimestamp(found - offset, self._info)
        if self._paged:
            self._turn(when, found, end, offset)
        else:
            self._page = (at, at, at, found)
        return at

    def _far(self, second: int) -> datetime | None:
        """The way over UTC; and the quiet stretch of the answer is remembered, from where one asks next."""
        found = self._walk.after(second)
        if found is None:
            return None
        starts, offsets = self._walk.zone.table[2:4]
        index = bisect_right(starts, found) - 1
        offset = offsets[index]
        self._quiet = (starts[index] + offset + _QUIET, starts[index + 1] + offset - _QUIET, offset)
        return datetime.fromtimestamp(found, self._info)

    def _turn(self, when: datetime, found: int, end: int, offset: int) -> None:
        """Remember the day of a firing, where all of it is quiet."""
        begin = found - found % _DAY
        last = begin + self._walk.last
        if found < last < end:
            midnight = datetime.fromtimestamp(begin - offset, self._info)
            self._page = (when, midnight + self._deltas[-1], midnight, last)
