"""The trigger classes of the programming interface: what they say, and when they fire."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import TriggerError
from runner.moment import HOUR, Moment, from_datetime, to_datetime
from runner.triggers import BaseTrigger, load
from runner.triggers.calendarinterval import CalendarIntervalTrigger
from runner.triggers.combining import AndTrigger, OrTrigger
from runner.triggers.cron import CrontabTrigger, CronTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OSLO = ZoneInfo("Europe/Oslo")


def firings(trigger: BaseTrigger, count: int, now: datetime = NOW) -> list[str]:
    found: list[str] = []
    previous: datetime | None = None
    for _ in range(count):
        previous = trigger.get_next_fire_time(previous, now)
        if previous is None:
            break
        found.append(previous.isoformat().removesuffix("+00:00").removesuffix(":00"))
    return found


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"hour": 5}, ["2026-01-01T05:00", "2026-01-02T05:00"]),
        ({"minute": 30}, ["2026-01-01T00:30", "2026-01-01T01:30"]),
        ({"second": "*/20"}, ["2026-01-01T00:00", "2026-01-01T00:00:20"]),
        ({"day": "last"}, ["2026-01-31T00:00", "2026-02-28T00:00"]),
        ({"day": "2nd fri", "hour": "6"}, ["2026-01-09T06:00", "2026-02-13T06:00"]),
        ({"day": "last sun, 1st mon"}, ["2026-01-05T00:00", "2026-01-25T00:00"]),
        ({"month": "jun-aug", "day": "5th sat"}, ["2026-08-29T00:00", "2027-07-31T00:00"]),
        ({"week": 53, "day_of_week": "mon"}, ["2026-12-28T00:00", "2032-12-27T00:00"]),
        ({"day": 13, "day_of_week": "fri"}, ["2026-02-13T00:00", "2026-03-13T00:00"]),
        ({"day_of_week": 0, "hour": 9}, ["2026-01-05T09:00", "2026-01-12T09:00"]),
        ({"year": "2028/4", "month": 2, "day": 29}, ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ({"year": 2026, "month": 1, "day": 2}, ["2026-01-02T00:00"]),
        ({"year": 2020}, []),
        ({"month": 2, "day": 31}, []),
        ({"hour": "8-10/2", "minute": "5,50"}, ["2026-01-01T08:05", "2026-01-01T08:50"]),
    ],
)
def test_cron_fields(fields: dict[str, Any], expected: list[str]) -> None:
    trigger = CronTrigger(**fields, timezone="UTC")
    assert firings(trigger, 2) == expected
    assert load(trigger.to_json()) == trigger
    assert pickle.loads(pickle.dumps(trigger)) == trigger


def test_from_crontab_counts_from_monday_unless_asked_for_vixie() -> None:
    assert firings(CronTrigger.from_crontab("0 0 * * 0", "UTC"), 1) == ["2026-01-05T00:00"]
    vixie = CronTrigger.from_crontab("0 0 * * 0", "UTC", dialect="vixie")
    assert isinstance(vixie, CrontabTrigger)
    assert firings(vixie, 1) == ["2026-01-04T00:00"]
    with pytest.raises(ValueError, match="Wrong number of fields; got 3, expected 5"):
        CronTrigger.from_crontab("0 0 *")


def test_a_daily_job_runs_once_and_an_hourly_one_every_hour() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=OSLO)
    daily = CronTrigger(hour=2, minute=30, timezone="Europe/Oslo")
    assert firings(daily, 2, before) == ["2026-03-29T03:00:00+02", "2026-03-30T02:30:00+02"]
    hourly = CronTrigger(minute=30, timezone="Europe/Oslo")
    found = [from_datetime(before)]
    for _ in range(48):
        after = hourly.next_after(found[-1])
        assert after is not None
        found.append(after)
    assert {b - a for a, b in pairwise(found[1:])} == {HOUR}


def test_bounds_are_inclusive_and_the_first_answer_may_be_now() -> None:
    trigger = CronTrigger(hour=0, timezone="UTC", start_date="2026-01-01", end_date=date(2026, 1, 2))
    assert firings(trigger, 3) == ["2026-01-01T00:00", "2026-01-02T00:00"]


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (IntervalTrigger(hours=2, timezone="UTC"), ["2026-01-01T00:00", "2026-01-01T02:00"]),
        (
            IntervalTrigger(days=1, start_date="2025-12-31 10:00:00", timezone="UTC"),
            ["2026-01-01T10:00", "2026-01-02T10:00"],
        ),
        (IntervalTrigger(seconds=0.5, timezone="UTC"), ["2026-01-01T00:00", "2026-01-01T00:00:00.500000"]),
        (
            IntervalTrigger(hours=2, timezone="UTC").anchored(from_datetime(NOW) + 1),
            ["2026-01-01T02:00:00.000001"],
        ),
        (
            IntervalTrigger(days=3, start_date="2026-02-01", end_date="2026-02-04", timezone="UTC"),
            ["2026-02-01T00:00", "2026-02-04T00:00"],
        ),
        (DateTrigger("2020-01-01", timezone="UTC"), ["2020-01-01T00:00"]),
        (DateTrigger(timezone="UTC"), ["2026-01-01T00:00"]),
        (
            CalendarIntervalTrigger(months=1, start_date="2026-01-31", timezone="UTC"),
            ["2026-01-31T00:00", "2026-03-31T00:00", "2026-05-31T00:00"],
        ),
        (
            CalendarIntervalTrigger(months=1, days=1, start_date="2026-01-31", timezone="UTC"),
            ["2026-01-31T00:00", "2026-04-01T00:00", "2026-05-02T00:00"],
        ),
        (
            CalendarIntervalTrigger(years=1, start_date="2020-02-29", hour=7, timezone="UTC"),
            ["2028-02-29T07:00", "2032-02-29T07:00"],
        ),
        (
            CalendarIntervalTrigger(weeks=2, start_date=date(2025, 12, 29), hour=3, timezone="UTC"),
            ["2026-01-12T03:00", "2026-01-26T03:00"],
        ),
        (
            CalendarIntervalTrigger(days=2, start_date="2026-01-02", end_date="2026-01-04", timezone="UTC"),
            ["2026-01-02T00:00", "2026-01-04T00:00"],
        ),
    ],
)
def test_other_kinds(trigger: BaseTrigger, expected: list[str]) -> None:
    assert firings(trigger, 3)[: len(expected)] == expected
    copy = load(trigger.to_json())
    assert copy == trigger
    assert hash(copy) == hash(trigger)
    assert pickle.loads(pickle.dumps(trigger)) == trigger


def test_a_calendar_interval_through_a_clock_change_fires_once_a_day() -> None:
    trigger = CalendarIntervalTrigger(
        days=1, hour=2, minute=30, start_date="2026-03-28", timezone="Europe/Oslo"
    )
    assert firings(trigger, 3, datetime(2026, 3, 28, tzinfo=OSLO)) == [
        "2026-03-28T02:30:00+01",
        "2026-03-29T03:00:00+02",
        "2026-03-30T02:30:00+02",
    ]


def test_and_or() -> None:
    at_six = CronTrigger(hour=6, timezone="UTC")
    mondays = CronTrigger(day_of_week="mon", hour="*", timezone="UTC")
    assert firings(AndTrigger([at_six, mondays]), 2) == ["2026-01-05T06:00", "2026-01-12T06:00"]
    dates = [DateTrigger("2026-02-01", timezone="UTC"), DateTrigger("2026-03-01", timezone="UTC")]
    assert firings(OrTrigger(dates), 3) == ["2026-02-01T00:00", "2026-03-01T00:00"]
    with pytest.raises(TriggerError):
        OrTrigger([])


def test_an_and_that_never_meets_ends() -> None:
    even = IntervalTrigger(seconds=10, start_date=NOW)
    odd = IntervalTrigger(seconds=10, start_date=NOW + timedelta(seconds=5))
    assert AndTrigger([even, odd]).next_after(from_datetime(NOW)) is None
    sevens = IntervalTrigger(seconds=7, start_date=NOW + timedelta(seconds=3))
    meeting = AndTrigger([even, sevens]).next_after(from_datetime(NOW))
    assert meeting == from_datetime(NOW + timedelta(seconds=10))
    crons = AndTrigger([CronTrigger(hour=6, timezone="UTC"), CronTrigger(hour=7, timezone="UTC")])
    assert crons.next_after(from_datetime(NOW)) is None


def test_an_and_whose_intervals_meet_after_the_end_of_time_has_no_next_time() -> None:
    one, other = IntervalTrigger.of(2_571_326_000_001), IntervalTrigger.of(1_229_809_403_007)
    assert AndTrigger([one, other]).next_after(from_datetime(NOW)) is None


class _Counted(BaseTrigger):
    """Counts how often it is asked."""

    def __init__(self, inner: BaseTrigger) -> None:
        self.inner, self.asked = inner, 0

    def next_after(self, moment: Moment) -> Moment | None:
        self.asked += 1
        return self.inner.next_after(moment)


def test_an_and_that_meets_once_in_a_lifetime_is_not_searched_for() -> None:
    """Two intervals a microsecond apart in length meet every eleven days; that is arithmetic, not a walk."""
    one = IntervalTrigger(seconds=1, start_date=NOW)
    other = IntervalTrigger.of(1_000_001, start=from_datetime(NOW))
    counted = _Counted(CronTrigger(second="*", timezone="UTC"))
    found = AndTrigger([one, other, counted]).next_after(from_datetime(NOW))
    assert found == from_datetime(NOW) + 1_000_000 * 1_000_001
    assert counted.asked <= 2


def test_a_search_that_finds_nothing_is_bounded() -> None:
    six = _Counted(CronTrigger(hour=6, timezone="UTC"))
    seven = _Counted(CronTrigger(hour=7, timezone="UTC"))
    assert AndTrigger([six, seven]).next_after(from_datetime(NOW)) is None
    assert six.asked + seven.asked <= 20_000


@pytest.mark.parametrize(
    ("trigger", "shown", "represented"),
    [
        (
            CronTrigger(day="last", hour="1", timezone="UTC"),
            "cron[day='last', hour='1']",
            "<CronTrigger (day='last', hour='1', timezone='UTC')>",
        ),
        (
            CronTrigger(
                hour="05/10", day_of_week="MON-fri", start_date="2026-01-01", jitter=3, timezone="UTC"
            ),
            "cron[day_of_week='mon-fri', hour='5/10']",
            "<CronTrigger (day_of_week='mon-fri', hour='5/10', start_date='2026-01-01 00:00:00 UTC', jitter=3,"
            " timezone='UTC')>",
        ),
        (
            IntervalTrigger(hours=2, start_date="2026-01-01", timezone="UTC"),
            "interval[2:00:00]",
            "<IntervalTrigger (interval=datetime.timedelta(seconds=7200), start_date='2026-01-01 00:00:00 UTC',"
            " timezone='UTC')>",
        ),
        (
            DateTrigger("2030-01-01", timezone="UTC"),
            "date[2030-01-01 00:00:00 UTC]",
            "<DateTrigger (run_date='2030-01-01 00:00:00 UTC')>",
        ),
        (
            OrTrigger([DateTrigger("2030-01-01", timezone="UTC")], jitter=3),
            "or[date[2030-01-01 00:00:00 UTC]]",
            "<OrTrigger([<DateTrigger (run_date='2030-01-01 00:00:00 UTC')>], jitter=3)>",
        ),
    ],
)
def test_how_they_are_shown(trigger: BaseTrigger, shown: str, represented: str) -> None:
    assert (str(trigger), repr(trigger)) == (shown, represented)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"hour": 24},
            'hour field: "24" has 24, out of range: expected 0 to 23'
            " (write 0 to 23, a range a-b, a step */n, a list, or *)",
        ),
        (
            {"minute": "*/60"},
            'minute field: "*/60" has the step 60, longer than its range of 59'
            " (write 0 to 59, a range a-b, a step */n, a list, or *)",
        ),
        (
            {"minute": "5-1"},
            'minute field: "5-1" is a range that runs backwards (write it as two ranges, with a comma)',
        ),
        ({"day": "6th mon"}, 'day field: "6th mon" has "6th" (write 1st, 2nd, 3rd, 4th, 5th or last)'),
        ({"day": "2nd mno"}, 'day field: "2nd mno" has "mno", which is no weekday (did you mean mon?)'),
        (
            {"day_of_week": "mno"},
            'day_of_week field: "mno" has "mno", which is no number or name (did you mean mon?)',
        ),
        (
            {"hour": ""},
            'hour field: "" is no expression (write 0 to 23, a range a-b, a step */n, a list, or *)',
        ),
    ],
)
def test_errors(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(TriggerError) as error:
        CronTrigger(**fields, timezone="UTC")
    assert str(error.value) == message


@pytest.mark.parametrize("jitter", ["1", b"1", [1], -1, float("nan")])
@pytest.mark.parametrize(
    "make",
    [
        lambda jitter: IntervalTrigger(hours=1, jitter=jitter),
        lambda jitter: CronTrigger(hour=1, jitter=jitter),
        lambda jitter: CalendarIntervalTrigger(days=1, jitter=jitter),
        lambda jitter: OrTrigger([IntervalTrigger(hours=1)], jitter=jitter),
    ],
)
def test_a_jitter_that_is_no_number_of_seconds(make: Callable[[Any], BaseTrigger], jitter: Any) -> None:
    with pytest.raises(TriggerError) as error:
        make(jitter)
    assert str(error.value) == f"jitter is {jitter!r} (give seconds, 0 or more, at most a year)"


@pytest.mark.parametrize("zone", [UTC, "UTC", OSLO, "Europe/Oslo", timezone(timedelta(hours=5, minutes=30))])
def test_zones_of_every_kind_are_kept_by_name(zone: Any) -> None:
    trigger = CronTrigger(hour=5, timezone=zone)
    assert load(trigger.to_json()) == trigger
    assert trigger.get_next_fire_time(None, NOW) == trigger.get_next_fire_time(None, NOW.astimezone(OSLO))


class _EveryFullHour(BaseTrigger):
    """As programs for APScheduler 3 write theirs."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        after = previous_fire_time + timedelta(microseconds=1) if previous_fire_time else now
        return -(-(after - NOW) // timedelta(hours=1)) * timedelta(hours=1) + NOW


def test_a_trigger_of_a_programs_own() -> None:
    trigger = _EveryFullHour()
    moment = from_datetime(NOW)
    assert trigger.next_after(moment) == moment + HOUR
    assert trigger.next_after(moment - 1) == moment
    with pytest.raises(
        TypeError, match="_EveryFullHour has no JSON form, so it cannot be stored: define to_json"
    ):
        trigger.to_json()


values = st.one_of(st.just("*"), st.sampled_from(["*/2", "*/5", "1-4", "2,4", "3", "1/3"]))
times = {"hour": values, "minute": values, "second": values}
days = {"month": values, "day": st.one_of(values, st.sampled_from(["last", "2nd fri", "last sun"]))}
weeks = {"week": values, "day_of_week": st.sampled_from(["*", "mon-fri", "0", "sat,sun"])}
# Of the days one kind only: where little is left, the rival searches the calendar to its end.
fields_given = st.one_of(
    st.fixed_dictionaries({}, optional=days | times), st.fixed_dictionaries({}, optional=weeks | times)
)


@settings(max_examples=150, deadline=None)
@given(fields_given, st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1)))
def test_the_same_answers_as_apscheduler_in_utc(fields: dict[str, Any], moment: datetime) -> None:
    """Without clock changes the two mean the same."""
    rival = pytest.importorskip(
        "apscheduler.triggers.cron", reason="the rival is installed for comparison only"
    )
    now = moment.replace(tzinfo=UTC)
    try:
        theirs = rival.CronTrigger(**fields, timezone="UTC")
    except ValueError:
        with pytest.raises(TriggerError):
            CronTrigger(**fields, timezone="UTC")
        return
    ours = CronTrigger(**fields, timezone="UTC")
    assert ours.fields
    assert [str(one) for one in ours.fields] == [str(one) for one in theirs.fields]
    assert str(ours) == str(theirs)
    previous = None
    for _ in range(3):
        found = theirs.get_next_fire_time(previous, now)
        assert ours.get_next_fire_time(previous, now) == found
        if found is None:
            return
        previous = now = found


def test_get_next_fire_time_answers_in_the_triggers_zone() -> None:
    found = CronTrigger(hour=5, timezone="Europe/Oslo").get_next_fire_time(None, NOW)
    assert found is not None
    assert found.isoformat() == "2026-01-01T05:00:00+01:00"
    assert to_datetime(from_datetime(found)) == found
