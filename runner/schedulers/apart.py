"""Where threads are greenlets, because gevent patched the program: a real thread for the house, with its own hub.

The clock, the stores with their connections, and whatever else the house does are greenlets of that hub. So a greenlet
of the program that does not yield holds up what the program runs, and no decision. The two hubs share no lock; they
post calls to each other. Functions and listeners run on the program's hub.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast
from weakref import WeakSet

import gevent
from gevent.event import AsyncResult, Event
from gevent.monkey import get_original

from runner.core.run import AttemptKey, Outcome, Run, Status
from runner.core.run import Job as Record
from runner.engine import Engine, Partition, Plan
from runner.errors import RunnerError
from runner.executors.base import Done, Executor, Found, Task
from runner.executors.calls import said
from runner.executors.gevent import Hub
from runner.executors.pool import ProcessPoolExecutor
from runner.jobstores.base import JobStore
from runner.schedulers import asking
from runner.schedulers.hosts import Host, QueueHost
from runner.schedulers.house import Asker, House

T = TypeVar("T")

_TO_END = 5.0
"""Seconds that the thread has to end; nothing waits in it by then."""


class Apart:
    """A real thread with a hub, until `end`."""

    def __init__(self) -> None:
        new_lock = get_original("_thread", "allocate_lock")
        self._ready, self._ended = new_lock(), new_lock()
        self._ready.acquire()
        self._ended.acquire()
        self.over = False
        get_original("_thread", "start_new_thread")(self._live, ())
        self._ready.acquire()
        _LIVE.add(self)

    def _live(self) -> None:
        self._hub, self._leave = Hub(), Event()
        self._ready.release()
        try:
            self._leave.wait()
            self._hub.close()
            gevent.get_hub().destroy(destroy_loop=True)
        finally:
            self._ended.release()

    @property
    def here(self) -> bool:
        """Whether the caller is in this thread."""
        return self._hub.here

    def call(self, function: Callable[[], T], home: Hub) -> T:
        """What the function returns or raises, in a greenlet of this thread; the caller's hub turns meanwhile.

        `home` is the hub of whoever calls most. RunnerError where the thread has ended.
        """
        if self.here:
            return function()
        if self.over:
            raise RunnerError("the scheduler's thread has ended")
        return answered(self._hub, function, home)

    def end(self, *, after: Callable[[], object] | None = None) -> None:
        """Have the thread end; at once, or where `after` is given once that has returned, and nobody waits."""
        if self.over:
            return
        self.over = True
        if after is not None:
            self._hub.post(lambda: (after(), self._leave.set()))
            return
        self._hub.post(self._leave.set)
        self._ended.acquire(True, _TO_END)


_LIVE: WeakSet[Apart] = WeakSet()


@atexit.register
def _leave() -> None:
    """A program that ends without a shutdown leaves no thread that turns while the interpreter is taken apart."""
    for each in list(_LIVE):
        each.end()


def _forked() -> None:
    """A child of a fork has none of its parent's threads: whoever asks one is told so, and nobody waits for its end."""
    for each in list(_LIVE):
        each.over = True
    _LIVE.clear()


os.register_at_fork(after_in_child=_forked)


def answered(there: Hub, function: Callable[[], T], home: Hub) -> T:
    """Call it in a greenlet of another hub, and wait for the answer in this one."""
    mine = home if home.here else Hub()
    answer: AsyncResult = AsyncResult()

    def run() -> None:
        try:
            value = function()
        except BaseException as error:
            mine.post(partial(answer.set_exception, error))
        else:
            mine.post(partial(answer.set, value))

    try:
        # A greenlet for it alone: it may wait, and what is posted after it must not.
        there.post(lambda: gevent.spawn(run))
        return cast(T, answer.get())
    finally:
        if mine is not home:
            mine.close()


def on(program: Hub, function: Callable[[], None]) -> None:
    """Call it on the program's hub, and wait for that."""
    if program.here:
        function()
    else:
        answered(program, function, program)


class Carried:
    """An executor whose functions belong to the program: it is called on the program's hub."""

    def __init__(self, inner: Executor, program: Hub) -> None:
        self.inner = inner
        self._program = program
        self._done: Done | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @property
    def capacity(self) -> int | None:
        return self.inner.capacity

    def open(self, done: Done) -> None:
        self._done = done
        self._there(partial(self.inner.open, done))

    def start(self, task: Task) -> None:
        self._program.post(partial(self._start, task))

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        self._program.post(partial(self.inner.cancel, attempt, reason))

    def recover(self, tasks: Sequence[Task]) -> Found:
        return self.inner.recover(tasks)

    def close(self, *, leave: bool = False) -> None:
        self._there(partial(self.inner.close, leave=leave))

    def _start(self, task: Task) -> None:
        try:
            self.inner.start(task)
        except Exception as error:
            assert self._done is not None
            self._done(task.attempt, Outcome(Status.FAILED, error=said(error), exception=error))

    def _there(self, function: Callable[[], None]) -> None:
        """Whoever starts or ends a scheduler waits for that, and the program's hub turns meanwhile."""
        on(self._program, function)


