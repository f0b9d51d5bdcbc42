"""When a store that failed is tried again."""

from __future__ import annotations

from runner.clock import VirtualClock
from runner.core.action import Announce
from runner.engine import Hands
from runner.engine.outage import Outage
from runner.errors import StoreError
from runner.moment import SECOND
from tests.engine.engine_rig import NOON


def test_the_interval_counts_from_the_failure_however_long_it_takes_to_tell() -> None:
    clock = VirtualClock(NOON)
    told: list[str] = []

    def slowly(announce: Announce) -> None:
        clock.advance(3 * SECOND)
        told.append(announce.name)

    outage = Outage("default", Hands(announce=slowly), clock.elapsed, 7 * SECOND)
    clock.advance(SECOND)
    outage.failed(StoreError("it is away"))
    assert (told, outage.retry_at) == (["store.failed"], 8 * SECOND)
    clock.advance(4 * SECOND - 1)
    assert outage.waits()
    clock.advance(1)
    assert not outage.waits()
