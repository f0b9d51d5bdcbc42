"""One thread that watches descriptors and deadlines for every command: no thread per process."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import os
import selectors
import threading
from collections import deque
from collections.abc import Callable

from runner.clock import Clock
from runner.moment import SECOND, Span

_log = logging.getLogger("runner.executors")


class Loop:
    """`call` is for any thread; `watch`, `unwatch` and `later` are for what runs on the loop itself."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._clock = clock
        self._calls: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._selector.register(self._read, selectors.EVENT_READ, self._heard)
        self._rung = False
        self._stopping = False
        self._thread = threading.Thread(target=self._turn, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for it unless it is the caller."""
        self.call(self._end)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def call(self, function: Callable[[], None]) -> None:
        """Have it run on the loop soon; in order of asking."""
        self._calls.append(function)
        if not self._rung:
            self._rung = True
            with contextlib.suppress(OSError):
                os.write(self._write, b"\0")

    def later(self, span: Span, function: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self._clock.elapsed() + span, next(self._order), function))

    def watch(self, descriptor: int, function: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, function)

    def unwatch(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(descriptor)

    def _end(self) -> None:
        self._stopping = True

    def _heard(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)
        self._rung = False
        while self._calls:
            _guarded(self._calls.popleft())

    def _turn(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select(self._patience()):
                # An earlier handler of this turn may have unwatched it, and closed what it stood for.
                if self._selector.get_map().get(key.fd) is key:
                    _guarded(key.data)
            now = self._clock.elapsed()
            while self._timers and self._timers[0][0] <= now:
                _guarded(heapq.heappop(self._timers)[2])
        self._selector.close()
        os.close(self._read)
        os.close(self._write)

    def _patience(self) -> float | None:
        if not self._timers:
            return None
        return max(0, self._timers[0][0] - self._clock.elapsed()) / SECOND


def _guarded(function: Callable[[], None]) -> None:
    try:
        function()
    except Exception:
        _log.exception("a handler of the command loop failed; the loop goes on")
