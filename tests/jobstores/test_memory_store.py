from __future__ import annotations

import pytest

from runner.core.action import Save
from runner.core.run import Incident
from runner.history import history_of
from runner.jobstores.memory import MOST_CLOCK_CHANGES, MemoryJobStore
from runner.moment import MINUTE, SECOND
from runner.spec import JobKey
from runner.testing.jobstore_suite import JobStoreSuite
from runner.testing.jobstore_values import NOON, SOURCE


class TestMemory(JobStoreSuite):
    durable = False

    @pytest.fixture
    def store(self) -> MemoryJobStore:
        return MemoryJobStore()

    def test_when_the_clock_was_set_is_remembered(self, store: MemoryJobStore) -> None:
        where = JobKey("default", SOURCE, "")
        changes = [
            Incident(where, "clock", NOON + n * MINUTE - 9 * SECOND, closed_at=NOON + n * MINUTE)
            for n in range(MOST_CLOCK_CHANGES + 1)
        ]
        store.write([Save(each) for each in changes])
        assert store.load(SOURCE).incidents == ()
        assert history_of(store).clock_changes(limit=1_000) == changes[:0:-1]
