"""A job that is moved, paused or removed as its time comes: that time is accounted for once, and the new one too."""

from __future__ import annotations

from collections import Counter
from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.action import Action, Save, Start
from runner.core.event import (
    Added,
    Changed,
    Event,
    Paused,
    Removed,
    Resumed,
    Settings,
    Started,
    StepEnded,
    Stopping,
    Tick,
)
from runner.core.machine import Machine
from runner.core.run import AttemptKey, Job, Occurrence, Outcome, Run, RunKey, Status
from runner.frozen import replace
from runner.moment import SECOND, Moment
from runner.spec import Call, Concurrency, JobSpec, Policy, Step
from runner.triggers.interval import IntervalTrigger

NOON: Moment = 1_780_000_000 * SECOND
SPEC = JobSpec(
    "it",
    (Step("main", Call("builtins:print")),),
    IntervalTrigger(hours=5),
    Policy(Concurrency("allow", 100)),
)
OTHER = replace(SPEC, trigger=IntervalTrigger(hours=7))


class Watched:
    """A machine of one job, and how often each of its times was decided."""

    def __init__(self) -> None:
        self.machine = Machine(Settings())
        self.now = NOON
        self.resting = False
        self.decided: Counter[Moment] = Counter()
        self.keys: set[tuple[Moment, str]] = set()
        self.runs: set[RunKey] = set()
        self.started: list[Moment] = []

    @property
    def job(self) -> Job | None:
        return self.machine.jobs.get(SPEC.key)

    def rest(self, resting: bool) -> None:
        self.resting = resting
        self.machine.rest(resting)

    def handle(self, event: Event) -> None:
        self._take(self.machine.handle(self.now, event))

    def tick(self) -> None:
        """What the engine does: a Tick where one is due."""
        wakeup = self.machine.wakeup()
        if wakeup is not None and wakeup <= self.now:
            self.handle(Tick())
            later = self.machine.wakeup()
            assert later is None or later > self.now, "it would turn without end"

    def _take(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Start(run=run):
                    assert not self.resting
                    self.started.append(run.key.slot)
                case Save(record=Run() as run) if run.key not in self.runs:
                    self.runs.add(run.key)
                    self._decided(run.key.slot, run.key.nonce)
                case Save(record=Occurrence() as row) if row.state != "ran":
                    assert row.count == 1
                    self._decided(row.slot, row.nonce)
                case _:
                    pass

    def _decided(self, slot: Moment, nonce: str) -> None:
        assert (slot, nonce) not in self.keys, "one key twice"
        self.keys.add((slot, nonce))
        self.decided[slot] += 1


What = Literal[
    "stay", "now", "later", "past", "trigger", "pause", "resume", "remove", "rest scheduler", "go on"
]


def target(what: What, job: Job, now: Moment) -> Moment | None:
    """Where the job is put; None where that is not what is done."""
    return {"stay": job.next_at, "now": now, "later": now + 3, "past": now - 2}.get(what)


def do(watched: Watched, what: What, job: Job) -> None:
    now = watched.now
    match what:
        case "stay" | "now" | "later" | "past":
            to = target(what, job, now)
            watched.handle(Changed(job.spec, to))
            changed = watched.job
            assert changed is not None
            assert (changed.state, changed.next_at) == ("scheduled", to)
        case "trigger":
            watched.handle(Changed(OTHER if job.spec is SPEC else SPEC))
        case "pause":
            watched.handle(Paused(SPEC.key))
        case "resume":
            watched.handle(Resumed(SPEC.key))
        case "remove":
            watched.handle(Removed(SPEC.key))
            # Added again it is a new job, but for the runs that are under way.
            watched.keys = {(run.slot, run.nonce) for run in watched.runs}
            watched.handle(Added(SPEC, now + 2))
        case "rest scheduler" | "go on":
            watched.rest(what == "rest scheduler")


def leaves_its_time(what: What, job: Job, now: Moment) -> bool:
    """Whether the time that the job waited for is its time no more, whatever has become of it."""
    match what:
        case "rest scheduler" | "go on":
            return False
        case "stay" | "now" | "later" | "past":
            return job.state == "paused" or target(what, job, now) != job.next_at
        case "pause":
            return job.state == "scheduled"
        case "resume":
            return job.state == "paused"
        case _:
            return True


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(get_args(What)), st.booleans()), max_size=20),
)
def test_a_time_that_came_is_decided_once_and_none_before_it_comes(
    steps: list[tuple[int, What, bool]],
) -> None:
    watched = Watched()
    watched.handle(Added(SPEC, NOON + 2))
    for passes, what, ticks in steps:
        watched.now += passes
        job, seen = watched.job, watched.decided.copy()
        assert job is not None
        assert job.next_at is not None
        # What goes before its time is up has no trace, and what has come is never lost.
        come = job.next_at <= watched.now and leaves_its_time(what, job, watched.now)
        do(watched, what, job)
        assert watched.decided - seen == (Counter({job.next_at: 1}) if come else Counter())
        if ticks:
            ticked(watched)


