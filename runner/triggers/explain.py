"""Why a trigger does or does not fire at a moment, in sentences; and its firings backwards and between two moments.

Pure, like the triggers: what became of a firing (a pause, an overlap, a downtime) is history's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from runner.duration import say_duration
from runner.moment import DAY, MINUTE, SECOND, Moment, to_datetime
from runner.triggers.base import Trigger
from runner.triggers.calendarinterval import CalendarIntervalTrigger
from runner.triggers.combining import AndTrigger, OrTrigger
from runner.triggers.counting import last
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.cron.days import EPOCH, DayRule, days
from runner.triggers.cron.trigger import CronTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.times import local_of, tz_of, wall_of
from runner.triggers.windows import BetweenTrigger
from runner.triggers.wording import every, words
from runner.triggers.workdays import WorkdayTrigger
from runner.triggers.zones import WIDEST, zone

__all__ = ["between", "clock_change", "fires", "following", "preceding", "previous", "why", "words"]

FAR_BACK = 41 * 366 * DAY
"""How far back `previous` looks: what comes at all comes within so long a time (29 February on a Sunday)."""


# ── firings ─────────────────────────────────────────────────────────────────────────────────


def fires(trigger: Trigger, moment: Moment) -> bool:
    """Whether it fires at just this moment."""
    return trigger.next_after(moment - 1) == moment


def between(trigger: Trigger, after: Moment, until: Moment) -> Iterator[Moment]:
    """Its firings strictly after a moment and up to another."""
    slot = trigger.next_after(after)
    while slot is not None and slot <= until:
        yield slot
        slot = trigger.next_after(slot)


def previous(trigger: Trigger, moment: Moment) -> Moment | None:
    """The last firing strictly before a moment, at most 41 years back; None where there is none.

    A trigger only looks ahead, so the way back is halved until it is found: some eighty questions.
    """
    span = MINUTE
    while span <= FAR_BACK * 2:
        found = trigger.next_after(moment - span)
        if found is not None and found < moment:
            return last(trigger, found, moment - 1)
        span *= 8
    return None


def following(trigger: Trigger, moment: Moment, count: int) -> list[Moment]:
    """The next `count` firings strictly after a moment, the nearest first."""
    found: list[Moment] = []
    slot = trigger.next_after(moment)
    while slot is not None and len(found) < count:
        found.append(slot)
        slot = trigger.next_after(slot)
    return found


def preceding(trigger: Trigger, moment: Moment, count: int) -> list[Moment]:
    """The last `count` firings strictly before a moment, the nearest first."""
    found: list[Moment] = []
    slot = previous(trigger, moment)
    while slot is not None and len(found) < count:
        found.append(slot)
        slot = previous(trigger, slot)
    return found


# ── why ─────────────────────────────────────────────────────────────────────────────────────


def why(trigger: Trigger, moment: Moment) -> list[str]:
    """Why it fires at `moment`, or what keeps it from it: one sentence for each thing that is so."""
    match trigger:
        case CrontabTrigger() | CronTrigger():
            return _cron(_Wall.of(trigger), moment, fires(trigger, moment))
        case IntervalTrigger():
            return _interval(trigger, moment)
        case DateTrigger():
            return _date(trigger, moment)
        case OrTrigger():
            return _any(trigger, moment)
        case AndTrigger():
            return _all(trigger, moment)
        case BetweenTrigger():
            return _between(trigger, moment)
        case WorkdayTrigger():
            return _workday(trigger, moment)
        case CalendarIntervalTrigger():
            return _calendar_interval(trigger, moment)
    names = "names" if fires(trigger, moment) else "does not name"
    return [f"{trigger} {names} this time"]


@dataclass(frozen=True, slots=True)
class _Wall:
    """What both kinds of cron triggers are made of. `texts` are their fields as they are written."""

    seconds: int
    minutes: int
    hours: int
    rule: DayRule
    fixed: bool
    zone: str
    start: Moment | None
    end: Moment | None
    name: str
    texts: dict[str, str]

    @classmethod
    def of(cls, trigger: CrontabTrigger | CronTrigger) -> _Wall:
        if isinstance(trigger, CronTrigger):
            texts = {one.name: one.text for one in trigger.fields}
            texts["day of month"], texts["day of week"] = texts["day"], texts["day_of_week"]
            parts: Any = trigger
        else:
            parts = trigger.line
            fields = parts.text.split()
            names = ("second", "minute", "hour", "day of month", "month", "day of week")
            texts = dict(zip(names, ["0", *fields] if len(fields) == 5 else fields, strict=True))
        name = str(trigger) if isinstance(trigger, CronTrigger) else parts.text
        return cls(
            parts.seconds,
            parts.minutes,
            parts.hours,
            parts.rule,
            parts.fixed,
            trigger.zone,
            trigger.start,
            trigger.end,
            name,
            texts,
        )


def _cron(wall: _Wall, moment: Moment, firing: bool) -> list[str]:
    there = to_datetime(moment, tz_of(wall.zone))
    if firing:
        moved = _from_gap(wall, moment, there)
        return [moved or f"{wall.name} names {_clock(there)} in {wall.zone}"]
    outside = _outside(wall.start, wall.end, moment, wall.zone)
    reasons = [*outside, *_fields(wall, moment, there)]
    return reasons or [_second_pass(there)]


def _fields(wall: _Wall, moment: Moment, there: datetime) -> list[str]:
    """The fields that do not match, the largest first."""
    reasons = []
    day = there.date().toordinal() - EPOCH
    if day not in days(wall.rule):
        reasons.append(_day(wall, there.date()))
    for name, mask, value in (
        ("hour", wall.hours, there.hour),
        ("minute", wall.minutes, there.minute),
        ("second", wall.seconds, there.second),
    ):
        if not mask >> value & 1:
            reasons.append(f"the {name} is {value:02}, the schedule says {wall.texts[name]}")
    if moment % SECOND:
        reasons.append("it is within a second, and schedules name whole ones")
    return reasons


def _day(wall: _Wall, day: date) -> str:
    texts, rule = wall.texts, wall.rule
    if rule.years is not None and day.year not in rule.years:
        return f"the year is {day.year}, the schedule says {texts['year']}"
    if not rule.months >> day.month & 1:
        return f"the month is {day:%B}, the schedule says {texts['month']}"
    if rule.weeks and not rule.weeks >> day.isocalendar().week & 1:
        return f"the ISO week is {day.isocalendar().week}, the schedule says {texts['week']}"
    of_month, of_week = texts["day of month"], texts["day of week"]
    if rule.either:
        return f"it is {day:%A} the {day.day}, the schedule says day {of_month} of the month or {of_week}"
    wanted = [f"day {of_month} of the month"] if of_month not in "*?" else []
    wanted += [of_week] if of_week not in "*?" else []
    return f"it is {day:%A} the {day.day}, the schedule says {' and '.join(wanted)}"


def _from_gap(wall: _Wall, moment: Moment, there: datetime) -> str:
    """Said of a firing at the end of a gap, of a time that the wall clock left out."""
    if not _fields(wall, moment, there):
        return ""
    if not zone(wall.zone).changes(moment // SECOND - 1, moment // SECOND):
        return ""
    return f"the clock went forward to {_clock(there)}: what {wall.name} names in the hour left out fires now"


def _second_pass(there: datetime) -> str:
    if there.fold:
        return (
            f"the clock was set back, and shows {there:%H:%M} for the second time: "
            "a fixed time fires the first time only"
        )
    return "a clock change on that day moves or merges this time"


def _interval(trigger: IntervalTrigger, moment: Moment) -> list[str]:
    said = f"every {say_duration(trigger.span)}"
    if fires(trigger, moment):
        return [f"it fires {said}, and it is time"]
    outside = _outside(trigger.start, trigger.end, moment, trigger.zone)
    if outside:
        return outside
    since = "" if trigger.start is None else f" from {_when(trigger.start, trigger.zone)} on"
    return [f"it fires {said}{since}, which does not come to this time"]


def _calendar_interval(trigger: CalendarIntervalTrigger, moment: Moment) -> list[str]:
    there = to_datetime(moment, tz_of(trigger.zone))
    if fires(trigger, moment):
        return [f"it fires {every(trigger)}, and {there:%Y-%m-%d} is one of its days"]
    reasons = []
    begin = zone(trigger.zone).moment_of((there.date().toordinal() - EPOCH) * 86_400)
    if not any(between(trigger, begin - 1, begin + DAY - 1)):
        reasons.append(f"it fires {every(trigger)}, and {there:%Y-%m-%d} is not one of its days")
    if (there.hour, there.minute, there.second) != (
        trigger.time.hour,
        trigger.time.minute,
        trigger.time.second,
    ):
        reasons.append(f"it is {_clock(there)} in {trigger.zone}, its time is {trigger.time:%H:%M}")
    return reasons or [_second_pass(there)]


def _date(trigger: DateTrigger, moment: Moment) -> list[str]:
    if trigger.at is None:
        return ["it fires once, when it is added"]
    if trigger.at == moment:
        return ["it fires once, at this time"]
    return [f"it fires once, {_when(trigger.at, trigger.zone)}"]


def _any(trigger: OrTrigger, moment: Moment) -> list[str]:
    firing = [one for one in trigger.triggers if fires(one, moment)]
    return [reason for one in firing or trigger.triggers for reason in _named(one, moment)]


def _all(trigger: AndTrigger, moment: Moment) -> list[str]:
    lacking = [one for one in trigger.triggers if not fires(one, moment)]
    return [reason for one in lacking or trigger.triggers for reason in _named(one, moment)]


def _named(trigger: Trigger, moment: Moment) -> list[str]:
    """Reasons with the schedule they are of: there are several."""
    name = _Wall.of(trigger).name if isinstance(trigger, CrontabTrigger | CronTrigger) else str(trigger)
    return [reason if name in reason else f"{name}: {reason}" for reason in why(trigger, moment)]


def _between(trigger: BetweenTrigger, moment: Moment) -> list[str]:
    reasons = why(trigger.trigger, moment)
    if not fires(trigger.trigger, moment) or trigger.admits(moment):
        return reasons
    windows = " or ".join(map(str, trigger.windows))
    return [f"{_clock(to_datetime(moment, tz_of(trigger.zone)))} is not between {windows}"]


def _workday(trigger: WorkdayTrigger, moment: Moment) -> list[str]:
    for passed in trigger.passed(moment - 1, moment):
        if passed.slot == moment:
            return [passed.detail]
    if fires(trigger, moment) and not fires(trigger.trigger, moment):
        return [f"it was moved here from a day off (roll: {trigger.roll})"]
    return why(trigger.trigger, moment)


def _outside(start: Moment | None, end: Moment | None, moment: Moment, zone_name: str) -> list[str]:
    if start is not None and moment < start:
        return [f"it does not fire before {_when(start, zone_name)} (start)"]
    if end is not None and moment > end:
        return [f"it does not fire after {_when(end, zone_name)} (end)"]
    return []


def _when(moment: Moment, zone_name: str) -> str:
    return to_datetime(moment, tz_of(zone_name)).strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")


def _clock(there: datetime) -> str:
    return there.strftime("%H:%M:%S" if there.second else "%H:%M")


def clock_change(wall: datetime, zone_name: str) -> str:
    """What a clock change makes of a wall-clock time: that it does not exist, or comes twice; empty otherwise.

    Such a time means the end of the gap, or the first of the two.
    """
    clocks, local = zone(zone_name), local_of(wall)
    second = clocks.second_of(local)
    shown = second + clocks.offset_at(second)
    if shown != local:
        gone, there = wall_of(second - 1 + clocks.offset_at(second - 1) + 1), wall_of(shown)
        return (
            f"{_clock(wall)} does not exist on {wall:%Y-%m-%d} in {zone_name}: the clock goes from {_clock(gone)} to "
            f"{_clock(there)}, and this is about {_clock(there)}"
        )
    for change, before, then in clocks.changes(second, second + WIDEST):
        if then < before and change <= local - then:
            again = to_datetime((local - then) * SECOND, clocks.info).isoformat(timespec="minutes")
            return (
                f"{_clock(wall)} comes twice on {wall:%Y-%m-%d} in {zone_name}: this is about the first time, "
                f"{again} is the second"
            )
    return ""
