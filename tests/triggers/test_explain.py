from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.moment import DAY, SECOND, Moment, iso, parse_iso
from runner.triggers import explain
from runner.triggers.base import Trigger
from runner.triggers.calendarinterval import CalendarIntervalTrigger
from runner.triggers.calendars import Calendar
from runner.triggers.combining import AndTrigger
from runner.triggers.cron.trigger import CronTrigger
from runner.triggers.schedule import build
from runner.triggers.times import tz_of

OSLO = "Europe/Oslo"
NOON = parse_iso("2026-11-24T12:00:00+01:00")


def made(schedule: Any, **calendars: Calendar) -> Trigger:
    return build(schedule, timezone=OSLO, job_id="etl", calendars=calendars)


def at(text: str) -> Moment:
    return parse_iso(text)


CASES: list[tuple[Any, str, list[str]]] = [
    ("0 2 * * *", "2026-11-24T02:00:00+01:00", ["0 2 * * * names 02:00 in Europe/Oslo"]),
    ("0 2 * * *", "2026-11-24T03:00:00+01:00", ["the hour is 03, the schedule says 2"]),
    (
        "*/15 9-17 * * mon-fri",
        "2026-11-22T18:20:00+01:00",
        [
            "it is Sunday the 22, the schedule says mon-fri",
            "the hour is 18, the schedule says 9-17",
            "the minute is 20, the schedule says */15",
        ],
    ),
    ("0 2 * jun *", "2026-11-24T02:00:00+01:00", ["the month is November, the schedule says jun"]),
    (
        "0 0 1 * fri",
        "2026-11-24T00:00:00+01:00",
        ["it is Tuesday the 24, the schedule says day 1 of the month or fri"],
    ),
    (
        "0 0 L * *",
        "2026-11-24T00:00:00+01:00",
        ["it is Tuesday the 24, the schedule says day L of the month"],
    ),
    ("30 0 2 * * *", "2026-11-24T02:00:00+01:00", ["the second is 00, the schedule says 30"]),
    (
        "0 2 * * *",
        "2026-11-24T02:00:00.500000+01:00",
        ["it is within a second, and schedules name whole ones"],
    ),
    # The night the clock goes forward: 02:30 is left out, and fires at 03:00.
    (
        "30 2 * * *",
        "2026-03-29T03:00:00+02:00",
        ["the clock went forward to 03:00: what 30 2 * * * names in the hour left out fires now"],
    ),
    ("30 2 * * *", "2026-03-29T03:30:00+02:00", ["the hour is 03, the schedule says 2"]),
    # The night it goes back: 02:30 comes twice.
    ("30 2 * * *", "2026-10-25T02:30:00+02:00", ["30 2 * * * names 02:30 in Europe/Oslo"]),
    (
        "30 2 * * *",
        "2026-10-25T02:30:00+01:00",
        [
            "the clock was set back, and shows 02:30 for the second time: a fixed time fires the first time only",
        ],
    ),
    ("*/30 * * * *", "2026-10-25T02:30:00+01:00", ["*/30 * * * * names 02:30 in Europe/Oslo"]),
    (
        {"cron": "0 2 * * *", "start": "2026-12-01", "end": "2026-12-31"},
        "2026-11-24T02:00:00+01:00",
        ["it does not fire before 2026-12-01 00:00 (start)"],
    ),
    (
        {"cron": "0 2 * * *", "end": "2026-11-01"},
        "2026-11-24T03:00:00+01:00",
        ["it does not fire after 2026-11-01 23:59:59 (end)", "the hour is 03, the schedule says 2"],
    ),
    ("every 15m", "2026-11-24T12:15:00+01:00", ["it fires every 15m, and it is time"]),
    ("every 15m", "2026-11-24T12:20:00+01:00", ["it fires every 15m, which does not come to this time"]),
    (
        {"every": "90m", "start": "2026-11-24T06:00"},
        "2026-11-24T12:30:00+01:00",
        ["it fires every 1h 30m from 2026-11-24 06:00 on, which does not come to this time"],
    ),
    ({"at": "2026-12-24T08:00"}, "2026-12-24T08:00:00+01:00", ["it fires once, at this time"]),
    ({"at": "2026-12-24T08:00"}, "2026-12-24T09:00:00+01:00", ["it fires once, 2026-12-24 08:00"]),
    (
        ["0 2 * * *", "0 14 * * *"],
        "2026-11-24T03:00:00+01:00",
        [
            "0 2 * * *: the hour is 03, the schedule says 2",
            "0 14 * * *: the hour is 03, the schedule says 14",
        ],
    ),
    (["0 2 * * *", "0 14 * * *"], "2026-11-24T14:00:00+01:00", ["0 14 * * * names 14:00 in Europe/Oslo"]),
    (
        {"every": "1h", "between": "08:00-18:00"},
        "2026-11-24T20:00:00+01:00",
        ["20:00 is not between 08:00-18:00"],
    ),
    (
        {"every": "1h", "between": "08:00-18:00"},
        "2026-11-24T20:10:00+01:00",
        ["it fires every 1h, which does not come to this time"],
    ),
]


