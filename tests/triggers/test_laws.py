"""What holds for every trigger, whatever it says."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import TriggerError
from runner.moment import DAY, SECOND, Moment, from_datetime, to_datetime
from runner.triggers import BaseTrigger, Trigger, load, period
from runner.triggers.calendars import Calendar
from runner.triggers.combining import AndTrigger, OrTrigger
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.cron.walk import walk
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.windows import BetweenTrigger, Window
from runner.triggers.workdays import Roll, WorkdayTrigger
from runner.triggers.zones import zone as clocks

ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "America/Sao_Paulo",
    ]
)
MOMENTS = st.integers(1_200_000_000 * SECOND, 2_000_000_000 * SECOND)


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda ends: f"{ends[0]}-{ends[1]}")
    step = st.integers(1, max(2, high // 2)).map(lambda n: f"*/{n}")
    listed = st.lists(number.map(str), min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), number.map(str), span, step, listed)


def possible(text: str) -> bool:
    """Whether a line ever fires: `*/14` and fri#2 never meet, for one."""
    try:
        CrontabTrigger.of(text)
    except TriggerError:
        return False
    return True


LINES = (
    st.tuples(
        st.one_of(st.just("0"), fields(0, 59)),
        fields(0, 59),
        fields(0, 23),
        st.one_of(st.just("*"), fields(1, 28), st.sampled_from(["L", "LW", "15W", "L-3", "1W"])),
        st.one_of(st.just("*"), fields(1, 12)),
        st.one_of(st.just("*"), fields(0, 7), st.sampled_from(["mon-fri", "fri#2", "sunL", "fri-mon"])),
    )
    .map(" ".join)
    .filter(possible)
)

CRONTABS = st.builds(CrontabTrigger.of, LINES, ZONES)
INTERVALS = st.builds(
    IntervalTrigger.of, st.integers(1, 40 * DAY), ZONES, start=st.one_of(st.none(), MOMENTS)
)
DATES = st.builds(DateTrigger.of, MOMENTS)
SIMPLE: st.SearchStrategy[BaseTrigger] = st.one_of(CRONTABS, INTERVALS, DATES)
WEEKEND = Calendar("weekend", weekend=frozenset({5, 6}), add=())
WINDOWS = st.tuples(st.integers(0, 86_399), st.integers(0, 86_399)).map(lambda ends: (Window(*ends),))
SPARSE = st.builds(
    CrontabTrigger.of,
    st.tuples(fields(0, 59), st.integers(0, 23).map(str), st.just("* *"), fields(0, 7)).map(" ".join),
    ZONES,
)
TRIGGERS = st.one_of(
    SIMPLE,
    st.lists(SIMPLE, min_size=1, max_size=3).map(OrTrigger),
    st.builds(BetweenTrigger, SPARSE, WINDOWS, ZONES),
    st.builds(
        WorkdayTrigger, SPARSE, st.just(WEEKEND), st.sampled_from(["skip", "forward", "backward"]), ZONES
    ),
)


@settings(max_examples=300, deadline=None)
@given(TRIGGERS, MOMENTS, st.floats(0, 1))
def test_strictly_later_and_nothing_between(trigger: Trigger, moment: Moment, part: float) -> None:
    found = trigger.next_after(moment)
    if found is None:
        return
    assert found > moment
    between = moment + int((found - moment - 1) * part)
    assert trigger.next_after(between) == found
    assert trigger.next_after(found - 1) == found
    later = trigger.next_after(found)
    assert later is None or later > found


@settings(max_examples=200, deadline=None)
@given(TRIGGERS, MOMENTS, st.integers(0, 400 * DAY))
def test_the_same_answer_from_any_earlier_start(trigger: Trigger, moment: Moment, earlier: int) -> None:
    """Who walks there from before arrives at what who starts there is told."""
    at: Moment | None = moment - earlier % (period(trigger, moment) * 60 + 1)
    while at is not None and at <= moment:
        at = trigger.next_after(at)
    assert at == trigger.next_after(moment)


@settings(max_examples=300, deadline=None)
@given(LINES, ZONES, MOMENTS, st.lists(st.integers(-3 * DAY, 40 * DAY), max_size=8))
def test_what_was_asked_before_changes_nothing(
    text: str, zone: str, moment: Moment, asked: list[int]
) -> None:
    """A schedule remembers pages of firings; in whatever order one asks, the answers are those of a fresh one."""
    trigger = CrontabTrigger.of(text, zone)
    for offset in asked:
        trigger.next_after(moment + offset)
    at: Moment | None = moment
    for _ in range(5):
        if at is None:
            return
        known = trigger.next_after(at)
        walk.cache_clear()
        assert CrontabTrigger.of(text, zone).next_after(at) == known
        at = known