def ticked(watched: Watched) -> None:
    job, seen, started = watched.job, watched.decided.copy(), len(watched.started)
    assert job is not None
    assert job.next_at is not None
    due = job.state == "scheduled" and job.next_at <= watched.now and not watched.resting
    watched.tick()
    assert watched.decided - seen == (Counter({job.next_at: 1}) if due else Counter())
    assert watched.started[started:] == ([job.next_at] if due else [])


def test_a_job_added_again_as_the_last_run_of_its_id_ends_has_a_run_of_its_own() -> None:
    """Both ends of one turn: the store is told of them together, and knows neither before."""
    for removed_before in (False, True):
        watched = Watched()
        watched.handle(Added(SPEC, NOON + 2))
        watched.now += 2
        watched.tick()
        (old,) = watched.runs
        if removed_before:
            watched.handle(Removed(SPEC.key))
        watched.now += 1
        watched.handle(StepEnded(AttemptKey(old, "main", 1), Outcome(Status.SUCCEEDED)))
        if not removed_before:
            watched.handle(Removed(SPEC.key))
        watched.handle(Added(SPEC, NOON + 2))
        watched.tick()
        assert watched.runs == {old, RunKey(SPEC.key, NOON + 2, "c1")}


def test_a_job_added_in_the_place_of_one_whose_run_is_under_way_knows_what_that_one_ran_before() -> None:
    watched = Watched()
    watched.handle(Added(SPEC, NOON + 2))
    watched.now += 2
    watched.tick()
    for nonce in ("c1", "c2"):
        watched.handle(Changed(SPEC, NOON + 2))
        watched.tick()
        again = RunKey(SPEC.key, NOON + 2, nonce)
        watched.handle(StepEnded(AttemptKey(again, "main", 1), Outcome(Status.SUCCEEDED)))
    watched.handle(Added(SPEC, NOON + 5))
    watched.handle(Changed(SPEC, NOON + 2))
    watched.tick()
    assert sorted(run.nonce for run in watched.runs) == ["", "c1", "c2", "c4"]


def test_a_job_that_is_disabled_as_its_time_comes_has_had_that_time_wherever_it_is_put() -> None:
    puts: tuple[Moment | Literal["auto"], ...] = ("auto", NOON + 2)
    for put in puts:
        watched = Watched()
        watched.handle(Added(SPEC, NOON + 2))
        watched.now += 2
        watched.handle(Changed(replace(SPEC, enabled=False), put))
        assert watched.decided == Counter({NOON + 2: 1})


@pytest.mark.parametrize("change", [Changed(OTHER), Changed(SPEC, NOON + 60 * SECOND), Paused(SPEC.key)])
def test_what_came_while_the_last_runs_are_waited_for_begins_at_the_next_start_though_the_job_is_changed(
    change: Event,
) -> None:
    machine = Machine(Settings())
    machine.handle(NOON, Added(SPEC, NOON + 2))
    machine.handle(NOON, Stopping(False))
    actions = machine.handle(NOON + 3, change)
    assert not [action for action in actions if isinstance(action, Start)]
    (run,) = [
        action.record for action in actions if isinstance(action, Save) and isinstance(action.record, Run)
    ]
    assert run.key == RunKey(SPEC.key, NOON + 2)
    following = Machine(Settings(), machine.jobs.values(), machine.runs.values())
    begun = following.handle(NOON + 9, Started())
    assert [action.run.key for action in begun if isinstance(action, Start)] == [run.key]
