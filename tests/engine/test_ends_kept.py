"""The end of an attempt that only this process can tell of is not lost with a lead, and none is taken for gone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from runner.clock import VirtualClock
from runner.core.action import Change
from runner.core.event import Added
from runner.core.run import Status
from runner.errors import StoreError
from runner.executors.pool import ThreadPoolExecutor
from runner.jobstores.base import LEASE, Fence
from runner.jobstores.memory import MemoryJobStore
from runner.moment import MINUTE, SECOND, Moment, Span
from runner.spec import Call, Step
from tests.engine.engine_rig import SOURCE, Rig, good, job
from tests.waiting import PATIENCE, wait_until


class Leased(MemoryJobStore):
    """A memory store whose lead has a deadline, as on a server; and which can be away."""

    def __init__(self, alias: str = "default") -> None:
        super().__init__(alias)
        self.away = False
        self.until: Moment = 0

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        if self.away:
            raise StoreError("away")
        super().write(changes, fence)

    def hold(self, source: str, owner: str, now: Moment, lease: Span = LEASE) -> Fence | None:
        if self.away:
            raise StoreError("away")
        held = self._leases.get(source)
        if held is not None and self.until < now:
            del self._leases[source]
        fence = super().hold(source, owner, now, lease)
        if fence is None:
            return None
        self.until = now + lease
        return Fence(fence.source, fence.owner, fence.number, self.until)

    def take_away(self) -> None:
        """Another runner led for a moment, and died."""
        for source in list(self._leases):
            self._numbers[source] += 1
            del self._leases[source]


class Slow(Leased):
    """One write takes longer than the lease lasts; then comes what happens `afterwards`."""

    takes: Span = 0
    clock: VirtualClock

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        super().write(changes, fence)
        if self.takes:
            takes, self.takes = self.takes, 0
            self.clock.advance(takes)
            self.afterwards()

    def afterwards(self) -> None:
        raise NotImplementedError


@pytest.fixture
def store() -> Leased:
    return Leased()


@pytest.fixture
def rig(store: Leased) -> Rig:
    made = Rig(store)
    made.engine.turn()
    made.post(Added(job(on_interrupt="retry")))
    made.clock.advance(MINUTE)
    made.until(lambda: bool(made.executor.started))
    return made


def test_what_ends_in_an_outage_longer_than_the_lease_ended_so(rig: Rig, store: Leased) -> None:
    (attempt,) = rig.executor.started
    store.away = True
    rig.later(SECOND)
    rig.later(LEASE)
    rig.executor.end(attempt, good())
    rig.later(SECOND)
    store.away = False
    rig.until(lambda: bool(rig.ended()))
    assert [run.status for run in rig.ended()] == [Status.SUCCEEDED]
    assert rig.executor.started == [attempt], "it was not made again"


def test_an_end_that_was_not_written_when_the_lead_was_lost_is_told_later(rig: Rig, store: Leased) -> None:
    (attempt,) = rig.executor.started
    store.take_away()
    rig.executor.end(attempt, good())
    rig.engine.turn()
    assert "lease.lost" in rig.names()
    rig.until(lambda: bool(rig.ended()))
    assert [run.status for run in rig.ended()] == [Status.SUCCEEDED]
    assert rig.executor.started == [attempt]


def test_a_failure_that_would_be_retried_is_not_taken_for_an_interruption(store: Leased) -> None:
    from runner.core.run import Outcome
    from runner.spec import Retry

    rig = Rig(store)
    rig.engine.turn()
    spec = job()
    (step,) = spec.steps
    rig.post(Added(replace(spec, steps=(replace(step, retry=Retry(max=1)),))))
    rig.clock.advance(MINUTE)
    rig.until(lambda: bool(rig.executor.started))
    (attempt,) = rig.executor.started
    store.take_away()
    rig.executor.end(attempt, Outcome(Status.FAILED, exit_code=9))
    rig.engine.turn()
    rig.until(lambda: len(rig.executor.started) == 2)
    assert rig.ended() == []
    first, second = rig.executor.started
    assert (first.attempt, second.attempt) == (1, 2)


def test_what_ends_while_the_lead_is_taken_again_ended_so(rig: Rig, store: Leased) -> None:
    """The executor forgets it between the look at the inbox and the question what became of it."""
    (attempt,) = rig.executor.started
    store.take_away()
    rig.executor.recovering = lambda: (
        rig.executor.end(attempt, good()) if attempt in rig.executor.live else None
    )
    rig.until(lambda: bool(rig.ended()))
    assert [run.status for run in rig.ended()] == [Status.SUCCEEDED]
    assert rig.executor.started == [attempt]


def test_who_is_told_to_stop_takes_no_lead(store: Leased) -> None:
    other = Rig(store, owner="other")
    other.engine.turn()
    rig = Rig(store, clock=other.clock)
    rig.engine.turn()
    rig.engine.call(lambda now: rig.partition().stop(now, cancel=False))
    rig.engine.turn()
    other.partition().release()
    for _ in range(8):
        rig.later(SECOND)
    assert not rig.partition().leading


def test_who_is_told_to_stop_and_loses_the_lead_starts_nothing_more(rig: Rig, store: Leased) -> None:
    rig.post(Added(job("tock", "*/2 * * * *")))
    started = list(rig.executor.started)
    rig.engine.call(lambda now: rig.partition().stop(now, cancel=False))
    rig.engine.turn()
    store.take_away()
    for _ in range(4):
        rig.later(MINUTE)
    assert rig.executor.started == started


class Gate:
    """Functions that a test lets go on."""

    began, goes_on = threading.Event(), threading.Event()
    calls: ClassVar[list[str]] = []


def held() -> None:
    Gate.calls.append("held")
    Gate.began.set()
    assert Gate.goes_on.wait(90)


def queued() -> None:
    Gate.calls.append("queued")


def test_what_waited_in_the_executor_when_the_lead_was_lost_is_begun_by_the_next_one(store: Leased) -> None:
    rig = Rig(store)
    pool = ThreadPoolExecutor(1, clock=rig.clock)
    pool.open(rig.engine.done)
    rig.hands.executors["default"] = pool
    rig.engine.turn()
    for function in (held, queued):
        rig.post(Added(replace(job(function.__name__), steps=(Step("main", Call(function)),))))
    rig.clock.advance(MINUTE)
    rig.until(lambda: rig.names().count("run.started") == 2)
    assert Gate.began.wait(PATIENCE)
    store.take_away()
    led = rig.names().count("lease.taken")
    rig.until(lambda: rig.names().count("lease.taken") > led)
    Gate.goes_on.set()

    def both_ended() -> bool:
        rig.engine.turn()
        return len(rig.ended()) == 2

    wait_until(both_ended)
    pool.close()
    assert {run.spec.id: run.status for run in rig.ended()} == {
        "held": Status.SUCCEEDED,
        "queued": Status.SUCCEEDED,
    }
    assert Gate.calls == ["held", "queued"]


def test_who_stops_and_has_lost_the_lead_waits_for_nothing(rig: Rig, store: Leased) -> None:
    rig.post(Added(job()))
    rig.later(MINUTE)
    rig.partition().stop(rig.clock.now(), cancel=False)
    store.take_away()
    assert store.hold(SOURCE, "another", rig.clock.now()) is not None
    rig.until(lambda: not rig.partition().leading)
    rig.later(MINUTE)
    assert rig.partition().wait(rig.clock.now()) is None
