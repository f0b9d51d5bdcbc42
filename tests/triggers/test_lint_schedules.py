from __future__ import annotations

from typing import Any

import pytest

from runner.moment import iso, parse_iso
from runner.triggers.calendars import Calendar
from runner.triggers.lint import lint
from runner.triggers.schedule import build
from runner.triggers.together import together

NOW = parse_iso("2026-01-15T12:00:00Z")
CHANGE = "clock-change"


def facts(schedule: Any, zone: str = "UTC", *, now: int | None = None) -> list[tuple[str, str]]:
    trigger = build(schedule, timezone=zone, job_id="etl", calendars={"no": Calendar("no")})
    return [(found.kind, found.fact) for found in lint(trigger, now)]


@pytest.mark.parametrize(
    ("schedule", "zone", "said"),
    [
        ("0 2 * * *", "UTC", []),
        ("*/15 * * * *", "UTC", []),
        (
            "*/7 * * * *",
            "UTC",
            [("uneven-step", "*/7 * * * *: */7 starts anew each hour, so its last step is only 4m")],
        ),
        (
            "0 */5 * * *",
            "UTC",
            [("uneven-step", "0 */5 * * *: */5 starts anew each day, so its last step is only 4h")],
        ),
        (
            "0 0 */2 * *",
            "UTC",
            [("uneven-step", "0 0 */2 * *: */2 starts anew each month, so days 31 and 1 follow each other")],
        ),
        (
            "0 0 1 * fri",
            "UTC",
            [
                (
                    "two-day-fields",
                    "0 0 1 * fri: fires on day 1 of the month and on fri, not only where both meet",
                )
            ],
        ),
        ("0 0 * * fri", "UTC", []),
        ("every 15m", "Europe/Oslo", []),
        (
            "every 7h",
            "UTC",
            [("uneven-day", "every 7h does not divide the day: it fires at other times each day")],
        ),
        ("every 15s", "UTC", []),
        ("every 90m", "UTC", []),
        (
            "every 7m",
            "UTC",
            [("uneven-day", "every 7m does not divide the day: it fires at other times each day")],
        ),
        ("every 1d", "UTC", []),
        (
            "every 1d",
            "Europe/Oslo",
            [
                (
                    "elapsed-day",
                    "every 1d counts elapsed time: after a clock change it fires an hour off by the wall clock",
                )
            ],
        ),
        (
            [
                "0 2 * * *",
                {"every": "5h", "between": "08:00-18:00"},
                {"cron": "*/9 * * * *", "calendar": "no"},
            ],
            "UTC",
            [
                ("uneven-day", "every 5h does not divide the day: it fires at other times each day"),
                ("uneven-step", "*/9 * * * *: */9 starts anew each hour, so its last step is only 6m"),
            ],
        ),
    ],
)
def test_what_surprises_at_any_time(schedule: Any, zone: str, said: list[tuple[str, str]]) -> None:
    assert facts(schedule, zone) == said


@pytest.mark.parametrize(
    ("schedule", "zone", "said"),
    [
        (
            "30 2 * * *",
            "Europe/Oslo",
            [
                "30 2 * * *: on 2026-03-29 02:30 does not exist in Europe/Oslo, and it fires at 03:00",
                "30 2 * * *: on 2026-10-25 02:30 comes twice in Europe/Oslo, and it fires the first time only",
            ],
        ),
        ("0 4 * * *", "Europe/Oslo", []),
        ("30 2 * * mon", "Europe/Oslo", []),
        ("30 2 * * *", "UTC", []),
        ("*/15 * * * *", "Europe/Oslo", []),
        ("0 * * * *", "Europe/Oslo", []),
        (
            "0 */2 * * *",
            "Europe/Oslo",
            [
                "0 */2 * * *: on 2026-03-29 its firings around the clock change are 3h apart, not 2h",
                "0 */2 * * *: on 2026-10-25 its firings around the clock change are 1h apart, not 2h",
            ],
        ),
        # Lord Howe changes by half an hour.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            ["15 2 * * *: on 2026-10-04 02:15 does not exist in Australia/Lord_Howe, and it fires at 02:30"],
        ),
        (
            "0 * * * *",
            "Australia/Lord_Howe",
            [
                "0 * * * *: on 2026-04-05 its firings around the clock change are 1h 30m apart, not 1h",
                "0 * * * *: on 2026-10-04 its firings around the clock change are 1h 30m apart, not 1h",
            ],
        ),
        ("* 5 * * *", "Europe/Oslo", []),
        ({"cron": "30 2 * * *", "end": "2026-02-01"}, "Europe/Oslo", []),
    ],
)
def test_what_the_clock_changes_of_the_year_do(schedule: Any, zone: str, said: list[str]) -> None:
    assert facts(schedule, zone, now=NOW) == [(CHANGE, fact) for fact in said]