@pytest.mark.parametrize(("schedule", "moment", "reasons"), CASES)
def test_whole_answers(schedule: Any, moment: str, reasons: list[str]) -> None:
    assert explain.why(made(schedule), at(moment)) == reasons


def test_days_off_and_what_is_moved() -> None:
    from datetime import date

    calendar = Calendar("no", add=((date(2026, 12, 24), "Christmas Eve"),))
    skip = made({"cron": "0 9 * * *", "calendar": "no"}, no=calendar)
    assert explain.why(skip, at("2026-12-24T09:00:00+01:00")) == ["2026-12-24 is a day off (Christmas Eve)"]
    roll = made({"cron": "0 9 24 12 *", "calendar": "no", "roll": "forward"}, no=calendar)
    assert explain.why(roll, at("2026-12-24T09:00:00+01:00")) == [
        "2026-12-24 is a day off (Christmas Eve), moved to 2026-12-25"
    ]
    assert explain.why(roll, at("2026-12-25T09:00:00+01:00")) == [
        "it was moved here from a day off (roll: forward)"
    ]
    assert explain.why(roll, at("2026-12-25T10:00:00+01:00")) == [
        "it is Friday the 25, the schedule says day 24 of the month",
        "the hour is 10, the schedule says 9",
    ]


def test_triggers_of_programs() -> None:
    cron = CronTrigger(year=2026, week="48", day_of_week="tue", hour=2, timezone=OSLO)
    assert explain.why(cron, at("2026-11-24T02:00:00+01:00")) == [f"{cron} names 02:00 in Europe/Oslo"]
    assert explain.why(cron, at("2027-11-24T02:00:00+01:00")) == ["the year is 2027, the schedule says 2026"]
    assert explain.why(cron, at("2026-11-17T02:00:00+01:00")) == ["the ISO week is 47, the schedule says 48"]
    assert explain.why(cron, at("2026-11-25T02:00:00+01:00")) == [
        "it is Wednesday the 25, the schedule says tue"
    ]
    both = AndTrigger([cron, CronTrigger(hour="*/2", timezone=OSLO)])
    assert explain.why(both, at("2026-11-24T04:00:00+01:00")) == [
        f"{cron}: the hour is 04, the schedule says 2"
    ]
    yearly = CalendarIntervalTrigger(years=1, start_date="2026-01-01", timezone=OSLO)
    assert explain.why(yearly, NOON) == [
        "it fires every year at 00:00, and 2026-11-24 is not one of its days",
        "it is 12:00 in Europe/Oslo, its time is 00:00",
    ]
    assert explain.why(yearly, at("2027-01-01T00:00:00+01:00")) == [
        "it fires every year at 00:00, and 2027-01-01 is one of its days"
    ]


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (CronTrigger(hour=2, timezone=OSLO), "at 02:00"),
        (CronTrigger(day_of_week="mon-fri", hour=9, timezone=OSLO), "at 09:00, Monday through Friday"),
        (CronTrigger(day="last", hour=9, timezone=OSLO), "at 09:00, on the last day of the month"),
        (CronTrigger(second="*/10", timezone=OSLO), "every 10 seconds"),
        (CronTrigger(week=3, timezone=OSLO), "cron[week='3']"),
        (CronTrigger(day_of_week=0, timezone=OSLO), "cron[day_of_week='0']"),
        (CalendarIntervalTrigger(weeks=2, hour=3, timezone=OSLO), "every 2 weeks at 03:00"),
    ],
)
def test_triggers_of_programs_in_words(trigger: Trigger, words: str) -> None:
    assert explain.words(trigger) == words


@pytest.mark.parametrize(
    ("wall", "zone", "said"),
    [
        (
            "2026-03-29T02:30",
            OSLO,
            "02:30 does not exist on 2026-03-29 in Europe/Oslo: the clock goes from 02:00 to 03:00, and this is about"
            " 03:00",
        ),
        (
            "2026-10-25T02:30",
            OSLO,
            "02:30 comes twice on 2026-10-25 in Europe/Oslo: this is about the first time, 2026-10-25T02:30+01:00 is"
            " the second",
        ),
        (
            "2026-10-04T02:10",
            "Australia/Lord_Howe",
            "02:10 does not exist on 2026-10-04 in Australia/Lord_Howe: the clock goes from 02:00 to 02:30, and this"
            " is about 02:30",
        ),
        ("2026-03-29T01:59", OSLO, ""),
        ("2026-03-29T03:00", OSLO, ""),
        ("2026-10-25T03:00", OSLO, ""),
        ("2026-06-01T02:30", OSLO, ""),
        ("2026-06-01T02:30", "UTC", ""),
    ],
)
def test_what_a_clock_change_makes_of_a_time(wall: str, zone: str, said: str) -> None:
    assert explain.clock_change(datetime.fromisoformat(wall), zone) == said


