from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import TriggerError
from runner.moment import SECOND, iso, parse_iso, to_datetime
from runner.triggers import Passed, Trigger, load
from runner.triggers.calendars import Calendar, dates_of_ics, read
from runner.triggers.schedule import build
from runner.triggers.zones import zone

NORWAY = read(
    "norway", {"country": "NO", "weekend": ["sat", "sun"], "add": ["2026-12-24"], "remove": ["2026-05-17"]}
)
WEEKEND = Calendar("weekend", weekend=frozenset({5, 6}))
CALENDARS = {"norway": NORWAY, "weekend": WEEKEND}


def made(schedule: Any) -> Trigger:
    trigger = build(schedule, timezone="Europe/Oslo", job_id="x", calendars=CALENDARS)
    assert load(trigger.to_json()) == trigger
    return trigger


def firings(trigger: Trigger, after: str, count: int) -> list[str]:
    found: list[str] = []
    at: int | None = parse_iso(after)
    while at is not None and len(found) < count:
        at = trigger.next_after(at)
        if at is not None:
            found.append(iso(at, zone("Europe/Oslo").info)[:16])
    return found


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2026, 12, 25), "Christmas Day"),
        (date(2026, 12, 24), "added day off"),
        (date(2026, 5, 17), None),
        (date(2026, 5, 16), "Saturday"),
        (date(2026, 5, 18), None),
    ],
)
def test_days_off(day: date, why: str | None) -> None:
    assert NORWAY.day_off(day) == why


def test_roll_forward() -> None:
    """Case 21: moved to the next working day, once even where that day has the same time of its own."""
    trigger = made({"cron": "0 9 * * mon-fri", "calendar": "norway", "roll": "forward"})
    assert firings(trigger, "2026-12-23T12:00+01:00", 3) == [
        "2026-12-28T09:00",
        "2026-12-29T09:00",
        "2026-12-30T09:00",
    ]
    assert list(trigger.passed(parse_iso("2026-12-23T12:00+01:00"), parse_iso("2026-12-31T00:00+01:00"))) == [
        Passed(
            parse_iso("2026-12-24T09:00+01:00"),
            "calendar",
            "2026-12-24 is a day off (added day off), moved to 2026-12-28",
        ),
        Passed(
            parse_iso("2026-12-25T09:00+01:00"),
            "calendar",
            "2026-12-25 is a day off (Christmas Day), moved to 2026-12-28",
        ),
    ]


@pytest.mark.parametrize(
    ("schedule", "times"),
    [
        ({"cron": "30 2 * * *"}, ["02:30"]),
        ({"at": ["02:30", "05:00"]}, ["02:30", "05:00"]),
        ({"cron": "0,45 2,3 * * *"}, ["02:00", "02:45", "03:00", "03:45"]),
        ({"cron": "30 2 * * *", "between": "01:00-04:00"}, ["02:30"]),
        ({"cron": "*/30 2,3 * * *"}, ["02:00", "02:30", "03:00", "03:30"]),
    ],
)
@pytest.mark.parametrize(("roll", "day"), [("forward", "2027-03-29"), ("backward", "2027-03-26")])
def test_what_a_clock_change_moved_on_a_day_off_is_moved_as_it_is_meant(
    schedule: dict[str, Any], times: list[str], roll: str, day: str
) -> None:
    """02:30 of the Sunday is left out and fires at 03:00: on the working day it is 02:30, which that has anyway."""
    trigger = made({**schedule, "calendar": "weekend", "roll": roll})
    after = iso(parse_iso(f"{day}T00:00Z") - 6 * 3600 * SECOND)
    assert firings(trigger, after, len(times)) == [f"{day}T{time}" for time in times]
    assert firings(trigger, after, len(times) + 1)[-1][:10] > day


def test_what_a_clock_change_moved_is_the_only_one_of_its_time() -> None:
    """On a Sunday alone: the Monday has none of its own."""
    trigger = made({"cron": "30 2 28 3 *", "calendar": "weekend", "roll": "forward"})
    assert firings(trigger, "2027-03-20T00:00Z", 1) == ["2027-03-29T02:30"]


@pytest.mark.parametrize(
    ("roll", "expected"),
    [
        ("skip", ["2026-06-01T06:00", "2026-07-01T06:00", "2026-09-01T06:00", "2026-10-01T06:00"]),
        ("forward", ["2026-06-01T06:00", "2026-07-01T06:00", "2026-08-03T06:00", "2026-09-01T06:00"]),
        ("backward", ["2026-06-01T06:00", "2026-07-01T06:00", "2026-07-31T06:00", "2026-09-01T06:00"]),
    ],
)
def test_first_of_the_month_over_weekends(roll: str, expected: list[str]) -> None:
    trigger = made({"cron": "0 6 1 * *", "calendar": "weekend", "roll": roll})
    assert firings(trigger, "2026-05-03T00:00+02:00", 4) == expected


