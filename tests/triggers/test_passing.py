from __future__ import annotations

import itertools
import time

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runner.core.run import Job
from runner.core.timing import due
from runner.moment import DAY, HOUR, SECOND, parse_iso
from runner.spec import Command, JobSpec, Step
from runner.triggers import Trigger
from runner.triggers.calendars import Calendar
from runner.triggers.passing import passing
from runner.triggers.schedule import build
from runner.triggers.workdays import WorkdayTrigger

WEEKEND = Calendar("weekend", weekend=frozenset({5, 6}))
FRIDAY = parse_iso("2026-11-27T23:59:59+01:00")
MONDAY = parse_iso("2026-11-30T00:00:00+01:00")


def made(*schedules: object) -> Trigger:
    return build(list(schedules), timezone="Europe/Oslo", job_id="x", calendars={"off": WEEKEND})


def off(cron: str, **more: str) -> dict[str, str]:
    return {"cron": cron, "calendar": "off", **more}


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["*/20 * * * *", "0 9 * * *", "30 2 * * sun,mon", "0 2 1 * *", "*/7 1-3 * * *"]),
    st.sampled_from(["skip", "forward", "backward"]),
    st.sampled_from([{}, {"between": "01:30-09:40"}]),
    st.integers(parse_iso("2026-03-20T00:00Z") // SECOND, parse_iso("2026-11-20T00:00Z") // SECOND),
    st.integers(0, 12 * DAY),
)
def test_ranges_say_what_a_list_says(
    cron: str, roll: str, more: dict[str, str], after: int, length: int
) -> None:
    trigger = made(off(cron, roll=roll, **more))
    after *= SECOND
    each = list(trigger.passed(after, after + length))
    assume(len(each) < 2_000)
    listed = [
        (days[0].slot, days[-1].slot, len(days), *key)
        for key, days in (
            (key, list(group)) for key, group in itertools.groupby(each, lambda one: (one.reason, one.detail))
        )
    ]
    found = [
        (one.first, one.last, one.count, one.reason, one.detail)
        for one in passing(trigger, after, after + length)
    ]
    assert found == listed


def test_a_weekend_of_a_job_that_runs_each_second_is_two_records() -> None:
    trigger = made(off("* * * * * *"))
    assert isinstance(trigger, WorkdayTrigger)
    spec = JobSpec("x", (Step("main", Command(script="true")),), trigger=trigger)
    clock = time.process_time()
    found = due(Job(spec, next_at=MONDAY, passed=FRIDAY), MONDAY)
    assert time.process_time() - clock < 1.0
    assert found.runs == (MONDAY,)
    assert [(one.slot, one.last, one.count) for one in found.records] == [
        (FRIDAY + SECOND, FRIDAY + DAY, 86_400),
        (FRIDAY + DAY + SECOND, FRIDAY + 2 * DAY, 86_400),
    ]


def test_what_another_schedule_fires_is_not_said_to_be_skipped() -> None:
    """Every half hour on working days, every hour on all: a Saturday's full hours run, its half hours are skipped."""
    trigger = made(off("*/30 * * * *"), "0 * * * *")
    saturday = FRIDAY + SECOND
    found = list(passing(trigger, saturday, saturday + 3 * HOUR))
    assert [(one.first, one.last, one.count) for one in found] == [
        (saturday + HOUR // 2, saturday + 5 * HOUR // 2, 3)
    ]
