"""In whose thread a program's callables run: a host takes calls from anywhere and makes them where its users expect.

The clock thread decides and never runs a program's code, so that a busy host does not delay a decision.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

Call = Callable[[], None]
Failed = Callable[[BaseException], None]

log = logging.getLogger("runner.scheduler")


class HostGone(Exception):
    """The host's loop was closed: nobody is there to run anything."""


class Host(Protocol):
    def post(self, call: Call) -> None:
        """Run this on the host soon, in the order of posting, from any thread; HostGone where it is no more."""
        ...

    def follow(self, awaitable: Awaitable[Any], failed: Failed) -> None:
        """Run an awaitable to its end; on the host. What it raises is told."""
        ...

    def drain(self) -> None:
        """Return once everything posted before has run; where that cannot be waited for, at once."""
        ...


class Coroutines:
    """An event loop in a thread of its own, made when the first coroutine comes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, awaitable: Awaitable[Any], failed: Failed) -> None:
        loop = self._started()
        asyncio.run_coroutine_threadsafe(_awaited(awaitable, failed), loop)

    def close(self) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_turn, args=(self._loop,), name="runner-coroutines", daemon=True
                ).start()
            return self._loop


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _awaited(awaitable: Awaitable[Any], failed: Failed) -> None:
    try:
        await awaitable
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        failed(error)


class QueueHost:
    """Calls run one after another in the thread that is in `serve`, or in one of its own made by `thread`."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._coroutines = Coroutines()
        self._server: int | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._own_thread = False

    @classmethod
    def with_thread(cls) -> QueueHost:
        """Its thread is made when the first call comes."""
        host = cls()
        host._own_thread = True
        return host

    def post(self, call: Call) -> None:
        self._calls.put(call)
        if self._own_thread and self._thread is None:
            self._start()

    def follow(self, awaitable: Awaitable[Any], failed: Failed) -> None:
        self._coroutines.run(awaitable, failed)

    def drain(self) -> None:
        if self._server == threading.get_ident():
            self._drain_here()
        elif self._server is not None or self._thread is not None:
            reached = threading.Event()
            self.post(reached.set)
            reached.wait(10)

    def serve(self) -> None:
        """Make the calls, until `close`."""
        self._server = threading.get_ident()
        try:
            while (call := self._calls.get()) is not None:
                call()
        finally:
            self._server = None

    def close(self) -> None:
        self._coroutines.close()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None or not self._own_thread:
            self._calls.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(10)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self.serve, name="runner-listeners", daemon=True)
                self._thread.start()

    def _drain_here(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return
            if call is None:
                self._calls.put(None)
                return
            call()


def is_awaitable(value: Any) -> bool:
    return inspect.isawaitable(value)
