"""A schedule in words: `at 02:00`, `every 15 minutes, between 09:00 and 17:59`, `every 1h 30m`."""

from __future__ import annotations

from functools import lru_cache

from runner.duration import say_duration
from runner.moment import Moment, to_datetime
from runner.triggers.base import Trigger
from runner.triggers.calendarinterval import CalendarIntervalTrigger
from runner.triggers.combining import AndTrigger, OrTrigger
from runner.triggers.cron.crontab import CrontabTrigger, Line
from runner.triggers.cron.trigger import CronTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.times import tz_of
from runner.triggers.windows import BetweenTrigger
from runner.triggers.workdays import WorkdayTrigger


def words(trigger: Trigger) -> str:
    """The schedule in words: `at 02:00`, `every 15 minutes, between 09:00 and 17:59`, `every 1h 30m`."""
    match trigger:
        case CrontabTrigger():
            return _line(trigger.line)
        case IntervalTrigger():
            return f"every {say_duration(trigger.span)}"
        case CronTrigger():
            return _fields(trigger)
        case CalendarIntervalTrigger():
            return every(trigger)
        case DateTrigger():
            return "once" if trigger.at is None else f"once, {_at(trigger.at, trigger.zone)}"
        case OrTrigger():
            return "; ".join(words(one) for one in trigger.triggers)
        case AndTrigger():
            return " and ".join(words(one) for one in trigger.triggers)
        case BetweenTrigger():
            return f"{words(trigger.trigger)}, only {' or '.join(map(str, trigger.windows))}"
        case WorkdayTrigger():
            moved = "" if trigger.roll == "skip" else f", moved {trigger.roll} from days off"
            return f"{words(trigger.trigger)}, on working days{moved}"
    return str(trigger)


def _line(line: Line) -> str:
    """A crontab line; where both day fields stand, whether one of them is enough is said."""
    *clock, day, month, weekday = line.text.split()
    if day in _OPEN or weekday in _OPEN:
        return _described(line.text)
    time = _described(" ".join([*clock, "*", "*", "*"]))
    asked = ([day, "*", "*"], ["*", "*", weekday], ["*", month, "*"])
    said = [_described(" ".join([*clock, *fields])) for fields in asked]
    if not all(each.startswith(time) for each in said):
        return _described(line.text)
    days, weekdays, months = (each.removeprefix(time) for each in said)
    weekdays = weekdays.removeprefix(", ").removeprefix("only ")
    return f"{time}{days}, {'or' if line.rule.either else 'and only'} {weekdays}{months}"


_OPEN = ("*", "?")


@lru_cache(maxsize=1024)
def _described(line: str) -> str:
    # Imported here: only who asks for words pays for it.
    from cron_descriptor import Options, get_description

    options = Options()
    options.use_24hour_time_format = True
    try:
        said = str(get_description(line.replace("?", "*"), options))
    except Exception:
        # It knows fewer lines than this library does; the line says it too.
        return line
    return said[:1].lower() + said[1:]


def every(trigger: CalendarIntervalTrigger) -> str:
    """`every 2 weeks at 03:00`."""
    parts = [
        (trigger.years, "year"),
        (trigger.months, "month"),
        (trigger.weeks, "week"),
        (trigger.days, "day"),
    ]
    said = [name if amount == 1 else f"{amount} {name}s" for amount, name in parts if amount]
    return f"every {' and '.join(said)} at {trigger.time:%H:%M}"


_LAST = {"last": "L"}


def _fields(trigger: CronTrigger) -> str:
    """Eight fields in the words of a crontab line, where they have one; else as they are."""
    texts = {one.name: one.text for one in trigger.fields}
    if texts["year"] != "*" or texts["week"] != "*" or " " in texts["day"]:
        return str(trigger)
    if texts["day"] != "*" and texts["day_of_week"] != "*":
        return str(trigger)
    weekday = texts["day_of_week"]
    if any(letter.isdigit() for letter in weekday):
        return str(trigger)
    day = _LAST.get(texts["day"], texts["day"])
    line = f"{texts['minute']} {texts['hour']} {day} {texts['month']} {weekday}"
    return _described(line if texts["second"] == "0" else f"{texts['second']} {line}")


def _at(moment: Moment, zone_name: str) -> str:
    return to_datetime(moment, tz_of(zone_name)).strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")
