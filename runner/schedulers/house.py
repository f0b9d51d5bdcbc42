"""The engine of a scheduler with its stores and executors: started, asked, ended."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence, Set
from concurrent.futures import Future
from dataclasses import replace
from uuid import uuid4

from runner.clock import Clock
from runner.core.action import Announce, Change, Forget, Save
from runner.core.event import Broken, Event, Resumed, Settings
from runner.core.machine import Machine
from runner.core.run import Job as Record
from runner.core.run import Run, Status
from runner.engine import Engine, Hands, Partition, Plan
from runner.errors import RunnerError, StoreError
from runner.executors.base import Executor
from runner.executors.reference import resolve
from runner.jobstores.base import JobStore
from runner.jobstores.memory import MemoryJobStore
from runner.moment import SECOND, Moment, Span
from runner.schedulers import asking
from runner.schedulers.alerts import Alerts
from runner.schedulers.hosts import Host
from runner.schedulers.tidying import Tidy
from runner.spec import Call, JobKey

log = logging.getLogger("runner.scheduler")

_UNTOLD = 10 * SECOND
"""How often a store that tells of requests is asked all the same."""
_PATIENCE = 5.0
"""How many seconds a change of a job waits for a store that fails or a lead that is held elsewhere."""

_STARTS_NOTHING = frozenset({"add", "add_all"})
"""Changes that never begin or end a run by themselves."""

_LAST_WORDS = 5.0
"""How many seconds messages that may go at once have at the end; the others wait in their store."""


class House:
    """`announce` is told what happens on the clock thread; `wants` names the announcements about usual
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
        self._engine: Engine | None = None
        self._told: dict[str, bool] = {}
        self._thread: threading.Thread | None = None
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
        if self._engine is not None and os.getpid() != self._process:
            raise RunnerError(
                "this process was forked from the one that started the scheduler, and has none of its threads",
                hint="start a scheduler after the fork, in the process that uses it",
            )

    def start(self, *, paused: bool) -> None:
        """Open everything, read the stores and decide what came due meanwhile; then turn in a thread of its own."""
        for store in self.stores.values():
            store.open()
        engine = Engine(self.hands, self._clock, poll_requests=None)
        self.hands.open(engine.done)
        self._engine = engine
        self._alerts.open(engine)
        self._told = {alias: self._listen(store) for alias, store in self.stores.items()}
        engine.poll_every(self._often())
        for alias in self.stores:
            self._attach(alias)
        if paused:
            engine.pause()
        engine.turn()
        self._thread = threading.Thread(target=engine.run, name="runner-clock", daemon=self._daemon)
        self._thread.start()
        self._tidy.open()

    def _listen(self, store: JobStore) -> bool:
        """Whether the store tells of what others ask; where it cannot, or cannot now, it is asked each second."""
        try:
            return store.listen(self.source_in(store.alias), self.engine.poke)
        except StoreError as error:
            log.warning("the store %r: %s; it is asked each second", store.alias, error)
            return False

    def _often(self) -> Span | None:
        """How often the stores are asked for requests. A notice may be lost with its connection, so never none."""
        durable = [told for alias, told in self._told.items() if not is_memory(self.stores[alias])]
        return (SECOND if not all(durable) else _UNTOLD) if durable else None

    def stop(self, *, wait: bool, mine: Callable[[str], bool] = lambda alias: False) -> None:
        """End. `wait`: until every run is over, but for those of executors that are `mine`: they need the caller."""
        engine = self.engine
        if os.getpid() != self._process:
            # The child of a fork: what was opened is the parent's, who goes on with it.
            self._engine = self._thread = None
            return
        self._tidy.close()
        if wait:
            self._ended = threading.Event()
            self._waited_for = True
            engine.pause()
            while self._busy(mine):
                self._ended.clear()
                if self._busy(mine):
                    self._ended.wait(0.2)
        stopped: Future[None] = Future()
        engine.call(lambda now: _stop_all(engine, now, stopped))
        if not engine.on_clock_thread:
            stopped.result(30)
        self.hands.close(leave=not wait)
        self._alerts.close(_LAST_WORDS if wait else 0)
        engine.end()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(30)
        for partition in list(engine.partitions.values()):
            partition.release()
        for store in self.stores.values():
            _empty(store, self.source_in(store.alias), self._clock.now())
            store.close()
        self._engine = None
        self._waited_for = False

    def abandon(self) -> None:
        """The host is gone and will never shut us down: end the clock thread, whoever is on it."""
        engine, self._engine = self._engine, None
        self._tidy.close()
        if engine is not None:
            engine.end()

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            raise RunnerError("the scheduler is not running")
        return self._engine

    @property
    def running(self) -> bool:
        return self._engine is not None

    def _busy(self, mine: Callable[[str], bool]) -> bool:
        for partition in self.engine.partitions.values():
            machine = partition.machine
            for run in list(machine.runs.values()) if machine is not None else ():
                if not mine(run.spec.executor) and run.status in (Status.RUNNING, Status.PENDING):
                    return True
        return False

    def _hears(self) -> Set[str]:
        return self._wants() | {"run.ended"} if self._waited_for else self._wants()

    def _announce(self, announce: Announce) -> None:
        if self._waited_for and announce.name == "run.ended":
            self._ended.set()
        self._tell(announce)

    # ── stores and executors ────────────────────────────────────────────────────────────────

    def add_store(self, alias: str, store: JobStore) -> None:
        store.alias = alias
        self.stores[alias] = store
        if self._engine is not None:
            store.open()
            self._told[alias] = self._listen(store)
            self._engine.poll_every(self._often())
            self._attach(alias)
            self._settle()

    def remove_store(self, alias: str, *, shutdown: bool) -> JobStore:
        store = self.stores.pop(alias)
        self._told.pop(alias, None)
        if self._engine is not None:
            engine = self._engine
            engine.poll_every(self._often())
            gone: Future[None] = Future()

            def detach(now: Moment) -> None:
                partition = engine.detach(alias)
                partition.release()
                gone.set_result(None)

            engine.call(detach)
            if not engine.on_clock_thread:
                gone.result(30)
            if shutdown:
                store.close()
        return store

    def add_executor(self, alias: str, executor: Executor) -> None:
        self.hands.executors[alias] = executor
        if self._engine is not None:
            executor.open(self._engine.done)
            self._engine.configure(self._settings())

    def remove_executor(self, alias: str, *, shutdown: bool) -> Executor:
        executor = self.hands.executors.pop(alias)
        if self._engine is not None:
            self._engine.configure(self._settings())
            if shutdown:
                executor.close(leave=True)
        return executor

    def _settings(self) -> Settings:
        return Settings(executors=self.hands.capacities)

    def _attach(self, alias: str) -> None:
        engine = self.engine
        partition = Partition(
            self.stores[alias],
            self.source_in(alias),
            owner=f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}",
            settings=self._settings(),
            hands=self.hands,
            done=engine.done,
            early=self._look_for_functions,
            elapsed=self._clock.elapsed,
            on_request=lambda request: asking.take(engine, alias, request),
            retry_every=self._retry_every,
        )
        engine.attach(alias, partition)

    def _settle(self) -> None:
        """Return when the clock thread has had a turn."""
        turned = threading.Event()
        engine = self.engine
        if engine.on_clock_thread:
            return
        engine.call(lambda now: engine.call(lambda _: turned.set()))
        engine.poke()
        turned.wait(30)

    def _look_for_functions(self, machine: Machine, now: Moment) -> Sequence[Event]:
        """Set aside the stored jobs whose function cannot be found, and take back those whose function can again."""
        events: list[Event] = []
        for job in machine.jobs.values():
            reason = self._missing(job)
            if reason and job.state != "broken":
                events.append(Broken(job.key, reason))
            elif not reason and job.state == "broken":
                events.append(Resumed(job.key))
        return events

    def _missing(self, job: Record) -> str:
        work = job.spec.steps[0].work
        if not isinstance(work, Call) or not isinstance(work.target, str):
            return ""
        try:
            resolve(work.target, self._allowed)
        except (LookupError, ValueError) as error:
            return str(error.args[0])
        return ""

    # ── jobs ────────────────────────────────────────────────────────────────────────────────

    def act(self, alias: str, plan: Plan, wish: asking.Wish) -> None:
        """Have the plan done and written, here or by whoever leads; what it raises is raised here."""
        engine = self.engine
        self._check_process()
        # Before anybody is asked: a batch that cannot be written would keep all others waiting behind it.
        self.stores[alias].check(wish.args.values())
        partition = engine.partitions[alias]
        if engine.on_clock_thread:
            if partition.leading:
                partition.at_once(self._clock.now(), plan)
            else:
                # Nobody may wait here for an answer.
                asking.write_down(self.stores[alias], self.source_in(alias), wish, self._clock)
        elif wish.verb in _STARTS_NOTHING and self._in_memory(partition, plan):
            return
        elif partition.standing_by:
            asking.ask(self.stores[alias], self.source_in(alias), wish, self._clock, engine)
        else:
            self._await(engine.ask(plan, alias), partition)

    def _in_memory(self, partition: Partition, plan: Plan) -> bool:
        """A job of a memory store waits for nobody's disk: add it in the caller's thread, where that can be."""
        if not is_memory(partition.store) or not partition.leading or partition.trouble:
            return False
        due = False

        def add(now: Moment) -> None:
            nonlocal due
            partition.at_once(now, plan)
            due = partition.wait(now) == 0

        if not self.engine.visit(add):
            return False
        if due:
            # What is due at once has begun when its adding returns: a program may end right after it.
            self._await(self.engine.ask(lambda machine, now: (), partition.store.alias), partition)
        return True

    def _await(self, answer: Future[None], partition: Partition) -> None:
        waited = 0.0
        while True:
            try:
                return answer.result(0.5)
            except TimeoutError:
                waited += 0.5
            if waited >= _PATIENCE and (partition.trouble or not partition.leading):
                why = partition.trouble or "another scheduler leads it"
                raise StoreError(
                    f"the store {partition.store.alias!r} does not answer: {why}",
                    hint="the change is kept, and will be made when the store is back",
                )

    def records(self, alias: str) -> Sequence[Record]:
        """The jobs of a store as they stand now."""
        partition = self.engine.partitions[alias]
        machine = partition.machine
        if machine is not None:
            return list(machine.jobs.values())
        return self.stores[alias].load(self.source_in(alias)).jobs

    def history(self, alias: str, job: str, limit: int) -> Sequence[Run]:
        """The newest runs of a job of ours."""
        from runner.history import history_of  # brings SQLAlchemy along, which a memory store does without

        found = history_of(self.stores[alias]).runs(source=self.source_in(alias), job=job, limit=limit)
        # What is kept longer than the job says is not shown: it is forgotten in the next round.
        return found[: found[0].spec.policy.retention.runs] if found else []

    def leads(self, alias: str) -> bool:
        """Whether this scheduler is the one that turns the store's jobs."""
        return self._engine is not None and self._engine.partitions[alias].leading

    def record(self, key: JobKey) -> Record | None:
        """One of them, where this scheduler leads; None elsewhere."""
        partition = self._engine.partitions.get(key.store) if self._engine is not None else None
        machine = partition.machine if partition is not None else None
        return machine.jobs.get(key) if machine is not None else None