@settings(max_examples=300, deadline=None)
@given(LINES, ZONES, MOMENTS, st.booleans())
def test_datetimes_and_figures_say_the_same(text: str, zone: str, moment: Moment, near: bool) -> None:
    """`get_next_fire_time` has a shorter way on quiet days; it must not be another one, least of all near a change."""
    trigger = CrontabTrigger.of(text, zone)
    if near and (change := clocks(zone).changes(moment // SECOND, moment // SECOND + 400 * 86_400)):
        moment = change[0][0] * SECOND - DAY * 3
    previous: datetime | None = to_datetime(moment, clocks(zone).info)
    for _ in range(40):
        assert previous is not None
        found = trigger.get_next_fire_time(previous, previous)
        expected = trigger.next_after(from_datetime(previous))
        assert (None if found is None else from_datetime(found)) == expected
        assert found == trigger.get_next_fire_time(previous.astimezone(UTC), previous)
        if found is None:
            return
        assert found.utcoffset() == to_datetime(from_datetime(found), clocks(zone).info).utcoffset()
        previous = found


@settings(max_examples=200, deadline=None)
@given(TRIGGERS, MOMENTS)
def test_json_and_pickle_answer_the_same(trigger: Trigger, moment: Moment) -> None:
    for copy in (load(trigger.to_json()), pickle.loads(pickle.dumps(trigger))):
        assert copy == trigger
        assert hash(copy) == hash(trigger)
        assert copy.next_after(moment) == trigger.next_after(moment)


@settings(max_examples=100, deadline=None)
@given(st.lists(SIMPLE, min_size=1, max_size=3), MOMENTS)
def test_or_is_the_earliest_in_any_order(triggers: list[BaseTrigger], moment: Moment) -> None:
    each = [found for one in triggers if (found := one.next_after(moment)) is not None]
    assert OrTrigger(triggers).next_after(moment) == min(each, default=None)
    assert OrTrigger(triggers[::-1]).next_after(moment) == min(each, default=None)
    assert OrTrigger([triggers[0], triggers[0]]).next_after(moment) == triggers[0].next_after(moment)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(CRONTABS, INTERVALS), min_size=1, max_size=2), MOMENTS)
def test_and_is_named_by_all(triggers: list[BaseTrigger], moment: Moment) -> None:
    found = AndTrigger(triggers).next_after(moment)
    assert found == AndTrigger(triggers[::-1]).next_after(moment)
    if found is not None:
        assert [one.next_after(found - 1) for one in triggers] == [found] * len(triggers)
    assert AndTrigger([triggers[0], triggers[0]]).next_after(moment) == triggers[0].next_after(moment)


@settings(max_examples=60, deadline=None)
@given(LINES, ZONES, MOMENTS, st.integers(0, 3600))
def test_jitter_is_said_and_never_moves_the_slot(text: str, zone: str, moment: Moment, jitter: int) -> None:
    plain, spread = CrontabTrigger.of(text, zone), CrontabTrigger.of(text, zone, jitter=jitter * SECOND)
    slot = spread.next_after(moment)
    assert slot == plain.next_after(moment)
    if slot is not None:
        assert spread.jitter_at(slot) == jitter * SECOND


@settings(max_examples=60, deadline=None)
@given(SIMPLE, MOMENTS)
def test_period_is_not_negative(trigger: Trigger, moment: Moment) -> None:
    assert period(trigger, moment) >= 0


@settings(max_examples=60, deadline=None)
@given(SPARSE, st.sampled_from(["skip", "forward", "backward"]), MOMENTS)
def test_what_passed_and_what_fires_are_the_plan(inner: CrontabTrigger, roll: Roll, moment: Moment) -> None:
    """Each firing of the plan in a fortnight either fires or is told of as passed, never both."""
    trigger = WorkdayTrigger(inner, WEEKEND, "skip", inner.zone)
    until = moment + 14 * DAY
    passed = [one.slot for one in trigger.passed(moment, until)]
    planned, fired = list(walked(inner, moment, until)), list(walked(trigger, moment, until))
    assert sorted([*passed, *fired]) == planned
    rolled = WorkdayTrigger(inner, WEEKEND, roll, inner.zone)
    assert [one.slot for one in rolled.passed(moment, until)] == passed


def walked(trigger: Trigger, after: Moment, until: Moment) -> Iterator[Moment]:
    at = trigger.next_after(after)
    while at is not None and at <= until:
        yield at
        at = trigger.next_after(at)
