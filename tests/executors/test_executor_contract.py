from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from runner.clock import SystemClock
from runner.executors.debug import DebugExecutor
from runner.executors.local import LocalExecutor
from runner.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from runner.testing.executor_suite import ExecutorSuite


class TestLocalProcesses(ExecutorSuite):
    tells_late = True

    @pytest.fixture
    def executor(self, tmp_path: Path) -> Any:
        return LocalExecutor("x", state_dir=tmp_path, clock=SystemClock(), environ=dict(os.environ))


class TestLocalThreads(ExecutorSuite):
    @pytest.fixture
    def executor(self, tmp_path: Path) -> Any:
        return LocalExecutor("x", state_dir=tmp_path, clock=SystemClock(), python="threads")


class TestThreadPool(ExecutorSuite):
    @pytest.fixture
    def executor(self) -> Any:
        return ThreadPoolExecutor()


class TestProcessPool(ExecutorSuite):
    @pytest.fixture
    def executor(self) -> Any:
        return ProcessPoolExecutor(2)


class TestDebug(ExecutorSuite):
    parallel = False

    @pytest.fixture
    def executor(self) -> Any:
        return DebugExecutor()
