"""The engine on a real machine with a memory store: order of writing and acting, and stores that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from runner.clock import VirtualClock
from runner.core.action import Announce, Cancel, Change, Save, Start
from runner.core.event import Added, CancelAsked, Event, Fired, Settings
from runner.core.machine import Machine
from runner.core.run import AttemptKey, Delivery, Job, Outcome, Status
from runner.engine import Engine, Hands, Partition
from runner.engine.batch import Batch
from runner.errors import LeaseLost, StoreError
from runner.executors.base import Done, Found, Task
from runner.jobstores.base import Fence
from runner.jobstores.memory import MemoryJobStore
from runner.moment import MINUTE, SECOND, Moment
from runner.spec import Command, JobKey, JobSpec, Policy, Step
from runner.triggers.schedule import build

NOON: Moment = 1_800_014_400 * SECOND


class Trouble(MemoryJobStore):
    """A memory store whose writes can be made to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.only: Callable[[Sequence[Change]], bool] = lambda changes: True
        self.written: list[Sequence[Change]] = []

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        if self.error is not None and self.only(changes):
            raise self.error
        super().write(changes, fence)
        self.written.append(list(changes))


@dataclass
class Scripted:
    """An executor that remembers what it was told, and ends attempts when the test says so."""

    store: Trouble
    capacity: int | None = None
    started: list[AttemptKey] = field(default_factory=list)
    cancelled: list[tuple[AttemptKey, str]] = field(default_factory=list)
    unsaved: list[AttemptKey] = field(default_factory=list)
    error: Exception | None = None

    def open(self, done: Done) -> None:
        self.done = done

    def start(self, task: Task) -> None:
        if self.error is not None:
            raise self.error
        stored = {run.key: run for run in self.store.load(task.run.spec.source).runs}
        if task.run.key not in stored:
            self.unsaved.append(task.attempt)
        self.started.append(task.attempt)

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        self.cancelled.append((attempt, reason))

    def recover(self, tasks: Sequence[Task]) -> Found:
        return Found(gone=frozenset(task.attempt for task in tasks))

    def close(self, *, leave: bool = False) -> None:
        return None


class Rig:
    """An engine turned by hand on a clock that is moved by hand."""

    def __init__(self, **kwargs: object) -> None:
        self.clock = VirtualClock(NOON)
        self.store = Trouble()
        self.executor = Scripted(self.store)
        self.heard: list[Announce] = []
        self.sent: list[Delivery] = []
        self.hands = Hands({"default": self.executor}, self.sent.append, self.heard.append)
        self.engine = Engine(self.hands, self.clock, poll_requests=None)
        self.partition = Partition(
            self.store,
            "api:test",
            owner="me",
            settings=Settings(),
            hands=self.hands,
            done=self.engine.done,
            elapsed=self.clock.elapsed,
        )
        self.store.open()
        self.hands.open(self.engine.done)
        self.engine.attach(self.partition)
        self.engine.turn()

    @property
    def machine(self) -> Machine:
        assert self.partition.machine is not None
        return self.partition.machine

    def post(self, *events: Event) -> None:
        for event in events:
            self.engine.post(event)
        self.engine.turn()

    def later(self, span: int) -> None:
        self.clock.advance(span)
        self.engine.turn()

    def names(self) -> list[str]:
        return [announce.name for announce in self.heard]


def job(id: str = "tick", schedule: str = "* * * * *", **policy: Any) -> JobSpec:
    trigger = build(schedule, timezone="UTC", job_id=id, calendars={})
    work = Command(script="true")
    return JobSpec(
        id,
        (Step("main", work),),
        trigger,
        policy=Policy(**policy),
        source="api:test",
    )


def good() -> Outcome:
    return Outcome(Status.SUCCEEDED, exit_code=0)


def test_nothing_starts_that_is_not_written() -> None:
    rig = Rig()
    rig.post(Added(job()))
    rig.later(MINUTE)
    assert [str(attempt) for attempt in rig.executor.started] == ["tick@2027-01-15T12:01:00Z/main#1"]
    assert rig.executor.unsaved == []
    assert "run.started" in rig.names()


def test_all_waiting_events_are_one_transaction() -> None:
    rig = Rig()
    rig.post(*(Added(job(f"job{n}")) for n in range(50)))
    before = len(rig.store.written)
    rig.later(MINUTE)
    assert len(rig.executor.started) == 50
    assert len(rig.store.written) == before + 1