def test_several_before_and_after() -> None:
    rare = made("0 0 29 2 sun")
    assert [iso(each, tz_of(OSLO))[:10] for each in explain.following(rare, NOON, 3)] == [
        "2027-02-07",
        "2027-02-14",
        "2027-02-21",
    ]
    leap = CronTrigger(month=2, day=29, day_of_week="sun", timezone=OSLO)
    assert [iso(each, tz_of(OSLO))[:10] for each in explain.following(leap, NOON, 2)] == [
        "2032-02-29",
        "2060-02-29",
    ]
    assert [iso(each, tz_of(OSLO))[:10] for each in explain.preceding(leap, NOON, 2)] == [
        "2004-02-29",
        "1976-02-29",
    ]
    assert explain.following(made({"at": "2026-11-24T18:00"}), NOON, 5) == [at("2026-11-24T18:00:00+01:00")]
    assert explain.preceding(made({"at": "2026-11-24T18:00"}), NOON, 5) == []


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("0 2 * * *", "at 02:00"),
        ("@daily", "at 00:00"),
        ("*/15 9-17 * * mon-fri", "every 15 minutes, between 09:00 and 17:59, Monday through Friday"),
        ("30 0 2 ? * *", "at 02:00:30"),
        ("0 0 LW * *", "at 00:00, on the last weekday of the month"),
        ("every 90m", "every 1h 30m"),
        (["0 2 * * *", "every 7h"], "at 02:00; every 7h"),
        ({"every": "1h", "between": "08:00-18:00"}, "every 1h, only 08:00-18:00"),
        ({"at": "2026-12-24T08:00"}, "once, 2026-12-24 08:00"),
        ({"cron": "0 9 * * *", "calendar": "no"}, "at 09:00, on working days"),
        (
            {"cron": "0 9 * * *", "calendar": "no", "roll": "forward"},
            "at 09:00, on working days, moved forward from days off",
        ),
    ],
)
def test_schedules_in_words(schedule: Any, words: str) -> None:
    assert explain.words(made(schedule, no=Calendar("no"))) == words


SCHEDULES = [
    "* * * * *",
    "*/7 * * * *",
    "0 2 * * *",
    "30 2 * * *",
    "30 3 * * sun",
    "0 0 1 1 *",
    "0 0 29 2 *",
    "every 90s",
    "every 11d",
    ["0 2 * * *", "every 7h"],
    {"every": "1h", "between": "08:00-18:00"},
]


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(SCHEDULES), st.integers(0, 900 * DAY // SECOND))
def test_the_firing_before_a_moment(schedule: Any, offset: int) -> None:
    trigger = made(schedule)
    moment = NOON + offset * SECOND
    found = explain.previous(trigger, moment)
    assert found is not None
    assert found < moment
    assert explain.fires(trigger, found)
    following = trigger.next_after(found)
    assert following is None or following >= moment


def test_nothing_before_the_first() -> None:
    trigger = made({"at": "2026-11-24T18:00"})
    assert explain.previous(trigger, at("2026-11-24T18:00:00+01:00")) is None
    assert explain.previous(trigger, at("2026-11-24T18:00:01+01:00")) == at("2026-11-24T18:00:00+01:00")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SCHEDULES), st.integers(0, 400 * DAY // SECOND))
def test_there_is_always_a_reason_and_it_says_the_right_thing(schedule: Any, offset: int) -> None:
    trigger = made(schedule)
    moment = at("2026-03-01T00:00:00+01:00") + offset * SECOND
    reasons = explain.why(trigger, moment)
    assert reasons
    says_so = any(
        word in reason
        for reason in reasons
        for word in (" names ", "it is time", "fires now", "at this time")
    )
    assert says_so == explain.fires(trigger, moment)


def test_all_between_two_moments() -> None:
    trigger = made("30 2 * * *")
    nights = explain.between(trigger, at("2026-03-27T12:00:00+01:00"), at("2026-03-30T02:30:00+02:00"))
    assert [iso(each, tz_of(OSLO)) for each in nights] == [
        "2026-03-28T02:30:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 9 1 * friL", "at 09:00, on day 1 of the month, or on the last Friday of the month"),
        ("0 9 1,15 * mon-fri", "at 09:00, on day 1 and 15 of the month, or Monday through Friday"),
        ("0 0 29 2 sun", "at 00:00, on day 29 of the month, or on Sunday, only in February"),
        ("0 9 */2 * fri", "at 09:00, every 2 days, and only on Friday"),
        ("*/15 * 1 * mon", "every 15 minutes, on day 1 of the month, or on Monday"),
    ],
)
def test_two_day_fields_say_whether_one_is_enough(line: str, words: str) -> None:
    assert explain.words(made(line)) == words
