"""Whatever somebody writes: a trigger, or the library's own error with a fact; never anything else."""

from __future__ import annotations

import string
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.errors import TriggerError
from runner.moment import parse_iso
from runner.triggers import explain, load
from runner.triggers.base import Trigger
from runner.triggers.calendarinterval import CalendarIntervalTrigger
from runner.triggers.calendars import Calendar, dates_of_ics, read
from runner.triggers.combining import AndTrigger, OrTrigger
from runner.triggers.cron import CrontabTrigger, CronTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.lint import lint
from runner.triggers.schedule import build

NOW = parse_iso("2026-01-15T12:00:00Z")

PIECES = [
    *"0123456789*/-,?#LWHlwh@() \t.:+",
    "mon", "fri", "sun", "jan", "dec", "every", "at", "weekday", "60", "24", "31", "-1", "99999999999999999999", "１",
    "²", "١", "İ", "ſ", "\0", "\n", "1st", "last", "2nd", "5m", "15m", "2d", "1w", "P1D", "02:00", "7:30", "noon",
    "2026-12-24", "T08:00", "0000", "9999-12-31", "@daily", "@every", "@reboot", "W15", "LW", "L-", "#6", "H(1-2)",
]  # fmt: skip
SHAPED = st.lists(st.sampled_from(PIECES), min_size=0, max_size=9).map("".join)
SPACED = st.lists(SHAPED, min_size=1, max_size=7).map(" ".join)
TEXTS = st.one_of(SHAPED, SPACED, st.text(max_size=30), st.text(string.printable, max_size=30))
VALUES = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.lists(TEXTS, max_size=2),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
)
KEYS = st.sampled_from(
    ["cron", "every", "at", "timezone", "start", "end", "jitter", "between", "calendar", "roll", "cron "]
)
NICE = st.fixed_dictionaries(
    {"cron": st.sampled_from(["0 2 * * *", "*/5 * * * *"])},
    optional={
        "timezone": st.one_of(TEXTS, st.just("Europe/Oslo")),
        "start": VALUES,
        "end": VALUES,
        "jitter": VALUES,
        "between": VALUES,
        "calendar": st.one_of(TEXTS, st.just("no")),
        "roll": VALUES,
    },
)
SCHEDULES = st.one_of(
    VALUES, NICE, st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.one_of(VALUES, NICE), max_size=3)
)
WEEKEND = Calendar("no", weekend=frozenset({5, 6}))


def attempt(make: Callable[[], Any], *also: type[Exception]) -> Any:
    """What was made; None where the library said what is wrong, or where one of `also` was raised."""
    try:
        return make()
    except TriggerError as error:
        said = error
    except also:
        return None
    if not said.fact or "\n" in said.hint or len(str(said)) > 3_000:
        raise said
    return None


def tried(make: Callable[[], Trigger], *also: type[Exception]) -> None:
    """Either it says what is wrong, or it can be asked everything."""
    trigger = attempt(make, *also)
    if trigger is None:
        return
    found = trigger.next_after(NOW)
    assert found is None or found > NOW
    assert explain.why(trigger, NOW)
    assert explain.words(trigger)
    lint(trigger, NOW)
    assert load(trigger.to_json()).next_after(NOW) == found


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
@example("0 0 * * L5")
@example("0 0 ١ * *")
@example("0 0 ² * *")
@example("*/99999999999999999999999 * * * *")
@example("H(5-1) * * * *")
@example("at 2026-02-30T08:00")
@example("at 9999-12-31T23:59:59+00:00")
@example("every 99999999999999999999d")
def test_any_text(text: str) -> None:
    tried(lambda: build(text, timezone="Europe/Oslo", job_id="etl", calendars={}))
    tried(lambda: CrontabTrigger.of(text, "Europe/Oslo", job_id="etl"))
    tried(lambda: CronTrigger.from_crontab(text, "Europe/Oslo"))


@settings(max_examples=1000, deadline=None)
@given(SCHEDULES)
def test_any_schedule(schedule: Any) -> None:
    tried(lambda: build(schedule, timezone="Europe/Oslo", job_id="etl", calendars={"no": WEEKEND}))


FIELDS = st.one_of(st.integers(-5, 100), SHAPED, st.text(max_size=6))


@settings(max_examples=1000, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["year", "month", "day", "week", "day_of_week", "hour", "minute", "second"]),
        FIELDS,
        max_size=3,
    )
)
def test_any_fields(fields: dict[str, Any]) -> None:
    tried(lambda: CronTrigger(**fields, timezone="UTC"))


ANY = st.one_of(VALUES, st.just(float("nan")), st.just(float("inf")))


@settings(max_examples=500, deadline=None)
@given(ANY, ANY, ANY, ANY, ANY)
def test_any_arguments(one: Any, two: Any, start: Any, end: Any, zone: Any) -> None:
    """A value of a wrong Python type is a TypeError, as anywhere in Python."""

    def loose(make: Callable[[], Trigger]) -> None:
        tried(make, TypeError)

    loose(lambda: IntervalTrigger(hours=one, seconds=two, start_date=start, end_date=end, timezone="UTC"))
    loose(lambda: IntervalTrigger(seconds=5, jitter=one, timezone=zone))
    loose(
        lambda: CalendarIntervalTrigger(days=one, months=two, start_date=start, end_date=end, timezone="UTC")
    )
    loose(lambda: CalendarIntervalTrigger(days=1, hour=one, minute=two, timezone=zone))
    loose(lambda: DateTrigger(start, timezone="UTC"))
    loose(lambda: CronTrigger(hour=5, start_date=start, end_date=end, jitter=one, timezone=zone))
    loose(lambda: AndTrigger([one, two]))
    loose(lambda: OrTrigger([IntervalTrigger(seconds=5, timezone="UTC")], jitter=one))


@settings(max_examples=500, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["country", "subdivision", "weekend", "add", "remove"]), VALUES), TEXTS
)
def test_any_calendar(data: dict[str, Any], ics: str) -> None:
    for make in (lambda: read("no", data), lambda: dates_of_ics(ics), lambda: read("no", {}, ics=ics)):
        attempt(make)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)
STORED = st.dictionaries(
    st.sampled_from(
        ["cron", "fields", "seconds", "timezone", "start", "end", "jitter", "triggers", "trigger", "windows",
         "calendar", "roll", "time", "days", "start_date"]
    ),
    JSON,
)  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(
    st.sampled_from(
        [
            "crontab",
            "cron",
            "calendarinterval",
            "interval",
            "date",
            "or",
            "and",
            "between",
            "workdays",
            "x",
            None,
        ]
    ),
    STORED,
)
def test_any_stored_trigger(kind: Any, data: dict[str, Any]) -> None:
    tried(lambda: load({"type": kind, **data}))


@pytest.mark.parametrize(
    "when", [date(1, 1, 1), datetime(9999, 12, 31, 23, 59), "0001-01-01", "9999-12-31T23:59:59"]
)
def test_the_ends_of_time(when: Any) -> None:
    tried(lambda: DateTrigger(when, timezone="Pacific/Apia"))
    tried(lambda: CronTrigger(hour=5, start_date=when, timezone="Pacific/Apia"))
    tried(lambda: IntervalTrigger(seconds=5, start_date=when, timezone="Pacific/Apia"))
    tried(
        lambda: build({"cron": "0 2 * * *", "end": when}, timezone="Pacific/Apia", job_id="a", calendars={})
    )
