"""A scheduler in a Tornado program."""

from __future__ import annotations

from typing import Any

from tornado.ioloop import IOLoop

from runner.executors.base import Executor
from runner.executors.tornado import TornadoExecutor
from runner.schedulers.asyncio import AsyncIOScheduler, LoopOf
from runner.schedulers.hosts import Host


class TornadoScheduler(AsyncIOScheduler):
    """Listeners and coroutine functions run on the IOLoop: the current one, unless `io_loop` says another."""

    def _make_host(self) -> Host:
        io_loop: Any = self._options.rest.get("io_loop") or IOLoop.current()
        return LoopOf(io_loop.asyncio_loop)

    def _default_executor(self) -> Executor:
        return TornadoExecutor()
