# ruff: noqa: E501 - tables: a schedule and what it means stand in one line
from __future__ import annotations

from typing import Any

import pytest

from runner.errors import TriggerError
from runner.moment import HOUR, MINUTE, SECOND, iso, parse_iso, to_datetime
from runner.triggers import Trigger, explain, load, period
from runner.triggers.schedule import build
from runner.triggers.zones import zone


def made(schedule: Any, timezone: str = "Europe/Oslo") -> Trigger:
    return build(schedule, timezone=timezone, job_id="etl", calendars={})


def firings(schedule: Any, after: str, count: int) -> list[str]:
    trigger = made(schedule)
    assert load(trigger.to_json()) == trigger
    assert hash(load(trigger.to_json())) == hash(trigger)
    found: list[str] = []
    at: int | None = parse_iso(after)
    while len(found) < count and at is not None:
        at = trigger.next_after(at)
        if at is not None:
            found.append(iso(at, zone("Europe/Oslo").info)[:16])
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("0 2 * * mon-fri", ["2026-06-02T02:00", "2026-06-03T02:00"]),
        ("every 15m", ["2026-06-01T12:15", "2026-06-01T12:30"]),
        ("every 5 minutes", ["2026-06-01T12:05", "2026-06-01T12:10"]),
        ("every hour", ["2026-06-01T13:00", "2026-06-01T14:00"]),
        ("every 1h30m", ["2026-06-01T13:00", "2026-06-01T14:30"]),
        ("at 02:00", ["2026-06-02T02:00", "2026-06-03T02:00"]),
        ("at 7:30 pm", ["2026-06-01T19:30", "2026-06-02T19:30"]),
        ("at 02:00, 14:30 and 14:45", ["2026-06-01T14:30", "2026-06-01T14:45"]),
        ("at noon", ["2026-06-02T12:00", "2026-06-03T12:00"]),
        ("every day at 09:00", ["2026-06-02T09:00", "2026-06-03T09:00"]),
        ("every weekday at 09:00", ["2026-06-02T09:00", "2026-06-03T09:00"]),
        ("every weekend at 9:00", ["2026-06-06T09:00", "2026-06-07T09:00"]),
        ("every monday at 7:30", ["2026-06-08T07:30", "2026-06-15T07:30"]),
        ("every mon, wed and fri at 9:00", ["2026-06-03T09:00", "2026-06-05T09:00"]),
        ("every fri-mon at 9:00", ["2026-06-05T09:00", "2026-06-06T09:00"]),
        ("Every Mondays At 7:30", ["2026-06-08T07:30", "2026-06-15T07:30"]),
        ("@daily", ["2026-06-02T00:00", "2026-06-03T00:00"]),
        ({"at": "2026-12-24T08:00"}, ["2026-12-24T08:00"]),
        ("at 2026-12-24T08:00", ["2026-12-24T08:00"]),
        ({"at": "02:00", "timezone": "UTC"}, ["2026-06-02T04:00", "2026-06-03T04:00"]),
        ({"every": "weekday at 09:00", "start": "2026-07-01"}, ["2026-07-01T09:00", "2026-07-02T09:00"]),
        ({"every": "36h", "start": "2026-06-01T14:00"}, ["2026-06-01T14:00", "2026-06-03T02:00"]),
        ({"cron": "0 9 * * *", "end": "2026-06-02"}, ["2026-06-02T09:00"]),
        (["at 02:00", "at 12:30"], ["2026-06-01T12:30", "2026-06-02T02:00"]),
        (["at 02:00", {"cron": "0 2 * * *"}], ["2026-06-02T02:00", "2026-06-03T02:00"]),
    ],
)
def test_schedules(schedule: Any, expected: list[str]) -> None:
    assert firings(schedule, "2026-06-01T12:00+02:00", 2) == expected


