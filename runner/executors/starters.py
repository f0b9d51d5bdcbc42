"""The threads that start commands, in the order they are asked to."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from runner.errors import ExecutorError
from runner.moment import MILLISECOND, Span

_log = logging.getLogger("runner.executors")

Later = Callable[[Span, Callable[[], None]], None]
"""Has something called after a span, from another thread."""

PATIENCE = 10 * MILLISECOND
"""Where no start was taken up for so long, those that wait get another thread: the others are held up."""


class Starters:
    """At most `most` daemon threads, made as they are needed.

    `few`: so many starts may wait for a thread that is at work, for `later` sees to it that they do not wait behind
    one that is stuck. Threads that work at once wait for the interpreter's lock after each call of the system, and
    what that costs is a sixth of what a start does.

    Not concurrent.futures: nobody waits for what a start returns, and to make, settle and lock a Future for each
    was a tenth of what a command costs the runner.
    """

    def __init__(self, name: str, most: int, *, few: int = 0, later: Later | None = None) -> None:
        self._name = name
        self._most = most
        self._few = few if later is not None else 0
        self._later = later
        self._asked: deque[Callable[[], None]] = deque()
        self._taken = 0
        self._watched = False
        """Somebody looks soon whether what waits is taken up."""
        self._threads: list[threading.Thread] = []
        self._idle: list[threading.Lock] = []
        """A held lock of each thread that has nothing to do, which wakes it when it is given back."""
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, function: Callable[[], None]) -> None:
        """Have it called soon, from any thread.

        ExecutorError after `close`, and where no thread can be made and there is none: then it is never called.
        """
        with self._lock:
            if self._closed:
                raise ExecutorError("the executor is closed: it starts nothing any more")
            working = len(self._threads) - len(self._idle)
            waits = working > 0 and len(self._asked) < self._few
            if not waits:
                # Before it stands in the queue: whoever was told that it cannot start must not see it start.
                self._another()
            self._asked.append(function)
            unwatched = waits and not self._watched
            self._watched |= waits
        if unwatched:
            self._look_later(self._taken)

    def close(self) -> None:
        """Return when all that was asked for is done."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().release()
        for thread in self._threads:
            thread.join()

    def _another(self) -> None:
        """Have one more thread at work, where there may be one."""
        if self._idle:
            self._idle.pop().release()
        elif len(self._threads) < self._most:
            self._add()

    def _add(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # The system has no thread left for us. Those that are there do it, a little later.
            if not self._threads:
                raise ExecutorError(f"no thread to start commands with: {error}") from error
            return
        self._threads.append(thread)

    def _look_later(self, taken: int) -> None:
        assert self._later is not None
        self._later(PATIENCE, lambda: self._look(taken))

    def _look(self, taken: int) -> None:
        """Whether anything was taken up since `taken` were."""
        with self._lock:
            self._watched = bool(self._asked) and not self._closed
            if not self._watched:
                return
            if self._taken == taken:
                self._another()
            taken = self._taken
        self._look_later(taken)

    def _work(self) -> None:
        called = threading.Lock()
        called.acquire()
        while True:
            with self._lock:
                function = self._asked.popleft() if self._asked else None
                if function is not None:
                    self._taken += 1
                elif self._closed:
                    return
                else:
                    self._idle.append(called)
            if function is None:
                called.acquire()
                continue
            try:
                function()
            except Exception:
                _log.exception("a start failed in a way nobody foresaw; the others go on")