def test_several_times_of_a_weekend_move_together() -> None:
    trigger = made({"cron": "0 8,20 * * sun,mon", "calendar": "weekend", "roll": "forward"})
    assert firings(trigger, "2026-06-05T00:00+02:00", 3) == [
        "2026-06-08T08:00",
        "2026-06-08T20:00",
        "2026-06-15T08:00",
    ]
    back = made({"cron": "30 8,20 * * sat,sun", "calendar": "weekend", "roll": "backward"})
    assert firings(back, "2026-06-05T09:00+02:00", 3) == [
        "2026-06-05T20:30",
        "2026-06-12T08:30",
        "2026-06-12T20:30",
    ]


def test_a_dense_schedule_does_not_walk_through_days_off() -> None:
    trigger = made({"every": "1s", "calendar": "weekend"})
    assert firings(trigger, "2026-06-05T23:59:58+02:00", 2) == ["2026-06-05T23:59", "2026-06-08T00:00"]
    first = next(
        iter(trigger.passed(parse_iso("2026-06-01T12:00+02:00"), parse_iso("2026-06-09T00:00+02:00")))
    )
    assert iso(first.slot, zone("Europe/Oslo").info) == "2026-06-06T00:00:00+02:00"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (
            {"every": "15m", "between": "10:00-10:30"},
            ["2026-06-01T10:00", "2026-06-01T10:15", "2026-06-01T10:30"],
        ),
        (
            {"every": "1h", "between": "22:00-01:00"},
            ["2026-06-01T00:00", "2026-06-01T01:00", "2026-06-01T22:00"],
        ),
        (
            {"every": "30m", "between": ["08:00-08:30", "12:00-12:00"]},
            ["2026-06-01T08:00", "2026-06-01T08:30", "2026-06-01T12:00"],
        ),
        (
            {"every": "6h", "between": "08:00-16:00", "calendar": "weekend"},
            ["2026-06-01T13:00", "2026-06-02T13:00", "2026-06-03T13:00"],
        ),
    ],
)
def test_between(schedule: Any, expected: list[str]) -> None:
    assert firings(made(schedule), "2026-05-31T23:00+02:00", 3) == expected


@pytest.mark.parametrize(
    ("schedule", "path", "message"),
    [
        (
            {"cron": "0 9 * * *", "between": "10:00-16:00"},
            ("between",),
            "it can never fire: nothing falls between 10:00-16:00",
        ),
        (
            {"cron": "0 9 * * sat", "calendar": "weekend"},
            ("calendar",),
            "it can never fire: it has nothing but days off of weekend (roll: forward moves it to a working day)",
        ),
        (
            {"cron": "0 9 * * *", "calendar": "norwy"},
            ("calendar",),
            "there is no calendar 'norwy' (did you mean norway?)",
        ),
        (
            {"cron": "0 9 * * *", "calendar": "weekend", "roll": "up"},
            ("roll",),
            "'up' is not a way to roll (write skip, forward or backward)",
        ),
        (
            {"cron": "0 9 * * *", "roll": "forward"},
            ("roll",),
            "roll says nothing without a calendar (add calendar: NAME)",
        ),
        (
            {"cron": "0 9 * * *", "between": "10:00"},
            ("between",),
            '"10:00" is not a part of the day (write 10:00-16:00)',
        ),
    ],
)
def test_errors(schedule: Any, path: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TriggerError) as error:
        made(schedule)
    assert str(error.value) == message
    assert error.value.path == path


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        (
            {"weekend": ["sat", "soon"]},
            ("weekend", 1),
            "'soon' is not a day of the week (write mon, tue, wed, thu, fri, sat or sun)",
        ),
        ({"add": ["24.12.2026"]}, ("add", 0), "'24.12.2026' is not a date (write 2026-12-24)"),
        (
            {"country": "XX"},
            ("country",),
            "there are no holidays known for XX"
            " (use a two-letter code such as NO, DE or US, and its own codes for subdivisions)",
        ),
        ({"subdivision": "CA"}, ("subdivision",), "a subdivision needs its country (as in country: US)"),
        (
            {"weekend": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]},
            ("weekend",),
            "calendar c: every day of the week is a day off",
        ),
    ],
)
def test_calendar_errors(data: dict[str, Any], path: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TriggerError) as error:
        read("c", data)
    assert str(error.value) == message
    assert error.value.path == path


ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//plant//shutdown//EN
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20260713
DTEND;VALUE=DATE:20260715
SUMMARY:Summer shutdown
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART:20260803T080000Z
DTEND:20260803T120000Z
SUMMARY:Inventory
END:VEVENT
END:VCALENDAR
"""


def test_ics() -> None:
    assert dates_of_ics(ICS) == (
        (date(2026, 7, 13), "Summer shutdown"),
        (date(2026, 7, 14), "Summer shutdown"),
        (date(2026, 8, 3), "Inventory"),
    )
    calendar = read("plant", {}, ics=ICS)
    assert calendar.day_off(date(2026, 7, 14)) == "Summer shutdown"
    assert Calendar.from_json(calendar.to_json()) == calendar


RECURRING = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//plant//recurring//EN
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20241224
DTEND;VALUE=DATE:20241226
RRULE:FREQ=YEARLY
EXDATE;VALUE=DATE:20271224
SUMMARY:Closed
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART:20261201T080000Z
RRULE:FREQ=WEEKLY;UNTIL=20261215T070000Z
SUMMARY:Stocktaking
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTART;VALUE=DATE:20270110
RDATE;VALUE=DATE:20270210,20270310
SUMMARY:Audit
END:VEVENT
END:VCALENDAR
"""


