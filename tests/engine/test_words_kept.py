"""What other processes asked and said, where the leader changes before it is read; and what is written is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from runner.core.action import Change
from runner.core.event import Added, Fired
from runner.core.run import Request, Status
from runner.frozen import replace
from runner.history.read import History
from runner.jobstores.base import LEASE, Fence
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import MINUTE, SECOND
from runner.spec import Concurrency, JobKey
from tests.engine.engine_rig import NOON, SOURCE, Rig, good, job
from tests.engine.test_ends_kept import Leased, Slow


class AfterCommit(SQLAlchemyJobStore):
    """Raises what no store should, after it has written everything."""

    faults = 0

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        super().write(changes, fence)
        if self.faults:
            self.faults -= 1
            raise MemoryError


@pytest.fixture
def store(tmp_path: Path) -> AfterCommit:
    return AfterCommit(f"sqlite:///{tmp_path / 'runner.db'}")


def test_who_takes_a_lead_reads_what_was_asked_before() -> None:
    store = Leased()
    first = Rig(store, owner="first")
    first.engine.turn()
    first.post(Added(job()))
    second = Rig(store, clock=first.clock)
    second.engine.turn()
    assert second.partition().standing_by
    store.ask(Request("r1", SOURCE, "trigger", {"job": "tick"}, asked_at=NOON))
    # The first one ends before it has read it: its notice went nowhere.
    first.partition().release()
    second.until(lambda: second.partition().leading)
    second.later(SECOND)
    answer = store.answer("r1")
    assert answer is not None
    assert answer.state == "done"
    assert len(second.executor.started) == 1


@pytest.mark.parametrize("faults", [1, 4, 5, 12])
def test_what_was_written_and_then_denied_is_not_made_twice(store: AfterCommit, faults: int) -> None:
    rig = Rig(store)
    rig.executor.marks = True
    rig.engine.turn()
    rig.post(Added(job(schedule="0 0 1 1 *", concurrency=Concurrency("allow", max=50))))
    store.ask(Request("r1", SOURCE, "trigger", {"job": "tick"}, asked_at=NOON))
    rig.engine.poke()
    asked = rig.engine.ask(Fired(JobKey("default", SOURCE, "tick")))
    store.faults = faults
    rig.engine.turn()
    rig.until(asked.done)
    for _ in range(20):
        rig.later(SECOND)
    assert asked.result(0) is None
    made = [run.key for run in History(store.engine).runs()]
    assert len(made) == 2
    assert sorted(made) == sorted(attempt.run for attempt in rig.executor.started)


def test_an_end_that_was_written_and_then_denied_counts_once(store: AfterCommit) -> None:
    rig = Rig(store)
    rig.engine.turn()
    rig.post(Added(job()))
    rig.later(MINUTE)
    (attempt,) = rig.executor.started
    store.faults = 12
    rig.executor.end(attempt, good())
    for _ in range(40):
        rig.later(SECOND // 4)
    assert rig.executor.started == [attempt]
    assert store.load(SOURCE).runs == ()


class LateLead(Slow):
    """Then somebody else has taken the lead."""

    def afterwards(self) -> None:
        self.take_away()
        super().hold(SOURCE, "other", self.clock.now())


def test_who_asked_for_what_is_written_is_told_so_though_the_lead_is_lost_then() -> None:
    store = LateLead()
    rig = Rig(store)
    store.clock = rig.clock
    rig.engine.turn()
    rig.post(Added(job()))
    store.takes = 4 * SECOND
    asked = rig.engine.ask(Fired(JobKey("default", SOURCE, "tick")))
    rig.engine.turn()
    assert not rig.partition().leading
    assert asked.result(0) is None, "the run is on record: whoever leads begins it"
    assert rig.executor.started == []


@pytest.mark.parametrize("stands_by", [False, True])
def test_the_end_that_a_host_told_and_nobody_read_is_read_by_its_next_process(stands_by: bool) -> None:
    """Its own attempt, in a thread: no mark tells of it, only the word that the process left before it was killed."""
    store = Leased()
    rig = Rig(store, host="a")
    rig.engine.turn()
    rig.post(Added(job(on_interrupt="retry")))
    rig.clock.advance(MINUTE)
    rig.until(lambda: bool(rig.executor.started))
    (attempt,) = rig.executor.started
    store.take_away()
    assert store.hold(SOURCE, "another, that dies soon", rig.clock.now()) is not None
    rig.until(lambda: rig.partition().standing_by)
    rig.executor.end(attempt, good())
    rig.until(lambda: bool(store.asked(SOURCE)))
    assert [request.verb for request in store.asked(SOURCE)] == ["ended"]
    if not stands_by:
        rig.clock.advance(2 * LEASE)
    again = Rig(store, clock=rig.clock, owner="its next process", host="a")
    again.until(lambda: bool(again.ended()))
    assert [run.status for run in again.ended()] == [Status.SUCCEEDED]
    assert again.executor.started == []
    again.later(SECOND)
    assert store.asked(SOURCE) == []


def test_what_the_house_took_upon_itself_and_could_not_answer_is_taken_again() -> None:
    store = Leased()
    rig = Rig(store)
    rig.engine.turn()
    taken: list[Request] = []

    def takes(request: Request) -> bool:
        taken.append(request)
        return True

    rig.partition()._asked._takes = takes
    store.ask(Request("r1", SOURCE, "reload", asked_at=NOON))
    rig.engine.poke()
    rig.engine.turn()
    (request,) = taken
    store.take_away()
    rig.engine.answer(replace(request, state="done"))
    rig.until(lambda: "lease.lost" in rig.names())
    rig.until(lambda: rig.partition().leading)
    rig.until(lambda: len(taken) == 2)
    rig.engine.answer(replace(request, state="done"))
    rig.engine.turn()
    assert store.asked(SOURCE) == []
