"""Triggers of APScheduler 3, from their states to ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta, tzinfo
from typing import Any

from runner.jobstores.apscheduler.unpickle import Old, Refused
from runner.moment import MICROSECOND, SECOND, from_datetime
from runner.triggers import Trigger
from runner.triggers.calendarinterval import CalendarIntervalTrigger
from runner.triggers.combining import AndTrigger, OrTrigger
from runner.triggers.cron import CronTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.zones import name_of

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "mon tue wed thu fri sat sun".split()
POSITIONS = "1st 2nd 3rd 4th 5th last".split()
_MICROSECOND = timedelta(microseconds=MICROSECOND)


def trigger_of(value: Any) -> Trigger:
    """Our trigger for a stand-in; Refused where it is none of APScheduler's own."""
    if not isinstance(value, Old):
        raise Refused(f"its trigger is {value!r}")
    return made(value.kind, value.state)


def made(kind: str, state: Any) -> Trigger:
    """Our trigger for a class of APScheduler's and its state."""
    name = kind.rpartition(":")[2]
    make = _MAKERS.get(name)
    if make is None or not kind.startswith("apscheduler.triggers."):
        raise Refused(
            f"its trigger is of the class {kind.replace(':', '.')}",
            hint="add this job from the program again, with a trigger derived from runner.triggers.base.BaseTrigger",
        )
    if isinstance(state, tuple) and len(state) == 2:  # as 3.0 wrote them
        state = state[1]
    if not isinstance(state, Mapping):
        raise Refused(f"the state of its {name} is {type(state).__name__}")
    return make(state)


def _date(state: Mapping[str, Any]) -> Trigger:
    return DateTrigger(state["run_date"])


def _interval(state: Mapping[str, Any]) -> Trigger:
    start, end = state.get("start_date"), state.get("end_date")
    return IntervalTrigger.of(
        state["interval"] // _MICROSECOND,
        _zone(state["timezone"]),
        start=None if start is None else from_datetime(start),
        end=None if end is None else from_datetime(end),
        jitter=round((state.get("jitter") or 0) * SECOND),
    )


def _cron(state: Mapping[str, Any]) -> Trigger:
    given = {}
    for field in state["fields"]:
        if not field.state["is_default"]:
            given[field.state["name"]] = ",".join(_expression(each) for each in field.state["expressions"])
    return CronTrigger(
        **given,
        start_date=state.get("start_date"),
        end_date=state.get("end_date"),
        timezone=_zone(state["timezone"]),
        jitter=state.get("jitter"),
    )


def _expression(value: Old) -> str:
    """The text of one expression of a field."""
    name, state = value.kind.rpartition(":")[2], value.state or {}
    step = f"/{state['step']}" if state.get("step") else ""
    match name:
        case "AllExpression":
            return f"*{step}"
        case "RangeExpression":
            return _range(str(state["first"]), _text(state.get("last"))) + step
        case "MonthRangeExpression":
            last = state.get("last")
            return _range(MONTHS[state["first"] - 1], None if last is None else MONTHS[last - 1])
        case "WeekdayRangeExpression":
            last = state.get("last")
            return _range(WEEKDAYS[state["first"]], None if last is None else WEEKDAYS[last])
        case "WeekdayPositionExpression":
            return f"{POSITIONS[state['option_num']]} {WEEKDAYS[state['weekday']]}"
        case "LastDayOfMonthExpression":
            return "last"
    raise Refused(f"a cron field holds a {name}")


def _range(first: str, last: str | None) -> str:
    return first if last is None or last == first else f"{first}-{last}"


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _calendar(state: Mapping[str, Any]) -> Trigger:
    years, months, weeks, days = state["interval"]
    hour, minute, second = state["time"]
    return CalendarIntervalTrigger(
        years=years,
        months=months,
        weeks=weeks,
        days=days,
        hour=hour,
        minute=minute,
        second=second,
        start_date=state.get("start_date"),
        end_date=state.get("end_date"),
        timezone=_zone(state["timezone"]),
        jitter=state.get("jitter"),
    )


def _inner(state: Mapping[str, Any]) -> Sequence[Trigger]:
    return [made(str(reference), inner) for reference, inner in state["triggers"]]


def _and(state: Mapping[str, Any]) -> Trigger:
    return AndTrigger(_inner(state), state.get("jitter"))


def _or(state: Mapping[str, Any]) -> Trigger:
    return OrTrigger(_inner(state), state.get("jitter"))


def _zone(value: tzinfo | str) -> str:
    return name_of(value)


_MAKERS = {
    "DateTrigger": _date,
    "IntervalTrigger": _interval,
    "CronTrigger": _cron,
    "CalendarIntervalTrigger": _calendar,
    "AndTrigger": _and,
    "OrTrigger": _or,
}
