"""A scheduler that is the program's work: `start` returns when the scheduler is shut down."""

from __future__ import annotations

from typing import Any

from runner.schedulers.base import BaseScheduler
from runner.schedulers.hosts import Host, QueueHost


class BlockingScheduler(BaseScheduler):
    """Listeners run in the thread that called `start`. An interrupt (Ctrl-C, SystemExit) leaves `start`."""

    _queue: QueueHost

    def _make_host(self) -> Host:
        self._queue = QueueHost()
        return self._queue

    def start(self, paused: bool = False) -> Any:
        """Start, and return after `shutdown`; see BaseScheduler.start."""
        super().start(paused)
        self._queue.serve()