def test_events_that_recur() -> None:
    calendar = read("plant", {}, ics=RECURRING)
    off = [date(2024, 12, 25), date(2026, 12, 24), date(2026, 12, 25), date(2050, 12, 24), date(2028, 12, 24)]
    assert [calendar.day_off(day) for day in off] == ["Closed"] * 5
    worked = [
        date(2027, 12, 24),
        date(2027, 12, 25),
        date(2026, 12, 26),
        date(2026, 12, 22),
        date(2026, 12, 2),
    ]
    assert [calendar.day_off(day) for day in worked] == [None] * 5
    weekly = [date(2026, 12, day) for day in (1, 8, 15)]
    assert [calendar.day_off(day) for day in weekly] == ["Stocktaking"] * 3
    assert [calendar.day_off(date(2027, month, 10)) for month in (1, 2, 3, 4)] == ["Audit"] * 3 + [None]


CHANGED = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//plant//changed//EN
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20260504
DURATION:P2D
RRULE:FREQ=WEEKLY;COUNT=4
SUMMARY:Inventory
END:VEVENT
BEGIN:VEVENT
UID:1
RECURRENCE-ID;VALUE=DATE:20260511
DTSTART;VALUE=DATE:20260513
SUMMARY:Inventory, moved
END:VEVENT
BEGIN:VEVENT
UID:1
RECURRENCE-ID;VALUE=DATE:20260518
DTSTART;VALUE=DATE:20260518
STATUS:CANCELLED
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;VALUE=DATE:20260601
STATUS:CANCELLED
SUMMARY:Fair
END:VEVENT
END:VCALENDAR
"""


def test_instances_that_were_moved_or_cancelled_and_a_duration() -> None:
    assert dates_of_ics(CHANGED) == (
        (date(2026, 5, 4), "Inventory"),
        (date(2026, 5, 5), "Inventory"),
        (date(2026, 5, 13), "Inventory, moved"),
        (date(2026, 5, 25), "Inventory"),
        (date(2026, 5, 26), "Inventory"),
    )


def test_a_rule_that_cannot_be_read_is_said() -> None:
    with pytest.raises(TriggerError, match="recurs by"):
        read("plant", {}, ics=RECURRING.replace("FREQ=YEARLY", "FREQ=SECONDLY;BYEASTER=1;BYDAY=XX"))


def test_what_is_no_ics_is_said() -> None:
    with pytest.raises(TriggerError) as error:
        read("plant", {}, ics="hello")
    assert error.value.path == ("ics",)
    assert str(error.value).startswith("this is not an ICS calendar: ")


@given(
    st.sampled_from(["0 9 * * *", "*/7 3 * * sun", "0 0 1 * *", "30 2 L * *", "15 12 * * fri-mon"]),
    st.sampled_from(["skip", "forward", "backward"]),
    st.sampled_from(["norway", "weekend"]),
    st.integers(1_700_000_000, 1_900_000_000),
)
def test_never_on_a_day_off(cron: str, roll: str, calendar: str, second: int) -> None:
    if (cron, roll) == ("*/7 3 * * sun", "skip"):
        return
    trigger = made({"cron": cron, "calendar": calendar, "roll": roll})
    at: int | None = second * SECOND
    for _ in range(5):
        assert at is not None
        before = at
        at = trigger.next_after(at)
        assert at is not None
        assert at > before
        assert CALENDARS[calendar].day_off(to_datetime(at, zone("Europe/Oslo").info).date()) is None
        assert trigger.next_after((before + at) // 2) == at or (before + at) // 2 == at
