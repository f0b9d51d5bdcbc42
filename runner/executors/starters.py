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
        """Have it called soon, from any thread.

        ExecutorError after `close`, and where no thread can be made and there is none: then it is never called.
        """
        with self._lock:
            if self._closed:
                raise ExecutorError("the executor is closed: it starts nothing any more")
            # Before it stands in the queue: whoever was told that it cannot start must not see it start all the same.
            if len(self._threads) < self._most:
                self._add()
            self._asked.put(function)

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
        try:
            thread.start()
        except RuntimeError as error:
            # The system has no thread left for us. Those that are there do it, a little later.
            if not self._threads:
                raise ExecutorError(f"no thread to start commands with: {error}") from error
            return
        self._threads.append(thread)

    def _work(self) -> None:
        while (function := self._asked.get()) is not None:
            try:
                function()
            except Exception:
                _log.exception("a start failed in a way nobody foresaw; the others go on")
