"""What is allowed in a schedule and yet may surprise: steps that start anew, two day fields, days the clock changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from typing import NamedTuple

from runner.duration import format_duration, say_duration
from runner.moment import DAY, HOUR, MINUTE, SECOND, Moment, Span, to_datetime
from runner.triggers import explain
from runner.triggers.base import BaseTrigger, Trigger
from runner.triggers.combining import OrTrigger
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.times import tz_of
from runner.triggers.windows import BetweenTrigger
from runner.triggers.workdays import WorkdayTrigger
from runner.triggers.zones import LONGEST_GAP, zone

_STEP = re.compile(r"[*?]/(\d+)")
_YEAR = 366 * 86_400
_NEXT = _YEAR + 31 * 86_400
"""Seconds: from the last Sunday of a month to that of the next year it may be 371 days."""
_RHYTHM: Span = 6 * HOUR
"""Firings further apart than this are times of day, and nobody counts the hours between them."""


class Finding(NamedTuple):
    """`kind` is stable; `fact` what is so, `help` what to write instead, where there is something.

    `doubtful`: whether it may well be a mistake. A time of day that a clock change meets is none: what happens
    then is settled, and worth knowing.
    """

    kind: str
    fact: str
    help: str = ""
    doubtful: bool = True


def lint(trigger: Trigger, now: Moment | None = None) -> list[Finding]:
    """What may surprise about a schedule; with `now` also what the next clock changes do to it.

    A schedule that is over is only said to be over.
    """
    if now is not None and trigger.next_after(now) is None:
        return [_over(trigger, now)]
    return list(dict.fromkeys(_lint(trigger, now)))


def _over(trigger: Trigger, now: Moment) -> Finding:
    """Said of a schedule without a firing to come."""
    last = explain.previous(trigger, now + 1)
    zone = trigger.tzinfo if isinstance(trigger, BaseTrigger) else UTC
    there = "" if last is None else f"; the last time was {to_datetime(last, zone):%Y-%m-%d %H:%M}"
    return Finding(
        "never-fires", f"it never fires again{there}", "remove the job, or give it another schedule"
    )


def _lint(trigger: Trigger, now: Moment | None) -> Iterator[Finding]:
    match trigger:
        case CrontabTrigger():
            yield from _uneven(trigger)
            yield from _two_days(trigger)
            if now is not None:
                yield from _changes(trigger, now)
        case IntervalTrigger():
            yield from _elapsed(trigger)
        case OrTrigger():
            for one in trigger.triggers:
                yield from _lint(one, now)
        case BetweenTrigger() | WorkdayTrigger():
            yield from _lint(trigger.trigger, now)


def _uneven(trigger: CrontabTrigger) -> Iterator[Finding]:
    """`*/7` in the minute field: 56, then 0 again, four minutes later."""
    fields = trigger.line.text.split()[-5:]
    for text, size, unit, again in ((fields[0], 60, "m", "hour"), (fields[1], 24, "h", "day")):
        match = _STEP.fullmatch(text)
        step = int(match[1]) if match else 1
        if step < size and size % step:
            rest = size - (size - 1) // step * step
            yield Finding(
                "uneven-step",
                f"{trigger.line.text}: {text} starts anew each {again}, so its last step is only {rest}{unit}",
                _even(step, size, again),
            )
    match = _STEP.fullmatch(fields[2])
    if match and int(match[1]) > 1:
        yield Finding(
            "uneven-step",
            f"{trigger.line.text}: {fields[2]} starts anew each month, so days 31 and 1 follow each other",
            f"write `every {match[1]}d` for an even rhythm",
        )


def _two_days(trigger: CrontabTrigger) -> Iterator[Finding]:
    if trigger.line.rule.either:
        _, _, of_month, _, of_week = trigger.line.text.split()[-5:]
        yield Finding(
            "two-day-fields",
            f"{trigger.line.text}: fires on day {of_month} of the month and on {of_week}, not only where both meet",
            "write `*` in one of them; the first Friday of a month is fri#1",
        )


def _elapsed(trigger: IntervalTrigger) -> Iterator[Finding]:
    every = format_duration(trigger.span)
    if trigger.span % DAY == 0 and _has_changes(trigger.zone):
        yield Finding(
            "elapsed-day",
            f"every {every} counts elapsed time: after a clock change it fires an hour off by the wall clock",
            "write `at 02:00`, or a crontab line, for a time of day",
        )
    elif MINUTE <= trigger.span < DAY and DAY % trigger.span:
        nearest = [format_duration(span) for span in _around_span(trigger.span)]
        yield Finding(
            "uneven-day",
            f"every {every} does not divide the day: it fires at other times each day",
            f"{' and '.join(nearest)} divide it; a crontab line names fixed times of day",
        )


def _even(step: int, size: int, again: str) -> str:
    """The steps next to `step` that divide an hour or a day."""
    below = max(n for n in range(1, step) if size % n == 0)
    above = min(n for n in range(step + 1, size + 1) if size % n == 0)
    known = f"*/{below} and */{above} divide" if above < size else f"*/{below} divides"
    return f"{known} the {again} evenly"


def _around_span(span: Span) -> list[Span]:
    """The lengths next to `span`, in whole minutes, that divide a day."""
    whole = [minutes * MINUTE for minutes in range(1, 1441) if 1440 % minutes == 0]
    return [max(one for one in whole if one < span), min(one for one in whole if one > span)]


def _has_changes(name: str) -> bool:
    if name == "UTC":
        return False
    # Two years from 2030: the rules that zones follow from now on, whatever today is.
    return bool(zone(name).changes(1_893_456_000, 1_893_456_000 + 2 * _YEAR))


# ── days the clock changes ──────────────────────────────────────────────────────────────────


def _changes(trigger: CrontabTrigger, now: Moment) -> Iterator[Finding]:
    """What the next change of each direction does."""
    after = max(now, trigger.start or now) // SECOND
    seen = set()
    for second, before, then in zone(trigger.zone).changes(after, after + _NEXT):
        forward = then > before
        if forward not in seen and (trigger.end is None or second * SECOND <= trigger.end):
            seen.add(forward)
            yield from _change(trigger, second, before, then)


def _change(trigger: CrontabTrigger, second: int, before: int, then: int) -> Iterator[Finding]:
    if not trigger.line.fixed:
        yield from _around(trigger, second, before)
        return
    low, high = sorted((second + before, second + then))
    # What it names in the hour left out, or in the hour that comes twice.
    named = next(explain.between(_plain(trigger), low * SECOND - 1, high * SECOND - 1), None)
    if named is None:
        return
    on = to_datetime(second * SECOND, tz_of(trigger.zone)).date()
    clock = to_datetime(named, tz_of("UTC")).strftime("%H:%M")
    if then < before:
        effect = f"{clock} comes twice in {trigger.zone}, and it fires the first time only"
    elif then - before > LONGEST_GAP:
        effect = f"{clock} does not exist in {trigger.zone}, and it does not fire"
    else:
        at = to_datetime(second * SECOND, tz_of(trigger.zone)).strftime("%H:%M")
        effect = f"{clock} does not exist in {trigger.zone}, and it fires at {at}"
    yield Finding(
        "clock-change",
        f"{trigger.line.text}: on {on} {effect}",
        "an hour that no clock change touches has no such day",
        doubtful=False,
    )


def _around(trigger: CrontabTrigger, second: int, before: int) -> Iterator[Finding]:
    """A line that runs all day and does not keep its rhythm over the change (`0 */2 * * *`)."""
    if trigger.line.text.split()[-4][0] not in "*?":
        return
    usual, actual = _gaps(trigger, second, before)
    if usual != actual and usual <= _RHYTHM:
        on = to_datetime(second * SECOND, tz_of(trigger.zone)).date()
        apart = f"{say_duration(actual)} apart, not {say_duration(usual)}"
        yield Finding(
            "clock-change",
            f"{trigger.line.text}: on {on} its firings around the clock change are {apart}",
            "`every` counts elapsed time",
            doubtful=False,
        )


def _plain(trigger: CrontabTrigger) -> CrontabTrigger:
    """The line on a clock that never changes."""
    return replace(trigger, zone="UTC", start=None, end=None)


def _gaps(trigger: CrontabTrigger, second: int, before: int) -> tuple[Span, Span]:
    """The time between the firings on both sides of a change: on a clock without changes, and really."""
    last = explain.previous(replace(trigger, start=None), second * SECOND)
    if last is None:
        return 0, 0
    local = last + before * SECOND
    following, really = _plain(trigger).next_after(local), trigger.next_after(last)
    if following is None or really is None:
        return 0, 0
    return following - local, really - last
