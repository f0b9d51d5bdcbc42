"""What is due after any downtime is what a list of every missed slot would say, and no list is made."""

from __future__ import annotations

import os
import time
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runner.core.run import Job, Occurrence
from runner.core.timing import PROMPT, due, skipped, start_of
from runner.moment import DAY, HOUR, MINUTE, SECOND, Moment, Span
from runner.spec import Catchup, Command, JobSpec, Policy, Step
from runner.spec.policy import CatchupRuns
from runner.triggers import BaseTrigger, Trigger
from runner.triggers.combining import OrTrigger
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.interval import IntervalTrigger
from tests.triggers.test_laws import MOMENTS, TRIGGERS

MANY = 3_000 if os.environ.get("RUNNER_LONG") else 400
MOST = 1_500


def spec(trigger: Trigger, policy: Policy) -> JobSpec:
    return JobSpec("etl", (Step("main", Command(script="true")),), trigger, policy)


Row = tuple[Moment, Moment | None, int, str, str, Moment | None]


def row(slots: list[Moment], state: str, reason: str, into: Moment | None = None) -> list[Row]:
    if not slots:
        return []
    return [(slots[0], slots[-1] if len(slots) > 1 else None, len(slots), state, reason, into)]


def rows(records: list[Occurrence]) -> list[Row]:
    return [(one.slot, one.last, one.count, one.state, one.reason, one.into) for one in records]


def listed(
    spec: JobSpec, slots: list[Moment], following: Moment | None, now: Moment
) -> tuple[list[Moment], list[Row]]:
    """The rules of reliability.md, said of a list: what runs, and the rows for the rest."""
    policy, records = spec.policy, list[Row]()
    limits = [(policy.grace, "grace"), (PROMPT if policy.catchup.runs == "none" else None, "downtime")]
    for most, reason in limits:
        if most is not None:
            records += row([slot for slot in slots if now - start_of(spec, slot) > most], "missed", reason)
            slots = [slot for slot in slots if now - start_of(spec, slot) <= most]
    if not slots:
        return [], records
    window = policy.catchup.window
    if policy.catchup.runs == "all":
        if window is None:
            window = max(HOUR, 0 if following is None else following - slots[-1])
        fresh = [slot for slot in slots if now - slot <= window][-policy.catchup.max :]
        return fresh, records + row(slots[: len(slots) - len(fresh)], "missed", "window")
    if window is not None and now - slots[-1] > window:
        return [], records + row(slots, "missed", "window")
    return [slots[-1]], records + row(slots[:-1], "merged", "catch-up", slots[-1])


class Own(BaseTrigger):
    """A trigger of a program's own, whose jitter nobody can know beforehand."""

    def next_after(self, moment: Moment) -> Moment | None:
        return (moment // (7 * MINUTE) + 1) * 7 * MINUTE

    def jitter_at(self, slot: Moment) -> Span:
        return slot // MINUTE % 5 * MINUTE


SPANS = st.sampled_from([0, 1, SECOND, MINUTE, 10 * MINUTE, HOUR, DAY, 40 * DAY])
JITTERED = st.builds(
    IntervalTrigger.of, st.integers(1, 90).map(lambda n: n * MINUTE), jitter=st.integers(0, 3 * HOUR)
)
POLICIES = st.builds(
    Policy,
    catchup=st.builds(
        Catchup, st.sampled_from(["none", "latest", "all"]), st.none() | SPANS, st.integers(1, 40)
    ),
    grace=st.none() | SPANS,
    jitter=st.one_of(st.just(0), SPANS),
)


def come(spec: JobSpec, trigger: Trigger, slot: Moment, now: Moment) -> tuple[list[Moment], Moment | None]:
    """The slots whose start has come, as far as anybody wants to walk, and the one after them."""
    slots, following = [slot], trigger.next_after(slot)
    while following is not None and start_of(spec, following) <= now and len(slots) < MOST:
        slots.append(following)
        following = trigger.next_after(following)
    return slots, following


@settings(max_examples=MANY, deadline=None)
@given(
    st.one_of(TRIGGERS, JITTERED, st.builds(Own)), POLICIES, MOMENTS, st.integers(0, 60 * DAY), st.booleans()
)
def test_due_is_what_a_list_says(
    trigger: Trigger, policy: Policy, moment: Moment, length: int, moved: bool
) -> None:
    one = spec(trigger, policy)
    slot = moment if moved else trigger.next_after(moment)
    assume(slot is not None)
    assert slot is not None
    now = start_of(one, slot) + length
    slots, following = come(one, trigger, slot, now)
    if len(slots) == MOST:
        now = start_of(one, slots[MOST // 2])
        slots, following = come(one, trigger, slot, now)
        assume(len(slots) < MOST)
    found = due(Job(one, next_at=slot, passed=slots[-1]), now)
    second = trigger.next_after(slot)
    usual = now - slot <= PROMPT and (second is None or second > now) and policy.grace is None
    if not usual:
        runs, records = listed(one, slots, following, now)
        made = [each for each in found.records if each.reason != "calendar"]
        assert (list(found.runs), rows(made)) == (runs, records)
    else:
        assert list(found.runs) == [slot]
    assert (found.next_at, found.passed) == (following, slots[-1])


@settings(max_examples=100, deadline=None)
@given(TRIGGERS, MOMENTS, st.integers(0, 5 * DAY))
def test_what_is_skipped_in_a_pause_is_one_range(trigger: Trigger, moment: Moment, length: int) -> None:
    slot = trigger.next_after(moment)
    assume(slot is not None and slot - moment < 400 * DAY)
    assert slot is not None
    slots, following = [slot], trigger.next_after(slot)
    while following is not None and following <= slot + length and len(slots) < MOST:
        slots.append(following)
        following = trigger.next_after(following)
    record, next_at = skipped(Job(spec(trigger, Policy()), next_at=slot), slots[-1], "paused")
    assert record is not None
    assert rows([record]) == row(slots, "skipped", "paused")
    assert next_at == following


YEAR = 365 * DAY


@pytest.mark.parametrize(
    "trigger",
    [
        IntervalTrigger.of(SECOND),
        IntervalTrigger.of(SECOND, jitter=10 * SECOND),
        CrontabTrigger.of("* * * * * *", "Europe/Berlin"),
        OrTrigger([CrontabTrigger.of("* * * * * *"), CrontabTrigger.of("*/2 * * * *")]),
    ],
    ids=["every 1s", "with jitter", "crontab", "two schedules"],
)
@pytest.mark.parametrize("runs", ["none", "latest", "all"])
def test_a_year_down_with_a_run_each_second(trigger: Trigger, runs: CatchupRuns) -> None:
    """31 million slots: no list of them is made, and each is in the ledger's ranges."""
    policy = Policy(catchup=Catchup(runs))
    begin = 1_700_000_000 * SECOND
    job = Job(spec(trigger, policy), next_at=begin)
    tracemalloc.start()
    clock = time.process_time()
    found = due(job, begin + YEAR)
    took = time.process_time() - clock
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    slots = sum(one.count for one in found.records) + len(found.runs)
    late = 0 if start_of(job.spec, begin + YEAR) == begin + YEAR else 10
    assert 31_536_001 - late <= slots <= 31_536_001
    assert found.records[0].slot == begin
    assert held < 5_000_000
    assert took < 10, "31 million slots were walked"
    record, _ = skipped(replace(job, state="paused"), begin + YEAR, "paused")
    assert record is not None
    assert (record.slot, record.last, record.count) == (begin, begin + YEAR, 31_536_001)
