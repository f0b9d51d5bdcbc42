"""What another process asks is carried out once, whoever has a reason to read what was asked just then."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from runner.core.action import Change
from runner.core.event import Added
from runner.core.run import Request
from runner.engine.abroad import LOOK_EVERY
from runner.errors import StoreError
from runner.jobstores.base import Fence, JobStore
from runner.jobstores.memory import MemoryJobStore
from runner.moment import MINUTE, SECOND
from runner.spec import Concurrency
from tests.engine.engine_rig import SOURCE, Rig, job
from tests.engine.test_ends_kept import Leased


class Deaf(MemoryJobStore):
    """Does not say, for a while, what was asked, or takes nothing that is decided."""

    deaf = full = False

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        if self.full:
            raise StoreError("full")
        super().write(changes, fence)

    def asked(self, source: str) -> Sequence[Request]:
        if self.deaf:
            raise StoreError("locked")
        return super().asked(source)


def two_hosts(store: Leased) -> tuple[Rig, Rig]:
    """One began a run and has lost its lead; the other stands by."""
    first = Rig(store, owner="first", host="a")
    first.engine.turn()
    first.post(Added(job(schedule="0 * * * *", concurrency=Concurrency("allow", max=50))))
    first.clock.advance(60 * MINUTE)
    first.until(lambda: bool(first.executor.started))
    second = Rig(store, clock=first.clock, owner="second", host="b")
    second.engine.turn()
    assert second.partition().standing_by
    return first, second


def ask(store: JobStore, rig: Rig) -> None:
    store.ask(Request("r1", SOURCE, "trigger", {"job": "tick"}, asked_at=rig.clock.now()))


def test_in_the_first_turn_of_a_lead_while_another_host_runs_something() -> None:
    store = Leased()
    first, second = two_hosts(store)
    ask(store, second)
    first.partition().release()
    second.until(lambda: second.partition().leading)
    second.later(SECOND // 10)
    assert len(second.executor.started) == 1


@pytest.mark.parametrize("poked", [True, False])
def test_when_it_is_time_to_look_at_other_hosts_too(poked: bool) -> None:
    store = Leased()
    first, second = two_hosts(store)
    first.partition().release()
    second.until(lambda: second.partition().leading)
    second.later(SECOND // 10)
    ask(store, second)
    second.clock.advance(LOOK_EVERY)
    if poked:
        second.engine.poke()
    second.engine.turn()
    assert len(second.executor.started) == 1


def test_what_is_asked_while_a_batch_waits_for_the_store_is_read_once_it_is_written() -> None:
    store = Deaf()
    rig = Rig(store)
    rig.engine.turn()
    rig.post(Added(job()))
    store.full = True
    rig.later(MINUTE)
    assert rig.executor.started == []
    ask(store, rig)
    rig.engine.poke()
    rig.engine.turn()
    store.full = False
    rig.until(lambda: len(rig.executor.started) == 1)
    rig.later(0)
    answer = store.answer("r1")
    assert answer is not None
    assert answer.state == "refused", "it runs already"


def test_what_cannot_be_read_at_the_knock_is_read_when_the_store_is_back() -> None:
    store = Deaf()
    rig = Rig(store)
    rig.engine.turn()
    rig.post(Added(job()))
    store.deaf = True
    ask(store, rig)
    rig.engine.poke()
    rig.engine.turn()
    assert rig.partition().trouble
    for _ in range(8):
        rig.later(SECOND // 4)
    assert rig.partition().wait(rig.clock.now()) != 0, "it does not ask without end"
    store.deaf = False
    rig.until(lambda: len(rig.executor.started) == 1)
    assert rig.partition().trouble == ""
    assert store.asked(SOURCE) == []
    assert rig.names().count("store.back") == 1


def test_a_store_that_could_not_be_read_once_is_back_once_it_can() -> None:
    store = Deaf()
    rig = Rig(store)
    rig.engine.turn()
    store.deaf = True
    rig.engine.poke()
    rig.engine.turn()
    store.deaf = False
    rig.until(lambda: "store.back" in rig.names(), most=8)
    assert rig.partition().trouble == ""
    assert rig.partition().wait(rig.clock.now()) is None


def test_who_leads_no_more_does_not_wake_to_look_at_other_hosts() -> None:
    store = Leased()
    first, second = two_hosts(store)
    first.partition().release()
    second.until(lambda: second.partition().leading)
    store.take_away()
    store.hold(SOURCE, "third", second.clock.now())
    second.until(lambda: second.partition().standing_by)
    second.clock.advance(LOOK_EVERY)
    store.until = second.clock.now() + MINUTE
    second.engine.turn()
    assert second.partition().standing_by
    wait = second.partition().wait(second.clock.now())
    assert wait is not None
    assert wait > 0


def test_who_cannot_write_does_not_wake_to_look_at_other_hosts() -> None:
    store = Leased()
    first, second = two_hosts(store)
    first.partition().release()
    second.until(lambda: second.partition().leading)
    second.later(SECOND // 10)
    store.away = True
    second.clock.advance_to((second.clock.now() // (60 * MINUTE) + 1) * 60 * MINUTE)
    for _ in range(4):
        second.later(LOOK_EVERY)
        wait = second.partition().wait(second.clock.now())
        assert wait is not None
        assert wait > 0