class ApartHouse(House):
    """A house in a thread of its own, while it runs.

    A store that was given a client of the program's keeps it on the program's hub, for a connection of gevent's works
    on the hub alone that it was made on.
    """

    _apart: Apart | None = None
    _program: Hub
    _carried_host: QueueHost | None = None

    def meet(self, host: Host) -> None:
        super().meet(host)
        self._program = Hub()
        if any(_lent(store) for store in self.stores.values()):
            return
        self._apart = Apart()
        if isinstance(host, QueueHost):
            host.carried_by(self._program.post, self._run_waiting)
            self._carried_host = host

    def _run_waiting(self) -> None:
        if self._program.here:
            self._program.run_waiting()

    def _there(self, function: Callable[[], T]) -> T:
        apart = self._apart
        if apart is None:
            return function()
        self._check_process()
        return apart.call(function, self._program)

    def _left(self) -> None:
        """The house has been left: nothing is carried any more."""
        self._apart = None
        host, self._carried_host = self._carried_host, None
        if host is not None:
            # What is under way arrives before anything that is posted from here on.
            on(self._program, self._program.run_waiting)
            host.carried_by(None, None)
        # Its hub closes it, whoever leaves.
        self._program.close() if self._program.here else self._program.post(self._program.close)
        for alias, executor in self.hands.executors.items():
            if isinstance(executor, Carried):
                self.hands.executors[alias] = executor.inner

    # ── starting and ending ─────────────────────────────────────────────────────────────────

    def start(self, *, paused: bool) -> None:
        if self._apart is not None:
            for alias, executor in self.hands.executors.items():
                self.hands.executors[alias] = self._carried(executor)
        try:
            self._there(partial(super().start, paused=paused))
        except BaseException:
            if self._apart is not None:
                self._apart.end()
            self._left()
            raise

    def stop(
        self, *, wait: bool, mine: Callable[[str], bool] = lambda alias: False, asker: Asker | None = None
    ) -> None:
        apart = self._apart
        if apart is not None and apart.over:
            # The interpreter is ending, and has ended our thread first; or this is the child of a fork.
            self._engines = None
        else:
            aliases = frozenset(alias for alias in self.hands.executors if mine(alias))
            self._there(partial(super().stop, wait=wait, mine=aliases.__contains__, asker=asker))
            if apart is not None:
                apart.end()
        self._left()

    def abandon(self) -> None:
        engines = self._engines
        super().abandon()
        if self._apart is not None:
            self._apart.end(after=engines.join if engines is not None else lambda: None)
            self._left()

    # ── stores and executors ────────────────────────────────────────────────────────────────

    def add_store(self, alias: str, store: JobStore) -> None:
        if self._apart is not None and _lent(store):
            raise ValueError(
                "in a program that gevent patched, a store with a client of the program's own is added before the start"
            )
        self._there(partial(super().add_store, alias, store))

    def remove_store(self, alias: str, *, shutdown: bool) -> JobStore:
        return self._there(partial(super().remove_store, alias, shutdown=shutdown))

    def add_executor(self, alias: str, executor: Executor) -> None:
        if self._apart is not None and self.running:
            executor = self._carried(executor)
        self._there(partial(super().add_executor, alias, executor))

    def remove_executor(self, alias: str, *, shutdown: bool) -> Executor:
        removed = self._there(partial(super().remove_executor, alias, shutdown=shutdown))
        return removed.inner if isinstance(removed, Carried) else removed

    def _carried(self, executor: Executor) -> Executor:
        """Worker processes run nothing of the program's here, so they need not wait for it."""
        return executor if isinstance(executor, ProcessPoolExecutor) else Carried(executor, self._program)

    # ── jobs ────────────────────────────────────────────────────────────────────────────────

    def act(self, alias: str, plan: Plan, wish: asking.Wish) -> None:
        self._there(partial(super().act, alias, plan, wish))

    def _in_memory(self, engine: Engine, partition: Partition, plan: Plan) -> bool:
        """Never in the caller's greenlet: the house is another thread's."""
        return super()._in_memory(engine, partition, plan) if self._apart is None else False

    def records(self, alias: str) -> Sequence[Record]:
        return self._there(partial(super().records, alias))

    def history(self, alias: str, job: str, limit: int) -> Sequence[Run]:
        return self._there(partial(super().history, alias, job, limit))


def _lent(store: JobStore) -> bool:
    """Whether it works with something that the program made, or may; of a kind that is not ours nobody knows."""
    return bool(getattr(store, "lent", True))