def is_memory(store: JobStore) -> bool:
    """Whether a store keeps the very values it is given, functions without a name among them."""
    return isinstance(store, MemoryJobStore)


def _stop_all(engine: Engine, now: Moment, stopped: Future[None]) -> None:
    try:
        for partition in engine.partitions.values():
            partition.stop(now, cancel=False)
    finally:
        stopped.set_result(None)


def _empty(store: JobStore, source: str, now: Moment) -> None:
    """A memory store forgets its jobs when its scheduler ends, as programs that start it again expect."""
    if not isinstance(store, MemoryJobStore):
        return
    loaded = store.load(source)
    changes: list[Change] = [Forget(job.key) for job in loaded.jobs]
    changes += [Save(_ended(run, now)) for run in loaded.runs]
    with contextlib.suppress(StoreError):
        store.write(changes)


def _ended(run: Run, now: Moment) -> Run:
    return replace(run, status=Status.CANCELLED, reason="shutdown", ended_at=now)


def by_time(records: Sequence[Record]) -> list[Record]:
    """The order in which people read jobs: the next due first, those never due last."""
    return sorted(records, key=_place)


def _place(job: Record) -> tuple[bool, Moment, str]:
    due = (
        job.next_at if job.state == "scheduled" else None
    )  # a paused job keeps its place in time, and is not due
    return due is None, due or 0, job.spec.id
