"""The engines of a scheduler with its stores and executors: started, asked, ended."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import Future
from functools import partial
from types import MappingProxyType
from typing import NamedTuple
from uuid import uuid4

from runner.clock import Clock
from runner.core.action import Announce
from runner.core.event import Settings
from runner.core.run import AttemptKey, Run, Status
from runner.core.run import Job as Record
from runner.engine import Engine, Hands, Partition, Plan
from runner.errors import RunnerError, StoreError
from runner.executors import finishing
from runner.executors.base import Executor
from runner.jobstores.base import JobStore
from runner.jobstores.memory import MemoryJobStore
from runner.moment import SECOND, Moment, Span
from runner.schedulers import asking
from runner.schedulers.alerts import Alerts
from runner.schedulers.engines import Engines
from runner.schedulers.functions import lost_and_found
from runner.schedulers.hosts import Host
from runner.schedulers.tidying import Tidy, empty
from runner.spec import JobKey

log = logging.getLogger("runner.scheduler")

_UNTOLD = 10 * SECOND
"""How often a store that tells of requests is asked all the same."""
_PATIENCE = 5.0
"""How many seconds a change of a job waits for a store that fails or a lead that is held elsewhere."""

_BUSY = "it is busy, and this clock thread must go on"

_STARTS_NOTHING = frozenset({"add", "add_all"})
"""Changes that never begin or end a run by themselves."""

_LAST_WORDS = 5.0
"""How many seconds messages that may go at once have at the end; the others wait in their store."""


class Asker(NamedTuple):
    """A run that asks for the end of its scheduler: nothing ends in its thread before it returns."""

    executor: Executor
    attempt: AttemptKey


class House:
    """`announce` is told what happens, on the clock thread of the store; `wants` names the announcements about usual
    runs that it wants just now.

    `stores` and `hands.executors` may be filled before `start`; later they come and go by the methods.
    """

    def __init__(
        self,
        clock: Clock,
        name: str,
        announce: Callable[[Announce], None],
        wants: Callable[[], Set[str]],
        allowed: Sequence[str] | None = None,
        alerts: Alerts | None = None,
        *,
        daemon: bool = True,
        retry_every: Span | None = None,
    ) -> None:
        self.source = f"api:{name}"
        self.stores: dict[str, JobStore] = {}
        self._alerts = alerts or Alerts({}, "UTC", clock)
        self._tidy = Tidy(lambda: list(self.stores.values()), clock)
        self._daemon = daemon
        self._retry_every = retry_every
        self.hands = Hands(announce=self._announce, send=self._alerts.send, hears=self._hears)
        self._clock = clock
        self._tell = announce
        self._wants = wants
        self._allowed = allowed
        self._engines: Engines | None = None
        self._ended = threading.Event()
        self._waited_for = False
        """Whether somebody wants to know when runs end."""
        self._process = os.getpid()

    def source_in(self, alias: str) -> str:
        """What the jobs of this scheduler belong to in a store: those of two names (`tablename`) in one database are
        kept apart."""
        scope = getattr(self.stores.get(alias), "scope", "")
        return f"{self.source}/{scope}" if scope else self.source

    def now(self) -> Moment:
        return self._clock.now()

    # ── starting and ending ─────────────────────────────────────────────────────────────────

    def meet(self, host: Host) -> None:
        """Who runs the program's functions and listeners; told in its thread, before the start."""
        self._process = os.getpid()

    def _check_process(self) -> None:
        """RunnerError in the child of a fork: the clock thread is the parent's, and would never answer."""
        if self._engines is not None and os.getpid() != self._process:
            raise RunnerError(
                "this process was forked from the one that started the scheduler, and has none of its threads",
                hint="start a scheduler after the fork, in the process that uses it",
            )

    def start(self, *, paused: bool) -> None:
        """Open everything, read the stores and decide what came due meanwhile; then turn in threads of their own."""
        for store in self.stores.values():
            store.open()
        engines = Engines(self.hands, self._clock, daemon=self._daemon)
        if paused:
            engines.pause()
        self.hands.open(engines.done)
        self._engines = engines
        finishing.tell(self)
        self._alerts.open(engines.post)
        for alias in self.stores:
            self._attach(alias)
        for engine in engines.each.values():
            engine.turn()
        for alias in self.stores:
            engines.begin(alias)
        self._tidy.open()

    def _listen(self, store: JobStore, engine: Engine) -> Span | None:
        """Hear of what others ask of a store; how often it is asked all the same.

        A notice may be lost with its connection, so never none. A store that cannot tell, or cannot now, is asked each
        second.
        """
        told = False
        try:
            told = store.listen(self.source_in(store.alias), engine.poke)
        except StoreError as error:
            log.warning("the store %r: %s; it is asked each second", store.alias, error)
        if is_memory(store):
            return None
        return _UNTOLD if told else SECOND

    def stop(
        self, *, wait: bool, mine: Callable[[str], bool] = lambda alias: False, asker: Asker | None = None
    ) -> None:
        """End. `wait`: until every run is over, but for those of executors that are `mine`: they need the caller. So
        does the run that is the `asker`, which is given up when all others are over.
        """
        engines = self.engines
        if os.getpid() != self._process:
            # The child of a fork: what was opened is the parent's, who goes on with it.
            self._engines = None
            return
        self._tidy.close()
        if wait:
            self._ended = threading.Event()
            self._waited_for = True
            engines.pause()
            while self._busy(mine, asker):
                self._ended.clear()
                if self._busy(mine, asker):
                    self._ended.wait(0.2)
        engines.stop(partial(self._close_late, engines))
        if wait and asker is not None:
            asker.executor.cancel(asker.attempt, "shutdown")
        self.hands.close(leave=not wait)
        self._alerts.close(_LAST_WORDS if wait else 0)
        engines.end()
        for partition in engines.partitions:
            partition.release()
            self._close(partition.store)
        self._engines = None
        self._waited_for = False

    def _close(self, store: JobStore) -> None:
        empty(store, self.source_in(store.alias), self._clock.now())
        store.close()

    def _close_late(self, engines: Engines, alias: str) -> None:
        """A store that hung has answered: close it, unless it was opened again since."""
        if self._engines in (None, engines) and alias in self.stores:
            self._close(self.stores[alias])

    def program_ends(self) -> None:
        """Begin nothing any more: what waits for a place begins when the program is started again."""
        if self._engines is not None:
            self._engines.hold()

    def program_ended(self) -> None:
        """What has ended since is on record: it is not taken for cut off when the program is started again."""
        if self._engines is not None:
            self._engines.settle()

    def abandon(self) -> None:
        """The host is gone and will never shut us down: end the clock threads, whoever is on one."""
        engines, self._engines = self._engines, None
        self._tidy.close()
        if engines is not None:
            engines.end(wait=False)

    @property
    def engines(self) -> Engines:
        if self._engines is None:
            raise RunnerError("the scheduler is not running")
        return self._engines

    @property
    def running(self) -> bool:
        return self._engines is not None

    def _busy(self, mine: Callable[[str], bool], asker: Asker | None) -> bool:
        left = asker.attempt.run if asker is not None else None
        for partition in self.engines.partitions:
            machine = partition.machine
            for run in list(machine.runs.values()) if machine is not None else ():
                if mine(run.spec.executor) or run.key == left:
                    continue
                if getattr(self.hands.executors.get(run.spec.executor), "finished", False):
                    continue
                if run.status in (Status.RUNNING, Status.PENDING):
                    return True
        return False

    @property
    def turning(self) -> bool:
        """Whether the caller is on a clock thread, or stands in the place of one."""
        return self._engines is not None and self._engines.here

    def asker(self) -> Asker | None:
        """The run that the caller is, where it is one."""
        for executor in list(self.hands.executors.values()):
            own: Callable[[], AttemptKey | None] | None = getattr(executor, "own", None)
            if own is not None and (attempt := own()) is not None:
                return Asker(executor, attempt)
        return None

    def _hears(self) -> Set[str]:
        return self._wants() | {"run.ended"} if self._waited_for else self._wants()

    def _announce(self, announce: Announce) -> None:
        if self._waited_for and announce.name == "run.ended":
            self._ended.set()
        self._tell(announce)

    # ── stores and executors ────────────────────────────────────────────────────────────────

    def add_store(self, alias: str, store: JobStore) -> None:
        self._check_process()
        store.alias = alias
        if self._engines is not None:
            # Before it is one of ours: it may not be there at all.
            store.open()
        self.stores[alias] = store
        if self._engines is not None:
            self._attach(alias)
            self._engines.begin(alias)
            self._settle(alias)

    def remove_store(self, alias: str, *, shutdown: bool) -> JobStore:
        self._check_process()
        store = self.stores.pop(alias)
        if self._engines is not None:
            self._engines.remove(alias, store.close if shutdown else lambda: None)
        return store

    def add_executor(self, alias: str, executor: Executor) -> None:
        self._check_process()
        # Another dict: clock threads may be going through this one.
        self.hands.executors = {**self.hands.executors, alias: executor}
        if self._engines is not None:
            executor.open(self._engines.done)
            self._engines.configure(self._settings())

    def remove_executor(self, alias: str, *, shutdown: bool) -> Executor:
        self._check_process()
        executors = dict(self.hands.executors)
        executor = executors.pop(alias)
        self.hands.executors = executors
        if self._engines is not None:
            self._engines.configure(self._settings())
            if shutdown:
                executor.close(leave=True)
        return executor

    def _settings(self) -> Settings:
        return Settings(executors=self.hands.capacities)

    def _attach(self, alias: str) -> None:
        store, engine = self.stores[alias], self.engines.make(alias)
        partition = Partition(
            store,
            self.source_in(alias),
            owner=f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}",
            settings=self._settings(),
            hands=self.hands,
            done=engine.done,
            early=partial(lost_and_found, self._allowed),
            elapsed=self._clock.elapsed,
            on_request=lambda request: asking.take(engine, alias, request),
            retry_every=self._retry_every,
        )
        engine.attach(partition)
        engine.poll_every(self._listen(store, engine))

    def _settle(self, alias: str) -> None:
        """Return when the store's clock thread has had a turn."""
        turned = threading.Event()
        engine = self.engines.of(alias)
        engine.call(lambda now: engine.call(lambda _: turned.set()))
        engine.poke()
        turned.wait(30)

    # ── jobs ────────────────────────────────────────────────────────────────────────────────

    def act(self, alias: str, plan: Plan, wish: asking.Wish) -> None:
        """Have the plan done and written, here or by whoever leads; what it raises is raised here."""
        engines = self.engines
        self._check_process()
        engine = engines.engine(alias)
        partition = engine.partition if engine is not None else None
        if engine is None or partition is None:
            raise KeyError(f"No such job store: {alias}")
        # Before anybody is asked: a batch that cannot be written would keep all others waiting behind it.
        partition.store.check(wish.args.values())
        if engine.on_clock_thread and partition.leading:
            partition.at_once(self._clock.now(), plan, rests=engine.paused)
        elif not partition.leading and engines.here:
            # Nobody may wait here for an answer.
            asking.write_down(partition.store, self.source_in(alias), wish, self._clock)
        elif wish.verb in _STARTS_NOTHING and self._in_memory(engine, partition, plan):
            return
        elif partition.standing_by:
            asking.ask(partition.store, self.source_in(alias), wish, self._clock)
        else:
            self._await(engine.ask(plan), partition)

    def _in_memory(self, engine: Engine, partition: Partition, plan: Plan) -> bool:
        """A job of a memory store waits for nobody's disk: add it in the caller's thread, where that can be."""
        if not is_memory(partition.store) or not partition.leading or partition.trouble:
            return False
        due = False

        def add(now: Moment) -> None:
            nonlocal due
            partition.at_once(now, plan, rests=engine.paused)
            moment = partition.moment()
            due = moment is not None and moment <= now

        if not engine.visit(add):
            return False
        if due:
            # What is due at once has begun when its adding returns: a program may end right after it.
            self._await(engine.ask(lambda machine, now: ()), partition)
        return True

    def _await(self, answer: Future[None], partition: Partition) -> None:
        # Of two clock threads that wait for each other each gives up in the end.
        for_ever = not self.engines.here
        waited = 0.0
        while True:
            try:
                return answer.result(0.5)
            except TimeoutError:
                waited += 0.5
            if waited >= _PATIENCE and (partition.trouble or not partition.leading or not for_ever):
                why = partition.trouble or (_BUSY if partition.leading else "another scheduler leads it")
                raise StoreError(
                    f"the store {partition.store.alias!r} does not answer: {why}",
                    hint="the change is kept, and will be made when the store is back",
                )

    def records(self, alias: str) -> Sequence[Record]:
        """The jobs of a store as they stand now; none where it was removed meanwhile."""
        partition = self.engines.find(alias)
        if partition is None:
            return ()
        machine = partition.machine
        if machine is not None:
            return list(machine.jobs.values())
        return partition.store.load(partition.source).jobs

    def tidy(self, alias: str, chore: Callable[[], None]) -> None:
        """Do this once the turn of the store that is under way is over; at once where there is none."""
        engine = self._engines.engine(alias) if self._engines is not None else None
        if engine is None:
            chore()
        else:
            engine.tidy(chore)

    def history(self, alias: str, job: str, limit: int) -> Sequence[Run]:
        """The newest runs of a job of ours."""
        from runner.history import history_of  # brings SQLAlchemy along, which a memory store does without

        found = history_of(self.stores[alias]).runs(source=self.source_in(alias), job=job, limit=limit)
        # What is kept longer than the job says is not shown: it is forgotten in the next round.
        return found[: found[0].spec.policy.retention.runs] if found else []

    def leads(self, alias: str) -> bool:
        """Whether this scheduler is the one that turns the store's jobs."""
        partition = self._engines.find(alias) if self._engines is not None else None
        return partition is not None and partition.leading

    def record(self, key: JobKey) -> Record | None:
        """One of them, where this scheduler leads; None elsewhere."""
        return self.known(key.store).get(key)

    def known(self, alias: str) -> Mapping[JobKey, Record]:
        """The jobs of a store as they stand now and from now on, where this scheduler leads; none elsewhere."""
        engines = self._engines
        partition = engines.find(alias) if engines is not None else None
        machine = partition.machine if partition is not None else None
        return machine.jobs if machine is not None else _NONE


_NONE: Mapping[JobKey, Record] = MappingProxyType({})


def is_memory(store: JobStore) -> bool:
    """Whether a store keeps the very values it is given, functions without a name among them."""
    return isinstance(store, MemoryJobStore)


def by_time(records: Sequence[Record]) -> list[Record]:
    """The order in which people read jobs: the next due first, those never due last."""
    return sorted(records, key=_place)


def _place(job: Record) -> tuple[bool, Moment, str]:
    due = (
        job.next_at if job.state == "scheduled" else None
    )  # a paused job keeps its place in time, and is not due
    return due is None, due or 0, job.spec.id
