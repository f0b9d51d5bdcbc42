"""Counting firings is walking them, only sooner."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.moment import DAY, HOUR, MICROSECOND, MINUTE, SECOND, Moment, from_datetime, parse_iso
from runner.triggers import BaseTrigger, Trigger, explain
from runner.triggers.calendars import Calendar
from runner.triggers.combining import AndTrigger, OrTrigger
from runner.triggers.counting import count, last, walked, widest_jitter
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.cron.trigger import CronTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.windows import BetweenTrigger, Window
from runner.triggers.workdays import WorkdayTrigger
from runner.triggers.zones import zone as clocks
from tests.triggers.test_laws import INTERVALS, LINES, MOMENTS, TRIGGERS, WEEKEND, WINDOWS
from tests.triggers.test_laws import ZONES as USUAL_ZONES

LONG = bool(os.environ.get("RUNNER_LONG"))
MOST = 3_000
ZONES = st.one_of(
    USUAL_ZONES, st.sampled_from(["Africa/Cairo", "Pacific/Apia", "Asia/Kathmandu", "Pacific/Chatham"])
)
LENGTHS = st.one_of(st.integers(0, 2 * HOUR), st.integers(0, 3 * DAY), st.integers(0, 4_000 * DAY))


def bounded(text: str, zone: str, start: Moment, length: int) -> CrontabTrigger:
    return CrontabTrigger.of(text, zone, start=start, end=start + length)


CRONTABS = st.one_of(
    st.builds(CrontabTrigger.of, LINES, ZONES), st.builds(bounded, LINES, ZONES, MOMENTS, LENGTHS)
)
SIMPLE: st.SearchStrategy[BaseTrigger] = st.one_of(CRONTABS, INTERVALS)
SHORT = st.builds(IntervalTrigger.of, st.integers(1, 90).map(lambda n: n * MINUTE), ZONES)
SAME_ZONE = ZONES.flatmap(
    lambda zone: st.lists(LINES.map(lambda text: CrontabTrigger.of(text, zone)), min_size=2, max_size=4)
)
COUNTED: st.SearchStrategy[Trigger] = st.one_of(
    CRONTABS,
    TRIGGERS,
    SAME_ZONE.map(OrTrigger),
    st.lists(st.one_of(SIMPLE, SHORT), min_size=2, max_size=3).map(OrTrigger),
    st.lists(SHORT, min_size=2, max_size=3).map(AndTrigger),
    st.builds(BetweenTrigger, st.one_of(SHORT, CRONTABS), WINDOWS, ZONES),
    st.builds(WorkdayTrigger, st.one_of(SHORT, CRONTABS), st.just(WEEKEND), st.just("skip"), ZONES),
)


def agrees(trigger: Trigger, after: Moment, until: Moment) -> None:
    """Walks as far as it may, and counts just as far."""
    slots = list(islice(explain.between(trigger, after, until), MOST))
    if len(slots) == MOST:
        until = slots[-1]
    assert count(trigger, after, until) == len(slots)
    if slots:
        assert last(trigger, slots[0], until) == slots[-1]
        middle = slots[len(slots) // 2]
        assert count(trigger, after, middle) + count(trigger, middle, until) == len(slots)
        assert count(trigger, middle - 1, middle) == 1


@settings(max_examples=6_000 if LONG else 400, deadline=None)
@given(COUNTED, MOMENTS, LENGTHS)
def test_counting_is_walking(trigger: Trigger, after: Moment, length: int) -> None:
    agrees(trigger, after, after + length)


@settings(max_examples=6_000 if LONG else 400, deadline=None)
@given(COUNTED, ZONES.filter(lambda zone: zone != "UTC"), MOMENTS, st.integers(-3 * HOUR, 3 * HOUR), LENGTHS)
def test_counting_is_walking_over_clock_changes(
    trigger: Trigger, zone: str, near: Moment, before: int, length: int
) -> None:
    zone = getattr(trigger, "zone", zone)
    changes = clocks(zone).changes(near // SECOND, near // SECOND + 400 * 86_400)
    at = changes[0][0] * SECOND if changes else near
    agrees(trigger, at - before, at - before + length)


@pytest.mark.parametrize(
    "line", ["* * * * * *", "*/7 * * * *", "*/15 2 * * *", "30 2 * * *", "0,30 0-3 * * *"]
)
def test_every_change_of_zones(line: str) -> None:
    """A count from just before each change to hours after it, from and to each quarter of an hour."""
    names = sorted(available_timezones()) if LONG else ["Europe/Berlin", "Africa/Cairo", "America/St_Johns"]
    begin, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2005, 2012))
    for name in names:
        trigger = CrontabTrigger.of(line, name)
        for change, _, _ in clocks(name).changes(begin, end)[: 2 if LONG else 6]:
            for quarter in (-9, -4, -1, 0, 1, 5):
                after = (change + quarter * 900) * SECOND - MICROSECOND
                agrees(trigger, after, after + 40 * MINUTE)
                agrees(trigger, after, after + 5 * HOUR)


def test_a_skipped_day_and_a_year_cut_off() -> None:
    begin, end = parse_iso("2011-12-29T00:00-10:00"), parse_iso("2012-01-01T00:00+14:00")
    apia = CrontabTrigger.of("0 12 * * *", "Pacific/Apia")
    assert count(apia, begin, end) == walked(apia, begin, end) == 2  # the 29th and the 31st
    once = CronTrigger(year=2026, month=3, day="28-30", hour=2, minute=30, timezone="Europe/Berlin")
    assert count(once, 0, 4_000_000_000 * SECOND) == 3


def test_what_is_added_up_of_pieces() -> None:
    noon = from_datetime(datetime(2026, 11, 25, 12, tzinfo=UTC))
    assert count(DateTrigger.of(noon), noon - 1, noon) == 1
    assert count(DateTrigger.of(noon), noon, noon + DAY) == 0
    assert count(DateTrigger.of(noon), noon + DAY, noon) == 0
    thirds, halves = IntervalTrigger.of(3 * SECOND), IntervalTrigger.of(2 * SECOND)
    assert count(OrTrigger([thirds, halves]), noon, noon + 6 * SECOND) == 4
    assert count(AndTrigger([thirds, halves]), noon, noon + 60 * SECOND) == 10
    apart = AndTrigger([IntervalTrigger.of(2 * SECOND, start=1), IntervalTrigger.of(2 * SECOND, start=0)])
    assert count(apart, noon, noon + DAY) == 0
    windows = (Window.of("22:00-02:00"), Window.of("01:00-03:00"))
    assert count(BetweenTrigger(IntervalTrigger.of(HOUR), windows), noon, noon + DAY) == 6


class Own(BaseTrigger):
    """A trigger of a program's own."""

    def next_after(self, moment: Moment) -> Moment | None:
        return (moment // HOUR + 1) * HOUR


def test_a_trigger_of_a_programs_own_is_walked() -> None:
    assert count(Own(), 0, DAY) == 24
    assert count(OrTrigger([Own(), IntervalTrigger.of(30 * MINUTE)]), 0, DAY) == 48
    assert widest_jitter(Own()) is None
    assert widest_jitter(OrTrigger([Own(), IntervalTrigger.of(HOUR)])) is None
    spread = OrTrigger([IntervalTrigger.of(HOUR, jitter=5), IntervalTrigger.of(HOUR, jitter=7)])
    assert widest_jitter(BetweenTrigger(spread, (Window(0, 5),))) == 7


def test_a_century_of_seconds_is_no_work() -> None:
    """Some 3,000 million firings: they could not be walked in the time of a test."""
    begin = time.process_time()
    year = 366 * DAY
    for trigger in (
        IntervalTrigger.of(SECOND),
        CrontabTrigger.of("* * * * * *", "Europe/Berlin"),
        OrTrigger([CrontabTrigger.of("*/2 * * * * *"), CrontabTrigger.of("*/3 * * * * *")]),
        WorkdayTrigger(IntervalTrigger.of(SECOND), Calendar("off", weekend=frozenset({6}), add=())),
        BetweenTrigger(CrontabTrigger.of("* * * * * *"), (Window.of("08:00-20:00"),)),
    ):
        assert count(trigger, 0, 100 * year) > 1_000_000_000
    assert time.process_time() - begin < 60
