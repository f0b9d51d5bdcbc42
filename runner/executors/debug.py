"""The executor that runs functions in the calling thread: for tests, and for looking closely."""

from __future__ import annotations

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

    def open(self, done: Done) -> None:
        self._done = done

    def start(self, task: Task) -> None:
        self.start_all((task,))

    def start_all(self, tasks: Sequence[Task]) -> None:
        clock, done = self._clock, self._done
        for task in tasks:
            try:
                outcome = call(of(task), clock)
            except ExecutorError as error:
                outcome = Outcome(Status.FAILED, error=str(error), exception=error)
            done(task.attempt, outcome)

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        """Nothing to do: it is over when `start` returns."""

    def recover(self, tasks: Sequence[Task]) -> Found:
        return Found(gone=frozenset(task.attempt for task in tasks))

    def close(self, *, leave: bool = False) -> None:
        self._done = nobody
