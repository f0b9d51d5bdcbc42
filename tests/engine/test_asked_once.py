"""What another process asks is carried out once, whoever has a reason to read what was asked just then."""

from __future__ import annotations

import pytest

from runner.core.event import Added
from runner.core.run import Request
from runner.engine.abroad import LOOK_EVERY
from runner.moment import MINUTE, SECOND
from runner.spec import Concurrency
from tests.engine.engine_rig import SOURCE, Rig, job
from tests.engine.test_ends_kept import Leased


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


def ask(store: Leased, rig: Rig) -> None:
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