@pytest.mark.parametrize(
    ("schedule", "path", "message"),
    [
        ("", (), 'the schedule is empty (write "0 2 * * mon-fri", "every 15m", "at 02:00", or a mapping with cron, every or at)'),
        ([], (), "the schedule is an empty list (leave it out where nothing is scheduled)"),
        ("15m", (), '"15m" has 1 field, a crontab line has 5 (or 6, seconds first) (did you mean `every 15m`?)'),
        ("02:00", (), '"02:00" has 1 field, a crontab line has 5 (or 6, seconds first) (did you mean `at 02:00`?)'),
        ("evry 5m", (), '"evry 5m" has 2 fields, a crontab line has 5 (or 6, seconds first) (did you mean `every 5m`?)'),
        ("daily", (), '"daily" has 1 field, a crontab line has 5 (or 6, seconds first) (write @daily)'),
        (
            "every 15",
            (),
            "\"every 15\": '15' is not a length of time"
            " (say the unit: 15s (seconds), 15m (minutes), 15h (hours) or 15d (days))",
        ),
        ("every monday", (), '"every monday" does not say a time (at what time? every monday at 09:00)'),
        ("every mondy at 9:00", (), '"mondy" is not a day (did you mean monday?)'),
        ("at 24:00", (), '"24:00" is not a time of day (midnight is 00:00)'),
        ("at 9", (), '"9" is not a time of day (write 09:00)'),
        ({"cron": "0 0 31 2 *"}, ("cron",), '"0 0 31 2 *" can never fire: no month of "2" has a day "31" (L is the last day of a month)'),
        (["at 02:00", {"cron": "61 * * * *"}], (1, "cron"), 'minute field: "61" has 61, out of range: expected 0 to 59 (write a number from 0 to 59, a list 1,3, a range 1-5, a step */5, or *)'),
        ({"cron": "0 2 * * *", "every": "5m"}, ("every",), "cron and every stand together (for several schedules write a list)"),
        ({"jitter": "5s"}, (), 'a schedule needs one of cron, every and at (as in {cron: "0 2 * * *", jitter: 30s})'),
        ({"cron": "0 2 * * *", "jiter": "5s"}, ("jiter",), "a schedule has no key 'jiter' (did you mean jitter?)"),
        ({"cron": "0 2 * * *", "timezone": "Oslo"}, ("timezone",), "there is no time zone 'Oslo' (did you mean Europe/Oslo?)"),
        ({"at": 120}, ("at",), 'at is 120, not a text (write at: "02:00" or 2026-12-24T08:00)'),
        ({"every": "5m", "jitter": "10"}, ("jitter",), "'10' is not a length of time (say the unit: 10s (seconds), 10m (minutes), 10h (hours) or 10d (days))"),
        ({"every": "5m", "start": "soon"}, ("start",), 'start "soon" is not a date or time (write 2026-12-24, 2026-12-24T08:00 or 2026-12-24T08:00+01:00)'),
        ({"every": "5m", "start": "2026-02-01", "end": "2026-01-01"}, ("end",), "the end is before the start, so it can never fire (swap them)"),
        ({"cron": "0 0 1 1 *", "start": "2026-02-01", "end": "2026-03-01"}, ("end",), "it can never fire: nothing falls between start and end"),
        (7, (), '7 is not a schedule (write "0 2 * * mon-fri", "every 15m", "at 02:00", or a mapping with cron, every or at)'),
    ],
)  # fmt: skip
def test_errors(schedule: Any, path: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TriggerError) as error:
        made(schedule)
    assert str(error.value) == message
    assert error.value.path == path


def test_period_is_the_distance_of_the_next_two_firings() -> None:
    friday = parse_iso("2026-06-05T10:00+02:00")
    assert period(made("every 15m"), friday) == 15 * MINUTE
    assert period(made("0 9 * * mon-fri"), friday) == 24 * HOUR
    assert period(made({"at": "2026-12-24T08:00"}), friday) == 0


def test_every_is_anchored_to_midnight_of_1970_in_the_zone() -> None:
    """Elapsed time: at the same distance through a clock change, and the same after every restart."""
    trigger = made("every 7h", "Asia/Kolkata")
    first = trigger.next_after(0)
    assert first is not None
    assert (first + 19800 * SECOND) % (7 * HOUR) == 0


def test_unknown_type_is_said() -> None:
    with pytest.raises(TriggerError) as error:
        load({"type": "moon"})
    assert str(error.value) == (
        "there is no trigger of type 'moon' (known are and, between, calendarinterval, cron, crontab, date, interval, or, workdays)"
    )


def test_several_times_and_several_parts_of_the_day() -> None:
    both = build({"at": ["02:00", "14:00"]}, timezone="UTC", job_id="a", calendars={})
    assert both == build(["at 02:00", "at 14:00"], timezone="UTC", job_id="a", calendars={})
    alone = build({"at": ["02:00"]}, timezone="UTC", job_id="a", calendars={})
    assert alone == build("at 02:00", timezone="UTC", job_id="a", calendars={})
    with pytest.raises(TriggerError) as error:
        build({"at": ["02:00", "25:00"]}, timezone="UTC", job_id="a", calendars={})
    assert error.value.path == ("at", 1)
    parts = build(
        {"every": "1h", "between": ["08:00-09:00", "22:00-01:00"]}, timezone="UTC", job_id="a", calendars={}
    )
    hours = [to_datetime(at).hour for at in explain.following(parts, parse_iso("2026-01-01T00:00:00Z"), 6)]
    assert hours == [1, 8, 9, 22, 23, 0]
