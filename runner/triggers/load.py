"""From the JSON of a trigger to the trigger, and the distance between its firings."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from runner.errors import TriggerError
from runner.moment import Moment, Span
from runner.triggers.base import Trigger
from runner.triggers.calendarinterval import CalendarIntervalTrigger
from runner.triggers.calendars import Calendar
from runner.triggers.combining import AndTrigger, OrTrigger
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.cron.trigger import CronTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.windows import BetweenTrigger, Window
from runner.triggers.workdays import WorkdayTrigger, roll_of
from runner.triggers.zones import zone

_BUILT_IN: dict[str, Callable[[dict[str, Any]], Trigger]] = {
    "crontab": CrontabTrigger.from_json,
    "cron": CronTrigger.from_json,
    "calendarinterval": CalendarIntervalTrigger.from_json,
    "interval": IntervalTrigger.from_json,
    "date": DateTrigger.from_json,
    "or": lambda data: OrTrigger([load(one) for one in data["triggers"]], data.get("jitter")),
    "and": lambda data: AndTrigger([load(one) for one in data["triggers"]], data.get("jitter")),
    "between": lambda data: BetweenTrigger(
        load(data["trigger"]), tuple(map(Window.of, data["windows"])), zone(data["timezone"]).name
    ),
    "workdays": lambda data: WorkdayTrigger(
        load(data["trigger"]),
        Calendar.from_json(data["calendar"]),
        roll_of(data["roll"]),
        zone(data["timezone"]).name,
    ),
}


def load(data: dict[str, Any]) -> Trigger:
    """The trigger of `to_json`; TriggerError where the data is none.

    A `type` that is not built in is looked up among the entry points of `runner.triggers`, whose classes have
    `from_json`.
    """
    kind = data.get("type")
    make = _BUILT_IN.get(kind) if isinstance(kind, str) else None
    if make is None:
        make = _plugged_in(str(kind))
    try:
        return make(data)
    except TriggerError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        raise TriggerError(f"stored trigger of type {kind!r} is damaged: {error!r}") from error


@lru_cache(maxsize=64)
def _plugged_in(kind: str) -> Callable[[dict[str, Any]], Trigger]:
    for point in entry_points(group="runner.triggers", name=kind):
        made: Callable[[dict[str, Any]], Trigger] = point.load().from_json
        return made
    known = ", ".join(sorted(_BUILT_IN))
    raise TriggerError(f"there is no trigger of type {kind!r}", hint=f"known are {known}")


def period(trigger: Trigger, moment: Moment) -> Span:
    """The distance between the next two firings after `moment`; 0 where there are not two."""
    first = trigger.next_after(moment)
    second = trigger.next_after(first) if first is not None else None
    return 0 if first is None or second is None else second - first
