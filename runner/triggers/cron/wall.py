"""What both kinds of cron triggers share: bounds, and answers in datetimes, of a walk on the wall clock."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, tzinfo

from runner.moment import SECOND, Moment, from_datetime
from runner.triggers.base import BaseTrigger
from runner.triggers.cron.dates import Dates
from runner.triggers.cron.walk import Walk


class WallTrigger(BaseTrigger):
    """Fires at the seconds of `_walk`, from `start` to `end` (both inclusive)."""

    __slots__ = ()

    start: Moment | None
    end: Moment | None
    zone: str
    _walk: Walk

    def next_after(self, moment: Moment) -> Moment | None:
        if self.start is not None and moment < self.start:
            moment = self.start - 1
        second = self._walk.after(moment // SECOND)
        if second is None:
            return None
        found = second * SECOND
        return found if self.end is None or found <= self.end else None

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first firing after `previous_fire_time`; where there was none, the first one not before `now`."""
        if previous_fire_time is None or self.start is not None:
            return super().get_next_fire_time(previous_fire_time, now)
        dates = self._walk.dates
        if dates is None:
            dates = self._walk.dates = Dates(self._walk)
        low, last, base, lengths, _ = dates.page
        found: datetime | None
        if previous_fire_time.tzinfo is dates.info and low <= previous_fire_time < last:
            found = base + lengths[bisect_right(lengths, previous_fire_time - base)]
        else:
            found = dates.after(previous_fire_time)
        if self.end is not None and found is not None and from_datetime(found) > self.end:
            return None
        return found

    @property
    def walk(self) -> Walk:
        """Its firings without its bounds."""
        return self._walk

    @property
    def tzinfo(self) -> tzinfo:
        return self._walk.info
