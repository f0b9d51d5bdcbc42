"""Stores that are slow: what is to begin after the lease's end, and a lease that cannot be a longer one."""

from __future__ import annotations

from typing import cast

import pytest

from runner.clock import VirtualClock
from runner.core.event import Added
from runner.jobstores.base import LEASE, Fence, JobStore, Loaded
from runner.jobstores.memory import MemoryJobStore
from runner.moment import MINUTE, SECOND, Moment, Span
from tests.engine.engine_rig import Rig, job
from tests.engine.test_ends_kept import Slow


class GoneAfterwards(Slow):
    """Then the store is away."""

    def afterwards(self) -> None:
        self.away = True


def test_an_outage_then_is_said_once_and_its_end_once() -> None:
    store = GoneAfterwards()
    rig = Rig(store)
    store.clock = rig.clock
    rig.engine.turn()
    rig.post(Added(job()))
    rig.clock.advance(MINUTE - SECOND)
    rig.engine.turn()
    store.takes = 4 * SECOND
    rig.later(SECOND)
    for _ in range(40):
        rig.later(SECOND // 4)
    assert rig.executor.started == []
    assert rig.names().count("store.failed") == 1
    assert "store.back" not in rig.names()
    store.away = False
    rig.until(lambda: bool(rig.executor.started))
    assert len(rig.executor.started) == 1
    assert rig.names().count("store.back") == 1
    assert rig.partition().trouble == ""


class Older(MemoryJobStore):
    """A store of a program's own, made before leads could last longer; reading it takes a while."""

    clock: VirtualClock
    until: Moment = 0
    loads: Span = 3 * SECOND

    def hold(self, source: str, owner: str, now: Moment) -> Fence | None:  # type: ignore[override]
        fence = super().hold(source, owner, now)
        if fence is None:
            return None
        self.until = now + LEASE
        return Fence(fence.source, fence.owner, fence.number, self.until)

    def load(self, source: str) -> Loaded:
        self.clock.advance(self.loads)
        return super().load(source)


@pytest.mark.parametrize("loads", [SECOND, 3 * SECOND])
def test_a_store_that_knows_of_no_longer_lease_is_not_asked_for_one(loads: Span) -> None:
    store = Older()
    store.loads = loads
    rig = Rig(cast(JobStore, store))
    store.clock = rig.clock
    rig.until(lambda: rig.partition().leading)
    # Another runner led for a moment.
    for source in list(store._leases):
        store._numbers[source] += 1
        del store._leases[source]
    rig.until(lambda: "lease.lost" in rig.names())
    rig.until(lambda: rig.partition().leading)
    assert "store.failed" not in rig.names()
