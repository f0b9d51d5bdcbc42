"""A takeover that takes longer than a lease lasts, while another runner, as slow, asks for the lead all the time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from runner.clock import VirtualClock
from runner.core.action import Change, Save
from runner.core.run import Job
from runner.errors import LeaseLost
from runner.jobstores.base import LEASE, Fence, Loaded
from runner.jobstores.memory import MemoryJobStore
from runner.moment import MILLISECOND, MINUTE, SECOND, Moment, Span
from tests.engine.engine_rig import NOON, SOURCE, Rig, job

ASKS_EVERY: Span = 500 * MILLISECOND


class Contested(MemoryJobStore):
    """Its reads and writes take time; a lead lasts by its clock. Another runner asks for it every half second, has it
    for one lease, and loses it as this one does, because it is as slow."""

    loading: Span = 0
    writing: Span = 0
    grants_longer = True

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock(NOON)
        self.number = 0
        self.owner = ""
        self.until: Moment = 0
        self.leases: list[Span] = []

    def settle(self) -> None:
        """What the other one did until now."""
        while True:
            taken_at = max(self.until, NOON) // ASKS_EVERY * ASKS_EVERY + ASKS_EVERY
            if self.owner in ("", "other") or taken_at > self.clock.now():
                return
            self.number, self.owner, self.until = self.number + 1, "other", taken_at + LEASE

    def hold(self, source: str, owner: str, now: Moment, lease: Span = LEASE) -> Fence | None:
        self.settle()
        there = self.clock.now()
        lease = lease if self.grants_longer else LEASE
        if self.owner != owner:
            if self.until >= there:
                return None
            self.number, self.owner = self.number + 1, owner
        self.until = there + lease
        self.leases.append(lease)
        return Fence(source, owner, self.number, now + lease)

    def load(self, source: str) -> Loaded:
        self.clock.advance(self.loading)
        return super().load(source)

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        self.clock.advance(self.writing)
        self.settle()
        if fence is not None and fence.number != self.number:
            raise LeaseLost("another one leads")
        super().write(changes)


def rig_on(store: Contested) -> Rig:
    MemoryJobStore.write(store, [Save(Job(job(), next_at=NOON - MINUTE))])
    return Rig(store, clock=store.clock)


@pytest.mark.parametrize("grants_longer", [True, False])
def test_phases_each_shorter_than_a_lease_are_one_takeover(grants_longer: bool) -> None:
    store = Contested()
    store.grants_longer = grants_longer
    store.loading = store.writing = LEASE * 2 // 3
    rig = rig_on(store)
    rig.engine.turn()
    assert rig.partition().leading
    assert len(rig.executor.started) == 1
    assert store.number == 1, "at the first try"


@pytest.mark.parametrize(
    ("loading", "writing"), [(4 * SECOND, 0), (0, 4 * SECOND), (20 * SECOND, 10 * SECOND)]
)
def test_a_phase_longer_than_a_lease_gets_through_in_the_end(loading: Span, writing: Span) -> None:
    store = Contested()
    store.loading, store.writing = loading, writing
    rig = rig_on(store)
    rig.until(lambda: bool(rig.executor.started))
    assert rig.partition().leading
    assert store.number < 12
    assert len(rig.executor.started) == 1
    store.loading = store.writing = 0
    # From then on it lasts as short as any: the next runner waits no longer than promised.
    rig.later(SECOND)
    rig.later(SECOND)
    assert store.until - store.clock.now() <= LEASE
    assert store.owner == "me"


def test_a_quick_takeover_never_asks_for_more() -> None:
    store = Contested()
    rig = rig_on(store)
    for _ in range(10):
        rig.later(SECOND)
    assert set(store.leases) == {LEASE}
    assert rig.partition().source == SOURCE