def test_a_store_that_fails_starts_nothing_and_forgets_nothing() -> None:
    rig = Rig()
    rig.post(Added(job()))
    rig.store.error = StoreError("the disk is full")
    rig.later(MINUTE)
    assert rig.executor.started == []
    assert "store.failed" in rig.names()
    rig.later(SECOND)
    assert rig.executor.started == []
    rig.store.error = None
    rig.later(10 * SECOND)
    assert len(rig.executor.started) == 1
    assert rig.executor.unsaved == []
    assert "store.back" in rig.names()


def test_what_ends_while_the_store_is_away_is_written_when_it_is_back() -> None:
    rig = Rig()
    rig.post(Added(job()))
    rig.later(MINUTE)
    (attempt,) = rig.executor.started
    rig.store.error = StoreError("gone")
    rig.executor.done(attempt, good())
    rig.engine.turn()
    rig.later(30 * SECOND)
    assert "run.ended" not in rig.names()
    rig.store.error = None
    rig.later(5 * SECOND)
    assert "run.ended" in rig.names()


def test_other_settings_while_the_store_is_away_lose_nothing() -> None:
    rig = Rig()
    rig.post(Added(job()), Added(job("tock")))
    rig.store.error = StoreError("gone")
    rig.later(MINUTE)
    rig.engine.configure(Settings())
    asked = rig.engine.ask(Added(job("later")))
    rig.later(MINUTE)
    rig.store.error = None
    rig.later(10 * SECOND)
    assert [str(attempt) for attempt in rig.executor.started] == [
        "tick@2027-01-15T12:01:00Z/main#1",
        "tock@2027-01-15T12:01:00Z/main#1",
    ]
    assert rig.executor.unsaved == []
    assert asked.result(0) is None


def test_a_timeout_that_a_failing_store_does_not_take_is_carried_out_all_the_same() -> None:
    """It is the first thing that cannot be written: the run is stopped in time, and once."""
    rig = Rig()
    rig.post(Added(job(timeout=20 * SECOND)))
    rig.later(MINUTE)
    (attempt,) = rig.executor.started
    rig.store.error = StoreError("gone")
    rig.later(20 * SECOND)
    assert rig.executor.cancelled == [(attempt, "timeout")]
    for _ in range(5):
        rig.later(SECOND)
    rig.store.error = None
    rig.later(SECOND)
    rig.engine.done(attempt, Outcome(Status.TIMED_OUT))
    rig.engine.turn()
    assert rig.executor.cancelled == [(attempt, "timeout")]
    assert not rig.store.load("api:test").runs


def test_a_stop_that_was_asked_for_goes_out_though_its_record_has_to_wait() -> None:
    rig = Rig()
    rig.post(Added(job()))
    rig.later(MINUTE)
    (attempt,) = rig.executor.started
    rig.store.error = StoreError("gone")
    rig.post(CancelAsked(attempt.run, by="me"))
    assert [key for key, _ in rig.executor.cancelled] == [attempt]
    rig.store.error = None
    rig.later(SECOND)
    assert [key for key, _ in rig.executor.cancelled] == [attempt]


def test_only_what_may_have_begun_is_stopped_before_it_is_on_record() -> None:
    rig = Rig()
    rig.post(Added(job()))
    rig.later(MINUTE)
    (attempt,) = rig.executor.started
    run = rig.machine.runs[attempt.run]
    other = AttemptKey(attempt.run, "other", 1)
    start = Start(run, run.spec.steps[0], run.steps["main"])
    cancels = [
        Cancel(each, "default", reason) for each in (attempt, other) for reason in ("timeout", "asked")
    ]
    batch = Batch([start, *cancels])
    assert [(each.attempt, each.reason) for each in batch.urgent(any_reason=False)] == [(other, "timeout")]
    assert [(each.attempt, each.reason) for each in batch.urgent(any_reason=True)] == [(other, "asked")]
    assert batch.actions == [start, *cancels[:2]]


def test_a_timeout_is_enforced_while_the_store_is_away() -> None:
    rig = Rig()
    rig.post(Added(job(timeout=20 * SECOND)))
    rig.later(MINUTE)
    (attempt,) = rig.executor.started
    rig.store.error = StoreError("gone")
    rig.post(Fired(JobKey("default", "api:test", "tick")))
    rig.later(21 * SECOND)
    assert rig.executor.cancelled == [(attempt, "timeout")]
    rig.later(SECOND)
    assert len(rig.executor.cancelled) == 1, "told once"


def test_a_lost_lease_writes_nothing_and_stands_by() -> None:
    rig = Rig()
    rig.post(Added(job()))
    rig.store.error = LeaseLost("another leads")
    rig.later(MINUTE)
    assert rig.executor.started == []
    assert not rig.partition.leading
    assert "lease.lost" in rig.names()


