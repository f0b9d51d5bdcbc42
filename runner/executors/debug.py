"""The executor that runs functions in the calling thread: for tests, and for looking closely."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from runner.clock import Clock, SystemClock
from runner.core.run import AttemptKey, Outcome, Status
from runner.errors import ExecutorError
from runner.executors.base import Done, Found, Task
from runner.executors.calls import call, of
from runner.executors.threads import nobody


class DebugExecutor:
    """Calls each function at once, on whatever thread starts it: the scheduler waits meanwhile."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.capacity: int | None = None
        self._clock = clock or SystemClock()
        self._done: Done = nobody
        self._at_work: dict[int, AttemptKey] = {}

    def open(self, done: Done) -> None:
        self._done = done

    def start(self, task: Task) -> None:
        self.start_all((task,))

    def start_all(self, tasks: Sequence[Task]) -> None:
        clock, done, me = self._clock, self._done, threading.get_ident()
        for task in tasks:
            attempt = self._at_work[me] = task.attempt
            try:
                outcome = call(of(task), clock)
            except ExecutorError as error:
                outcome = Outcome(Status.FAILED, error=str(error), exception=error)
            done(attempt, outcome)
        self._at_work.pop(me, None)

    def own(self) -> AttemptKey | None:
        """The attempt in whose call the caller is."""
        return self._at_work.get(threading.get_ident())

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        """Nothing to do: it is over when `start` returns."""

    def recover(self, tasks: Sequence[Task]) -> Found:
        return Found(gone=frozenset(task.attempt for task in tasks))

    def close(self, *, leave: bool = False) -> None:
        self._done = nobody
