"""In whose thread a program's callables run: a host takes calls from anywhere and makes them where its users expect.

The clock thread decides and never runs a program's code, so that a busy host does not delay a decision.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from runner.executors.coroutines import Coroutines, Failed

Call = Callable[[], None]

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

    def close(self) -> None:
        """Nothing is posted any more."""
        ...

    @property
    def here(self) -> bool:
        """Whether the caller is in the host's thread."""
        ...

    @property
    def gone(self) -> bool:
        """Whether the host's loop was closed."""
        ...


class QueueHost:
    """Calls run one after another in the thread that is in `serve`, or in one of its own made by `thread`."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._coroutines = Coroutines()
        self._server: int | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._own_thread = False
        self._carry: Callable[[Call], object] | None = None
        self._flush: Call | None = None

    @property
    def here(self) -> bool:
        return self._server == threading.get_ident()

    @property
    def gone(self) -> bool:
        return False

    @classmethod
    def with_thread(cls) -> QueueHost:
        """Its thread is made when the first call comes."""
        host = cls()
        host._own_thread = True
        return host

    def carried_by(self, carry: Callable[[Call], object] | None, flush: Call | None) -> None:
        """Have `carry` bring calls to the thread, where greenlets are threads; `flush` makes those under way arrive.

        None: from now on they need nobody to bring them.
        """
        self._carry, self._flush = carry, flush

    def post(self, call: Call) -> None:
        if self._carry is not None:
            self._carry(partial(self._take, call))
        else:
            self._take(call)

    def _take(self, call: Call) -> None:
        self._calls.put(call)
        if self._own_thread and self._thread is None:
            self._start()

    def follow(self, awaitable: Awaitable[Any], failed: Failed) -> None:
        self._coroutines.run(awaitable, failed)

    def drain(self) -> None:
        if self._flush is not None:
            self._flush()
        if self.here:
            self._drain_here()
        elif self._thread.is_alive() if self._thread is not None else self._server is not None:
            # In the child of a fork its thread is not alive.
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


class LoopHost:
    """Calls wait in a queue of our own, so that whoever is on the loop can make them at once before it ends.

    `wake` has `run_waiting` called on the host's loop, from any thread, and may raise HostGone.
    """

    def __init__(self, wake: Callable[[Call], None]) -> None:
        self._wake = wake
        self._calls: deque[Call] = deque()
        self._thread: int | None = None

    @property
    def here(self) -> bool:
        return self._thread == threading.get_ident()

    @property
    def gone(self) -> bool:
        return False

    def post(self, call: Call) -> None:
        self._calls.append(call)
        self._wake(self.run_waiting)

    def run_waiting(self) -> None:
        """Make the calls that wait; called on the loop."""
        self._thread = threading.get_ident()
        while self._calls:
            self._calls.popleft()()

    def follow(self, awaitable: Awaitable[Any], failed: Failed) -> None:
        raise TypeError(f"{type(self).__name__} does not say how it awaits")

    def drain(self) -> None:
        if self.here:
            self.run_waiting()
        elif self._thread is not None:
            reached = threading.Event()
            self.post(reached.set)
            reached.wait(10)

    def close(self) -> None:
        return None
