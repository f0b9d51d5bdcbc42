"""One thread that watches descriptors and deadlines for every command: no thread per process."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import select
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVarTuple

from runner.bell import Bell
from runner.clock import Clock
from runner.moment import MILLISECOND, Span

Given = TypeVarTuple("Given")

_log = logging.getLogger("runner.executors")

_EPOLL = hasattr(select, "epoll")


class _Poll:
    """What `select.epoll` offers, where there is none."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.register = self._poll.register
        self.unregister = self._poll.unregister

    def poll(self, seconds: float) -> list[tuple[int, int]]:
        return self._poll.poll(None if seconds < 0 else seconds * 1000)

    def close(self) -> None:
        return None


class Loop:
    """`call` and `watch` are for any thread; `unwatch` and `later` are for what runs on the loop itself."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._clock = clock
        self._calls: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        # Not `selectors`: what it does in Python for each descriptor is a tenth of what a command costs the runner.
        self._poll = select.epoll() if _EPOLL else _Poll()
        self._handlers: dict[int, tuple[Callable[[], None], Callable[[], None]]] = {}
        self._bell = Bell()
        self._stopping = False
        self._thread = threading.Thread(target=self._turn, name=name, daemon=True)
        self.watch(self._bell.descriptor, self._heard)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for it unless it is the caller."""
        self.call(self._end)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def call(self, function: Callable[[], None]) -> None:
        """Have it run on the loop soon, in order of asking; after its end never."""
        self._calls.append(function)
        self._bell.ring()

    def later(self, span: Span, function: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self._clock.elapsed() + span, next(self._order), function))

    def watch(
        self, descriptor: int, function: Callable[[], None], ended: Callable[[], None] | None = None
    ) -> None:
        """Call `function` whenever it can be read, `ended` where it is at its end and empty."""
        # An epoll takes it from any thread, and nobody has to be woken for it.
        if _EPOLL or self._thread is threading.current_thread() or not self._thread.is_alive():
            self._handlers[descriptor] = (function, ended or function)
            self._poll.register(descriptor, select.POLLIN)
        else:
            self.call(partial(self.watch, descriptor, function, ended))

    def unwatch(self, descriptor: int) -> None:
        # Not left to its being closed: a child that is about to become its program still has it open.
        if self._handlers.pop(descriptor, None) is not None:
            # No context is entered: twice for each command, that takes longer than the rest.
            try:
                self._poll.unregister(descriptor)
            except (OSError, KeyError):
                pass

    def _end(self) -> None:
        self._stopping = True

    def _heard(self) -> None:
        self._bell.hear()
        while self._calls:
            guarded(self._calls.popleft())

    def _turn(self) -> None:
        while not self._stopping:
            handlers = self._handlers
            ready = [
                (descriptor, events, handlers.get(descriptor))
                for descriptor, events in self._poll.poll(self._patience())
            ]
            for descriptor, events, functions in ready:
                # An earlier handler of this turn may have unwatched it, and closed what it stood for.
                if functions is not None and handlers.get(descriptor) is functions:
                    guarded(functions[events == select.POLLHUP])
            now = self._clock.elapsed()
            while self._timers and self._timers[0][0] <= now:
                guarded(heapq.heappop(self._timers)[2])
        self._poll.close()
        self._bell.close()

    def _patience(self) -> float:
        """Seconds, whole milliseconds of them; less than nothing for ever."""
        if not self._timers:
            return -1
        return math.ceil(max(0, self._timers[0][0] - self._clock.elapsed()) / MILLISECOND) / 1000


def guarded(function: Callable[[*Given], None], *given: *Given) -> None:
    """Call it; what it raises is logged, and ends nothing else."""
    try:
        function(*given)
    except Exception:
        _log.exception("a handler of the command loop failed; the loop goes on")