def test_the_next_change_of_each_direction_is_told_on_the_day_after_one() -> None:
    """The one in autumn that follows on 25 October 2026 is 371 days away."""
    met = [fact for _, fact in facts("30 2 * * *", "Europe/Oslo", now=parse_iso("2026-10-25T12:00:00Z"))]
    assert [fact.partition(": on ")[2][:10] for fact in met] == ["2027-03-28", "2027-10-31"]


def test_a_skipped_day_is_said() -> None:
    before = parse_iso("2011-12-01T00:00:00Z")
    found = [fact for _, fact in facts("30 2 * * *", "Pacific/Apia", now=before)]
    assert "30 2 * * *: on 2011-12-31 02:30 does not exist in Pacific/Apia, and it does not fire" in found


def test_ways_out_are_true() -> None:
    """The steps and lengths a hint names draw no finding of their own."""

    def help_of(schedule: str) -> str:
        (finding,) = lint(build(schedule, timezone="UTC", job_id="etl", calendars={}))
        return finding.help

    assert help_of("*/7 * * * *") == "*/6 and */10 divide the hour evenly"
    assert help_of("*/45 * * * *") == "*/30 divides the hour evenly"
    assert help_of("0 */5 * * *") == "*/4 and */6 divide the day evenly"
    assert help_of("every 7m") == "6m and 8m divide it; a crontab line names fixed times of day"
    assert help_of("every 17h") == "12h and 1d divide it; a crontab line names fixed times of day"
    for good in (
        "*/6 * * * *",
        "*/10 * * * *",
        "*/30 * * * *",
        "0 */4 * * *",
        "every 6m",
        "every 8m",
        "every 12h",
    ):
        assert facts(good) == []


@pytest.mark.parametrize(
    ("schedule", "fact"),
    [
        ({"at": "2026-01-01T08:00"}, "it never fires again; the last time was 2026-01-01 08:00"),
        (
            {"cron": "0 2 * * *", "end": "2026-01-10"},
            "it never fires again; the last time was 2026-01-10 02:00",
        ),
        ({"every": "7h", "end": "2026-01-10"}, "it never fires again; the last time was 2026-01-10 22:00"),
        (
            [{"at": "2025-01-01T08:00"}, {"at": "2025-06-01"}],
            "it never fires again; the last time was 2025-06-01 00:00",
        ),
    ],
)
def test_a_schedule_that_is_over_is_only_said_to_be_over(schedule: Any, fact: str) -> None:
    assert facts(schedule, now=NOW) == [("never-fires", fact)]
    assert ("never-fires", fact) not in facts(schedule)


def met(now: int = NOW, **schedules: Any) -> list[tuple[tuple[str, ...], str, int]]:
    triggers = {
        name: build(schedule, timezone="UTC", job_id=name, calendars={})
        for name, schedule in schedules.items()
    }
    return [(found.names, iso(found.first), found.times) for found in together(triggers, now)]


def test_jobs_at_the_same_instant() -> None:
    assert met(a="0 2 * * *", b="at 02:00", c="0 3 * * *") == [(("a", "b"), "2026-01-16T02:00:00+00:00", 7)]
    # The largest group is told of, not each pair within it.
    assert met(a="0 2 * * *", b="0 2 * * *", c="0 2 * * mon") == [
        (("a", "b", "c"), "2026-01-19T02:00:00+00:00", 1),
    ]
    assert met(a="0 2 * * *", b="30 1 * * *") == []


def test_what_is_due_all_day_meets_everybody_and_is_not_told_of() -> None:
    assert met(a="* * * * *", b="0 2 * * *") == []
    assert met(a="* * * * *", b="* * * * *") == []


def test_who_spreads_is_left_alone() -> None:
    assert met(a={"cron": "0 2 * * *", "jitter": "5m"}, b="0 2 * * *") == []
