"""One function decides when: what is asked step by step, caught up, shown and counted are the same moments.

And what may be done to a moment afterwards: jitter moves it by a bounded, repeatable length, a calendar never onto a
day off.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date, timedelta
from itertools import takewhile

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.run import Job
from runner.core.timing import due, start_of
from runner.moment import DAY, HOUR, MINUTE, SECOND, Moment, to_datetime
from runner.spec import Catchup, Command, JobSpec, Policy, Step
from runner.triggers import Trigger, explain
from runner.triggers.calendars import Calendar
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.times import tz_of
from runner.triggers.workdays import Roll, WorkdayTrigger
from runner.triggers.zones import zone
from runner.views import calendar
from runner.views.upcoming import occurrences, upcoming
from tests.triggers.test_laws import CRONTABS, LINES, MOMENTS, SPARSE, TRIGGERS, ZONES, walked

TIMES = 100 if os.environ.get("RUNNER_LONG") else 1
ALL = Policy(catchup=Catchup(runs="all", window=10**18, max=10**9))


def spec(trigger: Trigger, id: str = "etl", policy: Policy = ALL) -> JobSpec:
    return JobSpec(id, (Step("main", Command(script="true")),), trigger, policy)


@settings(max_examples=250 * TIMES, deadline=None)
@given(TRIGGERS, MOMENTS, st.integers(1, 60))
def test_next_catch_up_preview_and_calendar_are_identical(
    trigger: Trigger, moment: Moment, days: int
) -> None:
    first = trigger.next_after(moment)
    if first is None:
        return
    until = min(first + days * DAY, moment + 400 * DAY)
    planned = list(takewhile(lambda at: at <= until, explain.following(trigger, moment, 400)))
    if len(planned) == 400:
        until = planned[-1]
    job = Job(spec(trigger), next_at=first)
    previewed = [one.at for one in takewhile(lambda one: one.at <= until, occurrences(job, moment, moment))]
    assert previewed == planned
    assert [one.at for one in upcoming([job], after=moment, now=moment, count=len(planned))] == planned
    assert list(explain.between(trigger, moment, until)) == planned
    if planned:
        caught = due(job, until)
        assert list(caught.runs) == planned
        assert caught.next_at == trigger.next_after(planned[-1])
    info = tz_of("Europe/Berlin")
    heat = calendar.heat([job], now=moment, zone=info, days=7)
    if not heat.often:
        last = to_datetime(moment, info).date() + timedelta(6)
        week = [
            there
            for at in explain.between(trigger, moment, moment + 9 * DAY)
            if (there := to_datetime(at, info)).date() <= last
        ]
        hours = [(there.date(), there.hour) for there in week]
        assert heat.counts == {hour: hours.count(hour) for hour in hours}


@settings(max_examples=50, deadline=None)
@given(TRIGGERS, MOMENTS)
def test_what_came_before_is_what_will_have_come(trigger: Trigger, moment: Moment) -> None:
    """Backwards and forwards are one list."""
    back = explain.preceding(trigger, moment, 6)
    assert back == sorted(back, reverse=True)
    if back:
        assert list(walked(trigger, back[-1] - 1, moment - 1)) == back[::-1]


@settings(max_examples=200, deadline=None)
@given(LINES, ZONES, MOMENTS, st.integers(0, 3600), st.text(min_size=1, max_size=8))
def test_jitter_is_bounded_and_repeatable(
    text: str, zone_name: str, moment: Moment, jitter: int, id: str
) -> None:
    slot = CrontabTrigger.of(text, zone_name).next_after(moment)
    if slot is None:
        return
    spread = spec(CrontabTrigger.of(text, zone_name, jitter=jitter * SECOND), id)
    start = start_of(spread, slot)
    assert slot <= start <= slot + jitter * SECOND
    assert start == start_of(spec(CrontabTrigger.of(text, zone_name, jitter=jitter * SECOND), id), slot)
    assert start == start_of(replace(spread, description="edited", enabled=False), slot)


def test_jitter_spreads_jobs_and_slots() -> None:
    trigger = CrontabTrigger.of("0 2 * * *", jitter=10 * MINUTE)
    slots = explain.following(trigger, 0, 50)
    assert len({start_of(spec(trigger), slot) - slot for slot in slots}) == 50
    of_jobs = {start_of(spec(trigger, f"job{n}"), slots[0]) for n in range(50)}
    assert len(of_jobs) == 50
    assert max(of_jobs) - min(of_jobs) > 5 * MINUTE


DAYS_OFF = st.builds(
    Calendar,
    st.just("house"),
    weekend=st.frozensets(st.integers(0, 6), max_size=3),
    add=st.lists(st.dates(date(2020, 1, 1), date(2021, 12, 31)), max_size=20).map(
        lambda days: tuple((day, "") for day in days)
    ),
    remove=st.frozensets(st.dates(date(2020, 1, 1), date(2021, 12, 31)), max_size=10),
)
ROLLS: st.SearchStrategy[Roll] = st.sampled_from(["skip", "forward", "backward"])


@settings(max_examples=250, deadline=None)
@given(SPARSE, DAYS_OFF, ROLLS, st.integers(1_577_836_800, 1_640_000_000))
def test_a_roll_never_lands_on_a_day_off_and_loses_nothing(
    inner: CrontabTrigger, days: Calendar, roll: Roll, second: int
) -> None:
    trigger = WorkdayTrigger(inner, days, roll, inner.zone)
    moment, until = second * SECOND, (second + 30 * 86_400) * SECOND
    for slot in walked(trigger, moment, until):
        day = to_datetime(slot, tz_of(inner.zone)).date()
        assert days.day_off(day) is None
        if roll == "skip":
            assert explain.fires(inner, slot)
    for passed in trigger.passed(moment, until - 15 * DAY):
        there = to_datetime(passed.slot, tz_of(inner.zone)).date()
        assert days.day_off(there) is not None
        if roll != "skip":
            assert explain.fires(trigger, target(trigger, passed.slot, roll)), passed


def target(trigger: WorkdayTrigger, slot: Moment, roll: Roll) -> Moment:
    """Where a firing moves: the next or last working day at its time of day, as people would do it."""
    clocks = zone(trigger.zone)
    local, step = clocks.local(slot), 1 if roll == "forward" else -1
    day = local // 86_400
    while trigger.calendar.day_off(date(1970, 1, 1) + timedelta(day)) is not None:
        day += step
    return clocks.moment_of(day * 86_400 + local % 86_400)


@settings(max_examples=100, deadline=None)
@given(CRONTABS, MOMENTS)
def test_an_hour_counts_as_often_as_it_is_due(trigger: CrontabTrigger, moment: Moment) -> None:
    """The list between two moments is cut nowhere but at its ends."""
    middle = moment + 12 * HOUR
    halves = [*explain.between(trigger, moment, middle), *explain.between(trigger, middle, moment + DAY)]
    assert halves == list(explain.between(trigger, moment, moment + DAY))
