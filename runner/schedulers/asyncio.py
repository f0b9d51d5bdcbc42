"""A scheduler in an asyncio program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

from runner.executors.asyncio import AsyncIOExecutor
from runner.executors.base import Executor
from runner.executors.coroutines import Failed, awaited
from runner.schedulers.base import BaseScheduler
from runner.schedulers.hosts import Call, Host, HostGone, LoopHost


class LoopOf(LoopHost):
    """The host that an event loop is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(self._soon)
        self.loop = loop
        self._tasks: set[Any] = set()
        if _running() is loop:
            self._thread = threading.get_ident()

    @property
    def gone(self) -> bool:
        return self.loop.is_closed()

    def follow(self, awaitable: Awaitable[Any], failed: Failed) -> None:
        task = asyncio.run_coroutine_threadsafe(awaited(awaitable, failed), self.loop)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _soon(self, call: Call) -> None:
        try:
            self.loop.call_soon_threadsafe(call)
        except RuntimeError as error:
            raise HostGone from error


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class AsyncIOScheduler(BaseScheduler):
    """Listeners and coroutine functions run on the event loop: the running one, unless `event_loop` says another."""

    def _make_host(self) -> Host:
        loop = self._options.rest.get("event_loop")
        return LoopOf(asyncio.get_running_loop() if loop is None or loop.is_closed() else loop)

    def _default_executor(self) -> Executor:
        return AsyncIOExecutor()

    def _bind(self, executor: Executor) -> None:
        if isinstance(executor, AsyncIOExecutor) and isinstance(self._host, LoopOf):
            executor.bind(self._host.loop)
