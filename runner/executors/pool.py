"""Pools of threads and of processes for Python functions: the executors of the Python interface."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.util
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runner.clock import Clock, SystemClock
from runner.core.run import AttemptKey, Outcome, Status
from runner.executors import finishing
from runner.executors.base import Done, Found, Task
from runner.executors.calls import call, of
from runner.executors.pool_worker import Worker
from runner.executors.threads import Function, Item, Stop, Threads, nobody

# What multiprocessing.util registered ends its processes: that must not be before they are waited for.
assert multiprocessing.util
finishing.before_what_is_registered()


class _Pool:
    """What both share: places, and threads that hold them."""

    def __init__(
        self,
        max_workers: int,
        pool_kwargs: Mapping[str, Any] | None,
        clock: Clock | None,
        known: frozenset[str],
    ) -> None:
        options = dict(pool_kwargs or {})
        unknown = sorted(set(options) - known)
        if unknown:
            raise TypeError(f"unknown pool_kwargs {', '.join(unknown)} (known: {', '.join(sorted(known))})")
        self.capacity: int | None = int(max_workers)
        if self.capacity <= 0:
            raise ValueError("max_workers must be greater than 0")
        self._clock = clock or SystemClock()
        self._options = options
        self._threads: Threads | None = None
        self._done: Done = nobody

    def open(self, done: Done) -> None:
        self._done = done
        self._threads = Threads(
            self._options.get("thread_name_prefix", "runner-worker"),
            self.capacity or 1,
            self._clock,
            done,
            begin=self._thread_begins(),
        )
        finishing.wait_for(self._threads)

    def start(self, task: Task) -> None:
        self.start_all((task,))

    def start_all(self, tasks: Sequence[Task]) -> None:
        items: list[Item] = []
        for task in tasks:
            try:
                items.append(Item(task.attempt, self._function(task), task.until))
            except Exception as error:
                self._not_begun(task.attempt, error)
        try:
            self._opened().start_all(items)
        except Exception as error:
            for item in items:
                self._not_begun(item.key, error)

    def _not_begun(self, key: AttemptKey, error: Exception) -> None:
        self._done(key, Outcome(Status.FAILED, error=str(error), exception=error))

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        """Told at once. A thread cannot be stopped: it holds its place until the function returns."""
        self._opened().cancel(attempt, reason)

    def own(self) -> AttemptKey | None:
        """The attempt in whose thread the caller is."""
        return self._threads.own() if self._threads is not None else None

    @property
    def finished(self) -> bool:
        """Whether the program ends: what was under way is over, and nothing more begins."""
        return self._threads is not None and self._threads.finished

    def recover(self, tasks: Sequence[Task]) -> Found:
        """Threads and workers end with their process: what was begun in an earlier one is gone."""
        keys = frozenset(task.attempt for task in tasks)
        if self._threads is not None:
            keys -= {key for key in keys if self._threads.unbegun(key)}
        alive = frozenset(key for key in keys if self._threads is not None and self._threads.knows(key))
        return Found(alive=alive, gone=keys - alive)

    def close(self, *, leave: bool = False) -> None:
        """Wait for what runs, or (`leave`) leave it to end by itself, untold."""
        if self._threads is not None:
            self._threads.close(wait=not leave)
            self._threads = None

    def _opened(self) -> Threads:
        if self._threads is None:
            raise RuntimeError("the executor is not open")
        return self._threads

    def _thread_begins(self) -> Callable[[], object] | None:
        return None

    def _function(self, task: Task) -> Function:
        raise TypeError(f"{type(self).__name__} does not say how it calls")


class ThreadPoolExecutor(_Pool):
    """Runs functions in at most `max_workers` threads.

    `pool_kwargs`: `thread_name_prefix`, `initializer` and `initargs`, as in concurrent.futures.
    """

    def __init__(
        self,
        max_workers: int = 10,
        pool_kwargs: Mapping[str, Any] | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        known = frozenset({"thread_name_prefix", "initializer", "initargs"})
        super().__init__(max_workers, pool_kwargs, clock, known)

    def _thread_begins(self) -> Callable[[], object] | None:
        initializer = self._options.get("initializer")
        arguments = self._options.get("initargs", ())
        return None if initializer is None else lambda: initializer(*arguments)

    def _function(self, task: Task) -> Function:
        work = of(task)
        return lambda cancelled: call(work, self._clock)


class ProcessPoolExecutor(_Pool):
    """Runs functions in at most `max_workers` processes, each made when it is first needed and used again.

    A process that dies (a crash, `os._exit`, a kill) fails the one function it ran and is replaced; one that is
    cancelled is killed. `pool_kwargs`: `mp_context` (spawn, unless said: to fork a process with threads may leave it
    with a lock that nobody releases), `initializer`, `initargs`, `max_tasks_per_child`.
    """

    def __init__(
        self,
        max_workers: int = 10,
        pool_kwargs: Mapping[str, Any] | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        known = frozenset({"mp_context", "initializer", "initargs", "max_tasks_per_child"})
        super().__init__(max_workers, pool_kwargs, clock, known)
        self._context = self._options.get("mp_context") or multiprocessing.get_context("spawn")
        self._mine = threading.local()
        self._workers: set[Worker] = set()
        self._busy: dict[AttemptKey, Worker] = {}

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        """Told at once, and its process is killed."""
        super().cancel(attempt, reason)
        worker = self._busy.get(attempt)
        if worker is not None:
            worker.kill()

    def close(self, *, leave: bool = False) -> None:
        super().close(leave=leave)
        for worker in list(self._workers):
            worker.close() if worker not in self._busy.values() else None

    def _function(self, task: Task) -> Function:
        work = of(task)
        key = task.attempt

        def answer(cancelled: Stop) -> Outcome:
            worker = self._worker()
            self._busy[key] = worker
            try:
                if cancelled.is_set():
                    worker.kill()
                return worker.call(work, self._clock)
            finally:
                del self._busy[key]
                if worker.spent:
                    self._mine.worker = None
                    self._workers.discard(worker)
                    worker.close()

        return answer

    def _worker(self) -> Worker:
        worker: Worker | None = getattr(self._mine, "worker", None)
        if worker is None or not worker.alive:
            if worker is not None:
                self._workers.discard(worker)
                with contextlib.suppress(OSError):
                    worker.close()
            worker = self._mine.worker = Worker(
                self._context,
                self._options.get("initializer"),
                tuple(self._options.get("initargs", ())),
                self._options.get("max_tasks_per_child"),
            )
            self._workers.add(worker)
        return worker