def test_an_executor_that_raises_is_a_failed_attempt() -> None:
    rig = Rig()
    rig.executor.error = RuntimeError("no hands")
    rig.post(Added(job()))
    rig.later(MINUTE)
    rig.engine.turn()
    ended = [announce.value for announce in rig.heard if announce.name == "run.ended"]
    assert [run.status for run in ended] == [Status.FAILED]
    outcome = next(iter(ended[0].steps.values())).outcome
    assert outcome.error == "executor 'default' could not start it: RuntimeError: no hands"


def test_an_unknown_executor_is_a_failed_attempt_that_names_the_known_ones() -> None:
    rig = Rig()
    spec = job()
    rig.post(Added(JobSpec(spec.id, spec.steps, spec.trigger, source="api:test", executor="heavy")))
    rig.later(MINUTE)
    rig.engine.turn()
    (run,) = [announce.value for announce in rig.heard if announce.name == "run.ended"]
    outcome = next(iter(run.steps.values())).outcome
    assert outcome.error == "there is no executor named 'heavy' (known: default)"


def test_a_listener_that_raises_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()

    def bad(announce: Announce) -> None:
        raise ValueError("not today")

    rig.hands.announce = bad
    rig.post(Added(job()))
    rig.later(MINUTE)
    assert len(rig.executor.started) == 1
    assert "a listener of run.started failed" in caplog.text


def test_a_restart_settles_what_was_running() -> None:
    rig = Rig()
    rig.post(Added(job()))
    rig.later(MINUTE)
    again = Rig.__new__(Rig)
    again.clock, again.store, again.executor = rig.clock, rig.store, Scripted(rig.store)
    again.heard, again.sent = [], []
    again.hands = Hands({"default": again.executor}, again.sent.append, again.heard.append)
    again.engine = Engine(again.hands, again.clock, poll_requests=None)
    rig.partition.release()
    again.partition = Partition(
        again.store,
        "api:test",
        owner="me too",
        settings=Settings(),
        hands=again.hands,
        done=again.engine.done,
        elapsed=again.clock.elapsed,
    )
    again.hands.open(again.engine.done)
    again.engine.attach(again.partition)
    again.engine.turn()
    ended = [announce.value for announce in again.heard if announce.name == "run.ended"]
    assert [(str(run.key), run.status) for run in ended] == [
        ("tick@2027-01-15T12:01:00Z", Status.INTERRUPTED)
    ]
    assert again.executor.started == []


def test_asked_futures_are_done_once_written() -> None:
    rig = Rig()
    future = rig.engine.ask(Added(job()))
    assert not future.done()
    rig.engine.turn()
    assert future.result(0) is None
    assert [job.spec.id for job in _jobs(rig.store.written)] == ["tick"]


def test_who_asked_is_told_of_what_no_store_should_raise() -> None:
    rig = Rig()
    rig.store.error = ValueError("surrogates not allowed")
    future = rig.engine.ask(Added(job()))
    rig.engine.turn()
    assert not future.done(), "it may be the store's own fault, and pass"

    def bad(changes: Sequence[Change]) -> bool:
        return any(isinstance(each, Save) and isinstance(each.record, Job) for each in changes)

    rig.store.only = bad
    for _ in range(100):
        rig.later(SECOND // 4)
    with pytest.raises(ValueError, match="surrogates"):
        future.result(0)


def test_a_plan_that_raises_tells_who_asked() -> None:
    rig = Rig()

    def plan(machine: Machine, now: Moment) -> Sequence[Event]:
        raise StoreError("no such thing")

    future = rig.engine.ask(plan)
    rig.engine.turn()
    with pytest.raises(StoreError, match="no such thing"):
        future.result(0)


def test_pause_keeps_what_is_due_for_the_resume() -> None:
    rig = Rig()
    rig.post(Added(job()))
    rig.engine.pause()
    rig.later(2 * MINUTE)
    assert rig.executor.started == []
    rig.engine.resume()
    rig.engine.turn()
    assert len(rig.executor.started) == 1


def test_an_engine_that_ends_refuses_what_is_asked_later() -> None:
    rig = Rig()
    rig.engine.end()
    rig.engine.run()
    with pytest.raises(Exception, match="the engine has stopped"):
        rig.engine.ask(Added(job())).result(0)


def _jobs(written: list[Sequence[Change]]) -> list[Job]:
    return [
        change.record
        for changes in written
        for change in changes
        if isinstance(change, Save) and isinstance(change.record, Job)
    ]
