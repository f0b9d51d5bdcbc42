"""An executor for tests of programs: nothing runs, each job ends as the test says, when the test says."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from runner.clock import Clock, SystemClock
from runner.core.run import AttemptKey, Outcome, Status
from runner.executors.base import Done, Found, Task


class ScriptedExecutor:
    """`script` says by job id what its runs return; an exception is raised, a list is taken attempt by attempt (its
    last item stays). Jobs that are not in it return None. Ids in `held` end only when `release` says so.

    `started` lists the ids of the jobs that were started, in order.
    """

    def __init__(
        self,
        script: Mapping[str, Any] | None = None,
        *,
        held: Sequence[str] = (),
        clock: Clock | None = None,
    ) -> None:
        self.capacity: int | None = None
        self.started: list[str] = []
        self._script = dict(script or {})
        self._used: dict[str, int] = {}
        self._held = set(held)
        self._waiting: list[Task] = []
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._done: Done | None = None

    def open(self, done: Done) -> None:
        self._done = done

    def start(self, task: Task) -> None:
        id = task.run.spec.id
        with self._lock:
            self.started.append(id)
            if id in self._held:
                self._waiting.append(task)
                return
        self._tell(task.attempt, self._outcome(id))

    def release(self, id: str) -> None:
        """Let the runs of a job that are held end as the script says; later ones are not held any more."""
        with self._lock:
            self._held.discard(id)
            ending = [task for task in self._waiting if task.run.spec.id == id]
            self._waiting = [task for task in self._waiting if task.run.spec.id != id]
        for task in ending:
            self._tell(task.attempt, self._outcome(id))

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        with self._lock:
            known = any(task.attempt == attempt for task in self._waiting)
            self._waiting = [task for task in self._waiting if task.attempt != attempt]
        if known:
            status = Status.TIMED_OUT if reason == "timeout" else Status.CANCELLED
            self._tell(attempt, Outcome(status, error=f"stopped: {reason}"))

    def recover(self, tasks: Sequence[Task]) -> Found:
        return Found(gone=frozenset(task.attempt for task in tasks))

    def close(self, *, leave: bool = False) -> None:
        for task in list(self._waiting):
            self.cancel(task.attempt, "shutdown")
        self._done = None

    def _outcome(self, id: str) -> Outcome:
        value, now = self._value(id), self._clock.now()
        if isinstance(value, BaseException):
            said = f"{type(value).__name__}: {value}"
            return Outcome(Status.FAILED, error=said, exception=value, started_at=now, ended_at=now)
        return Outcome(Status.SUCCEEDED, value=value, started_at=now, ended_at=now)

    def _value(self, id: str) -> Any:
        value = self._script.get(id)
        if not isinstance(value, list) or not value:
            return value
        with self._lock:
            number = self._used.get(id, 0)
            self._used[id] = number + 1
        return value[min(number, len(value) - 1)]

    def _tell(self, attempt: AttemptKey, outcome: Outcome) -> None:
        if self._done is not None:
            self._done(attempt, outcome)
