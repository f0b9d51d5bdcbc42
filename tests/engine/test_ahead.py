"""What is due is written a little before its moment and starts at it, where nothing else waits."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from runner.clock import Alarm, VirtualClock
from runner.core.action import Change, Save
from runner.core.event import Added, Settings
from runner.core.run import AttemptKey, Job, Outcome, Run, RunKey, Status
from runner.engine import Engine, Hands, Partition
from runner.engine.loop import HEAD_START
from runner.executors.base import Done, Found, Task
from runner.jobstores.base import LEASE, Fence
from runner.jobstores.memory import MemoryJobStore
from runner.moment import MINUTE, SECOND, Moment, Span
from runner.spec import Call, JobKey, JobSpec, Step
from runner.triggers.schedule import build

NOON: Moment = 1_800_014_400 * SECOND
SOURCE = "api:test"


class Slow(MemoryJobStore):
    """A store whose writes take time, and which another may lead."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self.takes: Span = 0
        self.written: list[Moment] = []
        self.led = False

    def hold(self, source: str, owner: str, now: Moment, lease: Span = LEASE) -> Fence | None:
        return None if self.led else super().hold(source, owner, now, lease)

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        super().write(changes, fence)
        self.clock.advance(self.takes)
        self.written.append(self.clock.now())


class Starts:
    """An executor that says when it was told to begin."""

    capacity = None

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.told: list[tuple[Moment, Moment | None]] = []
        self.keys: list[AttemptKey] = []

    def open(self, done: Done) -> None: ...

    def start(self, task: Task) -> None:
        self.told.append((self.clock.now(), task.run.started_at))
        self.keys.append(task.attempt)

    def cancel(self, attempt: AttemptKey, reason: str) -> None: ...

    def recover(self, tasks: Sequence[Task]) -> Found:
        return Found()

    def close(self, *, leave: bool = False) -> None: ...


class Rig:
    """An engine with a job that is due at NOON + 1 min; its rests move its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = VirtualClock(NOON)
        self.store, self.executor = Slow(self.clock), Starts(self.clock)
        monkeypatch.setattr(Alarm, "rest", lambda _, span: self.rest(span))
        hands = Hands({"default": self.executor})
        self.hands = hands
        self.engine = Engine(hands, self.clock, poll_requests=None)
        self.attach(self.store)
        self.engine.turn()
        self.engine.post(Added(minutely("tick")))
        self.engine.turn()
        self.store.written.clear()

    def attach(self, store: Slow) -> None:
        partition = Partition(
            store,
            SOURCE,
            owner="me",
            settings=Settings(),
            hands=self.hands,
            done=self.engine.done,
            elapsed=self.clock.elapsed,
        )
        store.open()
        self.engine.attach(partition)

    def rest(self, span: Span) -> None:
        self.clock.advance(span)

    def ahead(self, before: Span) -> None:
        """A turn so long before the job is due."""
        self.clock.advance_to(DUE - before)
        self.engine.turn(ahead=True)


DUE = NOON + MINUTE


def minutely(id: str) -> JobSpec:
    trigger = build("* * * * *", timezone="UTC", job_id=id, calendars={})
    return JobSpec(id, (Step("main", Call("builtins:print")),), trigger, source=SOURCE)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def test_it_is_written_before_its_moment_and_starts_at_it(rig: Rig) -> None:
    rig.ahead(HEAD_START)
    assert rig.store.written == [DUE - HEAD_START]
    assert rig.executor.told == [(DUE, DUE)]


def test_a_write_that_lasts_longer_than_the_head_start_is_waited_for_and_no_longer(rig: Rig) -> None:
    rig.store.takes = 3 * HEAD_START
    rig.ahead(HEAD_START)
    assert rig.executor.told == [(DUE + 2 * HEAD_START, DUE)]


def test_what_is_further_away_is_left_alone(rig: Rig) -> None:
    rig.ahead(HEAD_START + 1)
    assert rig.store.written == []
    assert rig.executor.told == []


def test_what_waits_in_the_inbox_is_handled_at_once_and_the_job_in_the_next_turn(rig: Rig) -> None:
    nothing = RunKey(JobKey("default", SOURCE, "tick"), NOON)
    rig.engine.done(AttemptKey(nothing, "main", 1), Outcome(Status.SUCCEEDED))
    rig.ahead(HEAD_START)
    assert rig.executor.told == []
    assert rig.clock.now() == DUE - HEAD_START
    rig.engine.turn(ahead=True)
    assert rig.executor.told == [(DUE, DUE)]


def test_a_paused_engine_begins_nothing_ahead(rig: Rig) -> None:
    rig.engine.pause()
    rig.ahead(HEAD_START)
    rig.clock.advance(HEAD_START)
    rig.engine.turn(ahead=True)
    assert rig.executor.told == []


def test_a_clock_that_is_set_back_meanwhile_does_not_hold_it_up(rig: Rig) -> None:
    rig.rest = lambda span: rig.clock.set_wall(DUE - MINUTE)  # type: ignore[method-assign]
    rig.ahead(HEAD_START)
    assert rig.executor.told == [(DUE - MINUTE, DUE)]


def test_without_being_asked_a_turn_is_not_taken_ahead(rig: Rig) -> None:
    rig.clock.advance_to(DUE - 1)
    rig.engine.turn()
    assert rig.executor.told == []


def test_the_clock_thread_wakes_a_head_start_before_what_is_due(rig: Rig) -> None:
    rig.clock.advance_to(DUE - 10 * HEAD_START)
    rig.engine.turn()
    assert rig.engine._span_to_wait() == 9 * HEAD_START


def test_who_takes_a_lead_meanwhile_begins_nothing_before_its_moment(rig: Rig) -> None:
    rig.engine.detach()
    other = Slow(rig.clock)
    other.led = True
    other.write([Save(Job(minutely("tock"), next_at=DUE))])
    rig.attach(other)
    rig.engine.turn()
    other.led = False
    rig.ahead(HEAD_START)
    assert rig.executor.told == [(DUE, DUE)]


def test_a_run_that_is_on_record_lets_the_others_begin_at_their_moment(rig: Rig) -> None:
    rig.engine.post(Added(minutely("tock")))
    rig.engine.turn()
    spec = minutely("tick")
    rig.store.write([Save(Run(RunKey(spec.key, DUE), spec, Status.SUCCEEDED))])
    rig.ahead(HEAD_START)
    assert rig.executor.told == [(DUE, DUE)]
