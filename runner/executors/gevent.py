"""Functions as greenlets of gevent's hub."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent.threadpool import ThreadPool

from runner.clock import Clock
from runner.core.run import AttemptKey
from runner.executors.base import Done
from runner.executors.coroutines import Coroutines, turn
from runner.executors.inside import Inside, Stop, awaited, called, failed, is_coroutine, succeeded
from runner.spec import Call


class Hub:
    """Has functions called on the hub of the thread that made it, in order, from any thread."""

    def __init__(self) -> None:
        self._hub = gevent.get_hub()
        self._functions: deque[Callable[[], object]] = deque()
        # A watcher of our own keeps the hub waiting where nothing else would.
        self._watcher = self._hub.loop.async_()
        self._watcher.start(self._heard)
        self._closed = False

    def post(self, function: Callable[[], object]) -> None:
        self._functions.append(function)
        if not self._closed:
            self._watcher.send()

    def close(self) -> None:
        self._closed = True
        self._watcher.stop()
        self._watcher.close()

    @property
    def here(self) -> bool:
        """Whether the caller is on this hub's thread."""
        return gevent.get_hub() is self._hub

    def run_waiting(self) -> None:
        """Call what was posted and has not been called."""
        while self._functions:
            self._functions.popleft()()

    def _heard(self) -> None:
        # The hub itself may not wait for anything, so a greenlet does the calling.
        gevent.spawn(self.run_waiting)


class GeventExecutor(Inside):
    """A greenlet for each run; coroutine functions in one event loop, in a real thread."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self._hub: Hub | None = None
        self._coroutines = Coroutines(begin_in_real_thread)

    def open(self, done: Done) -> None:
        super().open(done)
        self._hub = Hub()

    def close(self, *, leave: bool = False) -> None:
        super().close(leave=leave)
        self._coroutines.close()
        if self._hub is not None:
            if self._hub.here:
                self._hub.run_waiting()
            self._hub.close()
            self._hub = None

    def _post(self, function: Stop) -> None:
        assert self._hub is not None
        self._hub.post(function)

    def _begin(self, key: AttemptKey, work: Call) -> None:
        if is_coroutine(work):
            self._stoppable(key, self._coroutines.run(self._await(key, work), _ignore))
            return
        greenlet = gevent.spawn(self._run, key, work)
        self._stoppable(key, partial(_kill, greenlet))

    async def _await(self, key: AttemptKey, work: Call) -> None:
        try:
            outcome = await awaited(called(work), self._clock)
        except asyncio.CancelledError:
            outcome = self._stopped(key)
        # Locks of a patched program belong to the hub's thread, so it does the telling.
        self._post(partial(self._ended, key, outcome))

    def _run(self, key: AttemptKey, work: Call) -> None:
        started_at = self._clock.now()
        try:
            value = called(work)
        except gevent.GreenletExit:
            self._ended(key, self._stopped(key))
        except (Exception, SystemExit) as error:
            self._ended(key, failed(error, started_at, self._clock.now()))
        else:
            self._ended(key, succeeded(value, started_at, self._clock.now()))


def begin_in_real_thread() -> asyncio.AbstractEventLoop:
    """A loop in a thread of gevent's pool, which is a real one also where threads are greenlets."""
    pool = ThreadPool(1)
    # Made over there: in a patched program its selector belongs to the hub of the thread that makes it.
    loop: asyncio.AbstractEventLoop = pool.apply(asyncio.new_event_loop)
    pool.spawn(turn, loop)
    return loop


def _ignore(error: BaseException) -> None:
    """Its outcome says it."""


def _kill(greenlet: Any) -> None:
    greenlet.kill(block=False)
