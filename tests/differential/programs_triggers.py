"""Programs that make triggers and ask them: attributes, texts, next times, errors."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.differential.library import Library

NOW = datetime(2040, 6, 15, 10, 20, 30, tzinfo=UTC)
KINDS = {
    "date": "triggers.date:DateTrigger",
    "interval": "triggers.interval:IntervalTrigger",
    "cron": "triggers.cron:CronTrigger",
    "calendarinterval": "triggers.calendarinterval:CalendarIntervalTrigger",
}


def make(lib: Library, kind: str, **options: Any) -> Any:
    module, _, name = KINDS[kind].partition(":")
    return getattr(lib(module), name)(**options)


def asked(lib: Library, trigger: Any, count: int = 4, now: datetime = NOW) -> None:
    """Its next times, as a scheduler would ask for them."""
    previous: datetime | None = None
    for _ in range(count):
        previous = trigger.get_next_fire_time(previous, now)
        lib.say(previous)
        if previous is None:
            return
        now = max(now, previous + timedelta(seconds=1))


def interval_triggers(lib: Library) -> None:
    for options in (
        {"hours": 2, "start_date": "2040-06-01"},
        {"weeks": 1, "days": 2, "minutes": 3, "seconds": 4.5, "start_date": datetime(2040, 1, 1, 5)},
        {"seconds": 30, "start_date": "2040-06-15 10:00:00", "end_date": "2040-06-15 10:21:30"},
        {"start_date": date(2041, 1, 1)},
    ):
        trigger = make(lib, "interval", timezone="UTC", **options)
        lib.say(str(trigger), repr(trigger), trigger.interval, trigger.interval_length)
        lib.say(trigger.start_date, trigger.end_date, trigger.jitter, str(trigger.timezone))
        asked(lib, trigger)


def date_triggers(lib: Library) -> None:
    for options in (
        {"run_date": "2040-07-01 10:00:00"},
        {"run_date": date(2040, 7, 1)},
        {"run_date": datetime(2040, 7, 1, 10, tzinfo=ZoneInfo("Europe/Berlin"))},
        {"run_date": "2020-01-01"},
        {"run_date": "2040-07-01T10:00:00+02:00"},
        {"run_date": "2040-07-01 10:00:00.123456"},
        {"run_date": "2040-7-1"},
        {"run_date": "2040-7-1 9:5:3"},
        {"run_date": "2040-7-01T10:5:03.123456+02:00"},
        {"run_date": "2040-12-1 10:15:3Z"},
    ):
        trigger = make(lib, "date", timezone="UTC", **options)
        lib.say(str(trigger), repr(trigger), trigger.run_date)
        asked(lib, trigger)


def cron_triggers(lib: Library) -> None:
    for options in (
        {"hour": 5},
        {"second": "*/20"},
        {"day": "last", "hour": 1},
        {"day": "2nd fri", "hour": "6-9/3"},
        {"day": "last sun"},
        {"day_of_week": "mon-fri", "hour": "9,17", "minute": 30},
        {"week": "1,53"},
        {"year": "2041-2043", "month": "jan-mar/2", "day": 31},
        {"month": "*/5"},
        {"minute": "5/20"},
        {"hour": 0, "start_date": "2040-07-01", "end_date": "2040-07-03"},
        {"year": 2001},
        {"day_of_week": 6},
        {"day_of_week": "sat,sun", "month": 7},
        {"hour": "*", "minute": "0"},
    ):
        trigger = make(lib, "cron", timezone="UTC", **options)
        lib.say(
            str(trigger),
            repr(trigger),
            trigger.start_date,
            trigger.end_date,
            trigger.jitter,
            str(trigger.timezone),
        )
        lib.say([(field.name, str(field), field.is_default) for field in trigger.fields])
        asked(lib, trigger)


def crontab_texts(lib: Library) -> None:
    cron = lib("triggers.cron").CronTrigger
    for text in ("0 5 * * *", "*/15 9-17 * * mon-fri", "0 0 1 1 *", "30 4 1,15 * 5", "0 12 * jan sun"):
        trigger = cron.from_crontab(text, "UTC")
        lib.say(text, str(trigger), repr(trigger))
        asked(lib, trigger)
    for text in ("", "* * * *", "* * * * * *", "60 * * * *", "@daily x y z a"):
        lib.try_(cron.from_crontab, text)


def calendar_intervals(lib: Library) -> None:
    good: tuple[dict[str, Any], ...] = (
        {"days": 2, "start_date": date(2040, 6, 20)},
        {"months": 1, "start_date": date(2040, 6, 30), "hour": 3},
        {"years": 1, "start_date": date(2040, 8, 29)},
        {"weeks": 2, "start_date": date(2040, 7, 1), "end_date": date(2040, 7, 20), "minute": 5, "second": 6},
    )
    for options in good:
        trigger = make(lib, "calendarinterval", timezone="UTC", **options)
        lib.say(str(trigger), repr(trigger), trigger.start_date, trigger.end_date)
        lib.say(trigger.years, trigger.months, trigger.weeks, trigger.days)
        asked(lib, trigger)
    wrong: tuple[dict[str, Any], ...] = (
        {},
        {"days": -1},
        {"days": 1, "start_date": date(2040, 2, 1), "end_date": date(2040, 1, 1)},
    )
    for options in wrong:
        lib.try_(make, lib, "calendarinterval", **options)


def combined(lib: Library) -> None:
    combining = lib("triggers.combining")
    monday = make(lib, "cron", day_of_week="mon", timezone="UTC")
    noon = make(lib, "cron", hour=12, timezone="UTC")
    friday = make(lib, "cron", day_of_week="fri", hour=8, timezone="UTC")
    either = combining.OrTrigger([monday, friday])
    lib.say(str(either), repr(either), len(either.triggers))
    asked(lib, either)
    both = combining.AndTrigger([make(lib, "cron", day_of_week="mon", hour=12, timezone="UTC"), noon])
    lib.say(str(both), repr(both), len(both.triggers))
    asked(lib, both, 1)


def constructors(lib: Library) -> None:
    import inspect

    for place in KINDS.values():
        module, _, name = place.partition(":")
        kind = getattr(lib(module), name)
        lib.say(name, list(inspect.signature(kind).parameters))
    for name in ("AndTrigger", "OrTrigger"):
        lib.say(name, list(inspect.signature(getattr(lib("triggers.combining"), name)).parameters))


def wrong_values(lib: Library) -> None:
    for kind, options in (
        ("interval", {"start_date": "x"}),
        ("interval", {"seconds": 1, "timezone": 5}),
        ("date", {"run_date": "2040-02-30"}),
        ("cron", {"hour": "24"}),
        ("cron", {"hour": "5-3"}),
        ("cron", {"day": "6th mon"}),
        ("cron", {"day": "0"}),
        ("cron", {"month": "13"}),
        ("cron", {"second": "*/61"}),
        ("cron", {"week": 54}),
        ("cron", {"year": 1800}),
        ("cron", {"day_of_week": "7"}),
        ("cron", {"day_of_week": "mon-x"}),
        ("cron", {"minute": ""}),
        ("cron", {"minute": "a,b"}),
        ("cron", {"no_such": 1}),
    ):
        lib.say(kind, options)
        lib.try_(make, lib, kind, **options)


def attributes(lib: Library) -> None:
    """What programs read of a trigger."""
    far = datetime(2040, 1, 1, 12, tzinfo=UTC)
    cron = lib("triggers.cron").CronTrigger(
        day="1st mon,last fri", hour="*/3", timezone="UTC", start_date=far, jitter=5
    )
    lib.say([(field.name, str(field), field.is_default) for field in cron.fields], cron.FIELD_NAMES)
    lib.say(cron.start_date, cron.end_date, str(cron.timezone), cron.jitter)
    interval = lib("triggers.interval").IntervalTrigger(minutes=5, start_date=far, timezone="UTC", jitter=2.5)
    lib.say(
        interval.interval, interval.interval_length, interval.start_date, interval.end_date, interval.jitter
    )
    lib.say(lib("triggers.date").DateTrigger(far).run_date)
    either = lib("triggers.combining").OrTrigger([interval, cron], jitter=2)
    lib.say(either.jitter, len(either.triggers), str(either))
    months = lib("triggers.calendarinterval").CalendarIntervalTrigger(months=1, timezone="UTC")
    lib.say(months.months, months.days, months.jitter, months.end_date)
    for trigger in (cron, interval, either):
        lib.say(str(pickle.loads(pickle.dumps(trigger))), str(copy.deepcopy(trigger)))


def jitter(lib: Library) -> None:
    planned = datetime(2040, 6, 16, 4, tzinfo=UTC)
    trigger = make(lib, "cron", hour=4, timezone="UTC", jitter=60)
    found = [trigger.get_next_fire_time(None, NOW) for _ in range(5)]
    lib.say(all(timedelta() <= each - planned <= timedelta(seconds=60) for each in found))
    lib.say(set(found) == {planned})


PROGRAMS = [
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and name not in ("make", "asked")
]
