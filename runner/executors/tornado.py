"""Coroutine functions on Tornado's IOLoop, plain functions in threads beside it."""

from __future__ import annotations

from typing import Any

from runner.clock import Clock
from runner.executors.asyncio import AsyncIOExecutor


class TornadoExecutor(AsyncIOExecutor):
    """Since Tornado 5 an IOLoop is a face of an asyncio loop, on which the coroutines run."""

    def __init__(self, io_loop: Any = None, max_workers: int = 10, *, clock: Clock | None = None) -> None:
        super().__init__(None if io_loop is None else io_loop.asyncio_loop, max_workers, clock=clock)
