"""The threads that start commands, in the order they are asked to."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from runner.errors import ExecutorError

_log = logging.getLogger("runner.executors")


class Starters:
    """At most `most` daemon threads, made as they are needed.

    Not concurrent.futures: nobody waits for what a start returns, and to make, settle and lock a Future for each
    was a tenth of what a command costs the runner.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, function: Callable[[], None]) -> None:
        """Have it called soon, from any thread. ExecutorError after `close`."""
        with self._lock:
            if self._closed:
                raise ExecutorError("the executor is closed: it starts nothing any more")
            self._asked.put(function)
            if len(self._threads) < self._most:
                self._add()

    def close(self) -> None:
        """Return when all that was asked for is done."""
        with self._lock:
            self._closed = True
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join()

    def _add(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _work(self) -> None:
        while (function := self._asked.get()) is not None:
            try:
                function()
            except Exception:
                _log.exception("a start failed in a way nobody foresaw; the others go on")
