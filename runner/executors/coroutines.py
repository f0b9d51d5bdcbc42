"""An event loop in a thread of its own, for programs that have none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from runner.executors.greenlets import threads_are_greenlets

Failed = Callable[[BaseException], None]

LINGER = 5.0
"""Seconds that coroutines may go on after the loop was asked to stop."""


def begin_in_thread() -> asyncio.AbstractEventLoop:
    """A loop that turns in a new daemon thread."""
    if threads_are_greenlets():
        from runner.executors.gevent import begin_in_real_thread

        # Two loops cannot turn in one thread, and a greenlet is none of its own.
        return begin_in_real_thread()
    loop = asyncio.new_event_loop()
    threading.Thread(target=turn, args=(loop,), name="runner-coroutines", daemon=True).start()
    return loop


class Coroutines:
    """The loop is made by `begin` when the first coroutine comes."""

    def __init__(self, begin: Callable[[], asyncio.AbstractEventLoop] = begin_in_thread) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, awaitable: Awaitable[Any], failed: Failed) -> Callable[[], object]:
        """Run it to its end, and tell what it raises; the answer cancels it."""
        return asyncio.run_coroutine_threadsafe(awaited(awaitable, failed), self._started()).cancel

    def close(self) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(loop.stop)

    def _started(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is not None:
            return loop
        # Made without the lock: in a gevent program another greenlet of this thread may come here meanwhile.
        made = self._begin()
        with self._lock:
            if self._loop is None:
                self._loop = made
                return made
            loop = self._loop
        made.call_soon_threadsafe(made.stop)
        return loop


def turn(loop: asyncio.AbstractEventLoop) -> None:
    """Turn the loop in this thread until it is stopped; what is left on it has a while to end."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        if left:
            loop.run_until_complete(_settled(left))
    finally:
        loop.close()


async def _settled(left: set[asyncio.Task[Any]]) -> None:
    _, late = await asyncio.wait(left, timeout=LINGER)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


async def awaited(awaitable: Awaitable[Any], failed: Failed) -> None:
    """Run it to its end and tell what it raises; being cancelled is nothing to tell."""
    try:
        await awaitable
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        failed(error)
