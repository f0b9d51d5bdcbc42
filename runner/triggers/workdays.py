"""A calendar kept: firings on a day off are dropped, or moved to a working day at the same time of day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Any, Literal

from runner.errors import TriggerError
from runner.moment import SECOND, Moment, Span
from runner.triggers.base import BaseTrigger, Passed, Trigger
from runner.triggers.calendars import Calendar
from runner.triggers.combining import OrTrigger
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.cron.days import EPOCH
from runner.triggers.times import tz_of
from runner.triggers.windows import BetweenTrigger
from runner.triggers.zones import Zone, zone

Roll = Literal["skip", "forward", "backward"]

ROLLS: tuple[Roll, ...] = ("skip", "forward", "backward")


def roll_of(value: object) -> Roll:
    """A way to roll as people write it; TriggerError where there is none of that name."""
    for known in ROLLS:
        if value == known:
            return known
    raise TriggerError(f"{value!r} is not a way to roll", hint="write skip, forward or backward")


_DAY = 86_400
_MOST_DAYS = 1_000
"""Days off in a row after which no working day is looked for any more."""
_MOST_TRIES = 4_000


def _meant(trigger: Trigger, firing: Moment, clocks: Zone) -> set[int]:
    """What the rule itself names, in seconds of the wall clock: 02:30, where that is left out and it fires at 03:00."""
    shown = clocks.local(firing)
    left_out = clocks.local(firing - 1) + 1
    if left_out == shown or trigger.next_after(firing - 1) != firing:
        return {shown}
    match trigger:
        case BetweenTrigger():
            return _meant(trigger.trigger, firing, clocks)
        case OrTrigger():
            firing_ones = (one for one in trigger.triggers if one.next_after(firing - 1) == firing)
            return {time for one in firing_ones for time in _meant(one, firing, clocks)}
        case CrontabTrigger() if trigger.line.fixed:
            walk, times = trigger.line.walk("UTC"), set[int]()
            time = walk.after(left_out - 1)
            while time is not None and time <= shown:
                times.add(time)
                time = walk.after(time)
            return times or {shown}
    return {shown}


@dataclass(frozen=True, slots=True)
class WorkdayTrigger(BaseTrigger):
    """Fires when `trigger` does on a working day; what falls on a day off is skipped, or moved by `roll`.

    A moved firing keeps its time of day; where its new day has one at that time anyway, the two are one. Dates are
    those of the zone.
    """

    trigger: Trigger
    calendar: Calendar
    roll: Roll = "skip"
    zone: str = "UTC"
    _off: dict[int, str | None] = field(init=False, compare=False, repr=False, default_factory=dict)

    def next_after(self, moment: Moment) -> Moment | None:
        target = self._workday(self._day(moment), 1)
        for _ in range(_MOST_TRIES):
            if target is None:
                return None
            found = self._first_on(target, moment)
            if found is not None:
                return found
            source = self.trigger.next_after(self._begin(self._covered(target) + 1) - 1)
            if source is None:
                return None
            target = self._workday(self._day(source), -1 if self.roll == "backward" else 1)
        return None

    def _first_on(self, target: int, moment: Moment) -> Moment | None:
        """The first firing on a working day after a moment: its own, or one moved to it."""
        begin = self._begin(target)
        own = self.trigger.next_after(max(moment, begin - 1))
        found = [own] if own is not None and self._day(own) == target else []
        time = zone(self.zone).local(moment) % _DAY if moment >= begin else 0
        for day in self._moved_to(target):
            moved = self._first_moved(day, target, time, moment)
            if moved is not None:
                found.append(moved)
        return min(found, default=None)

    def _first_moved(self, day: int, target: int, time: int, moment: Moment) -> Moment | None:
        """The first firing of a day off from a time of day on that, moved to `target`, is after a moment."""
        source = self.trigger.next_after(zone(self.zone).moment_of(day * _DAY + time) - 1)
        while source is not None and self._day(source) == day:
            moved = [at for at in self._move(source, target) if at > moment]
            if moved:
                return min(moved)
            source = self.trigger.next_after(source)
        return None

    def _move(self, source: Moment, target: int) -> list[Moment]:
        """The same times of day on another day."""
        clocks = zone(self.zone)
        times = _meant(self.trigger, source, clocks)
        return [clocks.moment_of(target * _DAY + time % _DAY) + source % SECOND for time in times]

    def _moved_to(self, target: int) -> range:
        """The days off whose firings move to a working day."""
        if self.roll == "skip":
            return range(0)
        step = -1 if self.roll == "forward" else 1
        day = target + step
        while self.day_off(day) is not None and abs(day - target) < _MOST_DAYS:
            day += step
        return range(day + 1, target) if step < 0 else range(target + 1, day)

    def _covered(self, target: int) -> int:
        """The last day whose firings were looked at together with `target`'s."""
        return target + len(self._moved_to(target)) if self.roll == "backward" else target

    def _workday(self, day: int, step: int) -> int | None:
        for _ in range(_MOST_DAYS):
            if self.day_off(day) is None:
                return day
            day += step
        return None

    def _day(self, moment: Moment) -> int:
        return zone(self.zone).local(moment) // _DAY

    def _begin(self, day: int) -> Moment:
        return zone(self.zone).moment_of(day * _DAY)

    def day_off(self, day: int) -> str | None:
        """Why a day, numbered from 1970-01-01, is off; None where it is worked."""
        try:
            return self._off[day]
        except KeyError:
            why = self._off[day] = self.calendar.day_off(date.fromordinal(day + EPOCH))
            return why

    def end_of_day(self, moment: Moment) -> Moment:
        """The last moment of the day that a moment is on, on the clock of the calendar's zone."""
        return self._begin(self._day(moment) + 1) - 1

    @property
    def tzinfo(self) -> tzinfo:
        return tz_of(self.zone)

    def jitter_at(self, slot: Moment) -> Span:
        return self.trigger.jitter_at(slot)

    def passed(self, after: Moment, until: Moment) -> Iterator[Passed]:
        """The firings on days off, each with the day's name and where it moved."""
        slot = self.trigger.next_after(after)
        while slot is not None and slot <= until:
            day = self._day(slot)
            why = self.day_off(day)
            if why is not None:
                yield Passed(slot, "calendar", self._detail(day, why))
                after = slot
            else:
                while self.day_off(day) is None and self._begin(day) <= until:
                    day += 1
                after = self._begin(day) - 1
            slot = self.trigger.next_after(after)

    def _detail(self, day: int, why: str) -> str:
        text = f"{date.fromordinal(day + EPOCH)} is a day off ({why})"
        if self.roll == "skip":
            return text
        target = self._workday(day, 1 if self.roll == "forward" else -1)
        return text if target is None else f"{text}, moved to {date.fromordinal(target + EPOCH)}"

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "workdays",
            "trigger": self.trigger.to_json(),
            "calendar": self.calendar.to_json(),
            "roll": self.roll,
            "timezone": self.zone,
        }

    def __str__(self) -> str:
        how = {"skip": "not on", "forward": "moved on from", "backward": "moved back from"}[self.roll]
        return f"{self.trigger} {how} days off of {self.calendar.name}"
