"""The trigger classes beside APScheduler's own, call by call: the same answers, `str` and `repr`.

In UTC, and in Berlin from April to September, where no clock changes; what differs on purpose stands at the end.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger as TheirCalendarInterval
from apscheduler.triggers.combining import AndTrigger as TheirAnd
from apscheduler.triggers.combining import OrTrigger as TheirOr
from apscheduler.triggers.cron import CronTrigger as TheirCron
from apscheduler.triggers.date import DateTrigger as TheirDate
from apscheduler.triggers.interval import IntervalTrigger as TheirInterval
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.triggers.calendarinterval import CalendarIntervalTrigger
from runner.triggers.combining import AndTrigger, OrTrigger
from runner.triggers.cron import CronTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger

BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = datetime(2026, 4, 10), datetime(2026, 9, 1)
ZONES = st.sampled_from(["UTC", "Europe/Berlin"])
STARTS = st.datetimes(SPRING, AUTUMN)
DATES = st.dates(SPRING.date(), AUTUMN.date())


def agree(ours: Any, theirs: Any, now: datetime, count: int = 5) -> None:
    """Both answer the same, from nothing and then after each of their firings."""
    previous: datetime | None = None
    for _ in range(count):
        found, right = ours.get_next_fire_time(previous, now), theirs.get_next_fire_time(previous, now)
        if right is not None and right.astimezone(BERLIN) > datetime(2026, 10, 20, tzinfo=BERLIN):
            return
        assert found == right
        if found is None:
            return
        assert found.utcoffset() == right.utcoffset()
        previous = now = found


def shown_alike(ours: Any, theirs: Any) -> None:
    assert str(ours) == str(theirs)
    assert repr(ours) == repr(theirs)


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "weeks": st.integers(0, 2),
            "days": st.integers(0, 3),
            "hours": st.integers(0, 30),
            "minutes": st.integers(0, 90),
            "seconds": st.integers(0, 200),
        },
    ),
    STARTS,
    st.one_of(st.none(), STARTS),
    STARTS,
    ZONES,
)
def test_interval(
    given_: dict[str, Any], start: datetime, end: datetime | None, now: datetime, zone: str
) -> None:
    bounds: dict[str, Any] = {
        "start_date": start,
        "end_date": end if end is not None and end >= start else None,
    }
    ours = IntervalTrigger(**given_, **bounds, timezone=zone)
    theirs = TheirInterval(**given_, **bounds, timezone=zone)
    shown_alike(ours, theirs)
    agree(ours, theirs, now.replace(tzinfo=ZoneInfo(zone)))


@settings(max_examples=100, deadline=None)
@given(STARTS, STARTS, ZONES)
def test_date(run: datetime, now: datetime, zone: str) -> None:
    ours, theirs = DateTrigger(run, timezone=zone), TheirDate(run, timezone=zone)
    shown_alike(ours, theirs)
    agree(ours, theirs, now.replace(tzinfo=ZoneInfo(zone)))


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {"days": st.integers(1, 9)}, optional={"weeks": st.integers(0, 2), "months": st.integers(0, 2)}
    ),
    st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59)),
    DATES,
    ZONES,
)
def test_calendar_interval(amounts: dict[str, Any], at: tuple[int, int, int], start: date, zone: str) -> None:
    clock: dict[str, Any] = dict(zip(("hour", "minute", "second"), at, strict=True))
    ours = CalendarIntervalTrigger(**amounts, **clock, start_date=start, timezone=zone)
    theirs = TheirCalendarInterval(**amounts, **clock, start_date=start, timezone=zone)
    if zone != "UTC":  # for UTC theirs shows Python's own `datetime.timezone.utc`
        shown_alike(ours, theirs)
    agree(ours, theirs, datetime(2026, 4, 1, tzinfo=ZoneInfo(zone)))


LINES = [
    "*/5 * * * *", "0 9 * * mon-fri", "30 2 1,15 * *", "0 */3 * * sat,sun", "15 10 * 4-9 *", "5-50/15 8-18 * * 0",
    "0 0 * * 6",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(LINES), STARTS, ZONES)
def test_crontab_text(text: str, now: datetime, zone: str) -> None:
    ours, theirs = CronTrigger.from_crontab(text, zone), TheirCron.from_crontab(text, zone)
    shown_alike(ours, theirs)
    agree(ours, theirs, now.replace(tzinfo=ZoneInfo(zone)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(LINES[:5]), min_size=1, max_size=3, unique=True), STARTS, ZONES, st.booleans()
)
def test_and_or(texts: list[str], now: datetime, zone: str, both: bool) -> None:
    """An And of which theirs finds no meeting within this summer is not asked: they search for ever."""
    ours = [CronTrigger.from_crontab(text, zone) for text in texts]
    theirs = [TheirCron.from_crontab(text, zone) for text in texts]
    begin = now.replace(tzinfo=ZoneInfo(zone))
    if both:
        found = AndTrigger(ours).get_next_fire_time(None, begin)
        if found is None or found > datetime(2026, 10, 1, tzinfo=UTC):
            return
        assert found == TheirAnd(theirs).get_next_fire_time(None, begin)
        shown_alike(AndTrigger(ours), TheirAnd(theirs))
    else:
        agree(OrTrigger(ours), TheirOr(theirs), begin)
        shown_alike(OrTrigger(ours, jitter=5), TheirOr(theirs, jitter=5))


@pytest.mark.parametrize(
    "fields",
    [
        {"hour": 24}, {"minute": "*/60"}, {"day": "32"}, {"month": "foo"}, {"day_of_week": "8"}, {"hour": "5-3"},
        {"second": "61"}, {"year": "1969"}, {"week": 54}, {"day": "6th mon"}, {"hour": "x"}, {"minute": "1/0"},
    ],
)  # fmt: skip
def test_what_is_refused(fields: dict[str, Any]) -> None:
    for make in (TheirCron, CronTrigger):
        with pytest.raises(ValueError):
            make(**fields, timezone="UTC")


# ── what differs on purpose ─────────────────────────────────────────────────────────────────


def chain(trigger: Any, start: datetime, count: int) -> list[datetime]:
    found = [start]
    for _ in range(count):
        found.append(trigger.get_next_fire_time(found[-1], found[-1]))
    return found[1:]


def test_an_hourly_job_runs_every_hour_and_a_daily_one_once_a_day() -> None:
    """Theirs leaves out or repeats; Debian's cron is the judge of ours (test_debian_cron.py)."""
    night = datetime(2026, 10, 24, 22, tzinfo=BERLIN)
    ours = [at.timestamp() for at in chain(CronTrigger(minute=30, timezone=BERLIN), night, 8)]
    assert {later - earlier for earlier, later in pairwise(ours)} == {3600}
    daily = chain(CronTrigger(hour=2, minute=30, timezone=BERLIN), night, 3)
    assert [at.isoformat() for at in daily] == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
        "2026-10-27T02:30:00+01:00",
    ]


def test_a_monthly_job_runs_every_month() -> None:
    """Theirs leaves out 1 April, because the clock changed in March."""
    march = datetime(2026, 3, 1, tzinfo=BERLIN)
    ours = chain(CronTrigger(day=1, timezone=BERLIN), march, 2)
    theirs = chain(TheirCron(day=1, timezone=BERLIN), march, 1)
    assert [(at.month, at.day) for at in ours] == [(4, 1), (5, 1)]
    assert [(at.month, at.day) for at in theirs] == [(5, 1)]


def test_a_calendar_interval_does_not_begin_in_the_past() -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    first = CalendarIntervalTrigger(days=1, start_date="2026-05-01", timezone="UTC").get_next_fire_time(
        None, now
    )
    theirs = TheirCalendarInterval(days=1, start_date="2026-05-01", timezone="UTC").get_next_fire_time(
        None, now
    )
    assert first is not None
    assert theirs is not None
    assert theirs < now <= first


def test_an_and_that_never_meets_ends() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    even = IntervalTrigger(seconds=10, start_date=now)
    assert (
        AndTrigger(
            [even, IntervalTrigger(seconds=10, start_date=now + timedelta(seconds=5))]
        ).get_next_fire_time(None, now)
        is None
    )
