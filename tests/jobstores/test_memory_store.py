from __future__ import annotations

import pytest

from runner.jobstores.memory import MemoryJobStore
from runner.testing.jobstore_suite import JobStoreSuite


class TestMemory(JobStoreSuite):
    durable = False

    @pytest.fixture
    def store(self) -> MemoryJobStore:
        return MemoryJobStore()
