"""Starting and ending a scheduler, its stores, executors and listeners; front-ends say in whose thread things run."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import partial
from inspect import isawaitable
from typing import Any, TypeVar

from runner import events
from runner.clock import Clock, SystemClock
from runner.core.action import Announce
from runner.core.run import Job as Record
from runner.core.run import Occurrence, Run
from runner.events import EVENT_ALL, SchedulerEvent
from runner.executors.base import Executor
from runner.executors.coroutines import Coroutines
from runner.executors.greenlets import on_the_hub, spawn, threads_are_greenlets
from runner.jobstores.base import JobStore
from runner.jobstores.memory import MemoryJobStore
from runner.schedulers import (
    SchedulerAlreadyRunningError,
    SchedulerNotRunningError,
    options,
    plugins,
    telling,
)
from runner.schedulers.alerts import Alerts
from runner.schedulers.hosts import Host, HostGone, QueueHost
from runner.schedulers.house import Asker, House
from runner.spec import JobKey
from runner.triggers.zones import zone

STATE_STOPPED = 0
STATE_RUNNING = 1
STATE_PAUSED = 2

Listener = Callable[[Any], Any]
F = TypeVar("F", bound=Callable[..., Any])

_OWN_CHANGES = {
    "job.added": "added",
    "job.changed": "changed",
    "job.paused": "changed",
    "job.resumed": "changed",
    "job.removed": "removed",
}


@dataclass(slots=True, eq=False)
class Mine:
    """The changes that a call makes; its caller tells listeners of them."""

    changes: Collection[tuple[str, JobKey]]
    _heard: threading.Event | None = None
    """Made where somebody waits for it."""
    _over: bool = False

    def awaited(self) -> Callable[[], None] | None:
        """What waits until they were told; None where that needs no waiting, or somebody waits already."""
        if self._heard is not None or self._over:
            return None
        heard = self._heard = threading.Event()

        def wait() -> None:
            # Not for long, for a listener may be waiting for the host itself.
            heard.wait(0 if self._over else 1)

        return wait

    def told(self) -> None:
        """Listeners have heard."""
        self._over = True
        if self._heard is not None:
            self._heard.set()


def _check_threads() -> None:
    """RuntimeError under uWSGI without threads: nothing would ever run, and nobody would say why."""
    if not getattr(sys.modules.get("uwsgi"), "has_threads", True):
        raise RuntimeError(
            "The scheduler seems to be running under uWSGI, but threads have been disabled. You must run uWSGI with "
            "the --enable-threads option for the scheduler to work."
        )


def _kind_of_house() -> type[House]:
    if not threads_are_greenlets():
        return House
    from runner.schedulers.apart import ApartHouse

    return ApartHouse


class Lifecycle:
    """A scheduler but for its jobs; base.BaseScheduler adds those."""

    def __init__(
        self, gconfig: Mapping[str, Any] | None = None, *, clock: Clock | None = None, **options: Any
    ) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._turnover = threading.RLock()
        """Of two that start or end it, the second waits for the first."""
        self._listeners: list[tuple[Listener, int]] = []
        self._mask = 0
        self._mine: dict[int, Mine] = {}
        self._left: dict[str, list[Announce]] = {}
        self._host: Host | None = None
        self.state = STATE_STOPPED
        self.configure(gconfig or {}, **options)

    def __getstate__(self) -> Any:
        raise TypeError(
            "Schedulers cannot be serialized. Ensure that you are not passing a scheduler instance as an argument to "
            "a job, or scheduling an instance method where the instance contains a scheduler as an attribute."
        )

    # ── configuring ─────────────────────────────────────────────────────────────────────────

    def configure(
        self, gconfig: Mapping[str, Any] | None = None, prefix: str | None = "apscheduler.", **given: Any
    ) -> None:
        """Take options from a dict with prefixed keys (`runner.` or `apscheduler.`) and from keywords, which win.

        SchedulerAlreadyRunningError while it runs. What the options name is in docs/library.md.
        """
        if self.state != STATE_STOPPED:
            raise SchedulerAlreadyRunningError
        read = options.read(gconfig or {}, prefix, given)
        self._configured(read)
        alerts = Alerts(read.channels, read.zone, self._clock)
        self._house = _kind_of_house()(
            self._clock,
            read.name,
            self._hear,
            self._wants,
            read.allowed_modules,
            alerts,
            daemon=read.daemon,
            retry_every=read.retry_every,
        )
        for alias, executor in read.executors.items():
            self.add_executor(executor, alias)
        for alias, store in read.jobstores.items():
            self.add_jobstore(store, alias)

    def _configured(self, read: options.Options) -> None:
        self._logger = read.logger
        self._zone = read.zone
        self._defaults = read.defaults
        self._options = read

    @property
    def timezone(self) -> tzinfo:
        """The zone of triggers and times that name none."""
        return zone(self._zone).info

    # ── starting and ending ─────────────────────────────────────────────────────────────────

    def start(self, paused: bool = False) -> Any:
        """Start; with `paused` nothing becomes due until `resume`. SchedulerAlreadyRunningError where it runs."""
        if self.state != STATE_STOPPED:
            raise SchedulerAlreadyRunningError
        with self._turnover:
            with self._lock:
                if self.state != STATE_STOPPED:
                    raise SchedulerAlreadyRunningError
                _check_threads()
                self._open(paused=paused)
            # Without the lock: on the executor `debug` a job runs meanwhile in the thread that this waits for.
            try:
                self._add_pending()
            except Exception:
                self._end(wait=False)
                raise
        self._logger.info("Scheduler started")
        self._dispatch(SchedulerEvent(events.EVENT_SCHEDULER_STARTED))

    def _open(self, *, paused: bool) -> None:
        self._host = self._make_host()
        self._house.meet(self._host)
        if "default" not in self._house.hands.executors:
            self.add_executor(self._default_executor(), "default")
        if "default" not in self._house.stores:
            self.add_jobstore(MemoryJobStore(), "default")
        for executor in self._house.hands.executors.values():
            self._bind(executor)
        self._house.start(paused=paused)
        self.state = STATE_PAUSED if paused else STATE_RUNNING

    def shutdown(self, wait: bool = True) -> None:
        """End; with `wait` only when all that runs has ended. SchedulerNotRunningError where it does not run.

        A run that asks for it is not waited for; all the others are. One of the executor `debug` runs in the clock's
        own thread, and a handler of a signal, where gevent patched the program, on the hub: neither may wait, so the
        end comes soon after them.
        """
        self._require_running()
        if self._house.turning:
            threading.Thread(target=self._shut_down, args=(wait, None), name="runner-end").start()
        else:
            self._shut_down(wait, self._house.asker())

    def _shut_down(self, wait: bool, asker: Asker | None) -> None:
        with self._turnover, self._lock:
            self._require_running()
            self.state = STATE_STOPPED
        end = partial(self._end, wait=wait, asker=asker)
        spawn(end) if on_the_hub() else end()

    def _end(self, *, wait: bool, asker: Asker | None = None) -> None:
        """Listeners hear of everything, the end itself included, before the host is left."""
        self._house.stop(wait=wait, mine=self._needs_host, asker=asker)
        self.state = STATE_STOPPED
        host = self._host
        if host is not None:
            with suppress(HostGone):
                host.drain()
        self._logger.info("Scheduler has been shut down")
        self._dispatch(SchedulerEvent(events.EVENT_SCHEDULER_SHUTDOWN))
        self._host = None
        if host is not None:
            host.close()

    def pause(self) -> None:
        """Let nothing become due until `resume`; what runs goes on."""
        self._require_running()
        if self.state == STATE_RUNNING:
            self.state = STATE_PAUSED
            self._house.engines.pause()
            self._logger.info("Paused scheduler job processing")
            self._dispatch(SchedulerEvent(events.EVENT_SCHEDULER_PAUSED))

    def resume(self) -> None:
        self._require_running()
        if self.state == STATE_PAUSED:
            self.state = STATE_RUNNING
            self._house.engines.resume()
            self._logger.info("Resumed scheduler job processing")
            self._dispatch(SchedulerEvent(events.EVENT_SCHEDULER_RESUMED))

    def wakeup(self) -> None:
        """Look at once whether something is due or asked for; where it does not run, nothing is."""
        if self._house.running:
            self._house.engines.poke()

    @property
    def running(self) -> bool:
        """Whether it was started and not shut down; also while paused."""
        return self.state != STATE_STOPPED

    def _require_running(self) -> None:
        if self.state == STATE_STOPPED:
            raise SchedulerNotRunningError

    # ── for front-ends ──────────────────────────────────────────────────────────────────────

    def _make_host(self) -> Host:
        return QueueHost.with_thread()

    def _default_executor(self) -> Executor:
        made: Executor = plugins.load("executor", "threadpool")(10)
        return made

    def _bind(self, executor: Executor) -> None:
        """Tell an executor of the host's loop, where it wants to know."""

    def _needs_host(self, alias: str) -> bool:
        """Whether this executor's runs end only while the thread that calls `shutdown` goes on."""
        executor = self._house.hands.executors.get(alias)
        return self._host is not None and self._host.here and getattr(executor, "on_host", False)

    def _add_pending(self) -> None:
        """Add the jobs that waited for the start."""

    def _about(self, record: Record) -> Any:
        """The job of a record, as it shows itself to people."""
        raise TypeError(f"{type(self).__name__} has no jobs")

    # ── executors and stores ────────────────────────────────────────────────────────────────

    def add_executor(self, executor: Executor | str, alias: str = "default", **executor_opts: Any) -> None:
        """Add an executor, or make one of a kind by name; ValueError where the alias is taken."""
        with self._lock:
            if alias in self._house.hands.executors:
                raise ValueError(f'This scheduler already has an executor by the alias of "{alias}"')
            made = self._made("executor", executor, executor_opts)
            if self.state != STATE_STOPPED:
                self._bind(made)
            self._house.add_executor(alias, made)
        self._dispatch(SchedulerEvent(events.EVENT_EXECUTOR_ADDED, alias))

    def remove_executor(self, alias: str, shutdown: bool = True) -> None:
        with self._lock:
            if alias not in self._house.hands.executors:
                raise KeyError(f"No such executor: {alias}")
            self._house.remove_executor(alias, shutdown=shutdown)
        self._dispatch(SchedulerEvent(events.EVENT_EXECUTOR_REMOVED, alias))

    def add_jobstore(self, jobstore: JobStore | str, alias: str = "default", **jobstore_opts: Any) -> None:
        """Add a store, or make one of a kind by name; ValueError where the alias is taken."""
        with self._lock:
            if alias in self._house.stores:
                raise ValueError(f'This scheduler already has a job store by the alias of "{alias}"')
            self._house.add_store(alias, self._made("job store", jobstore, jobstore_opts))
        self._dispatch(SchedulerEvent(events.EVENT_JOBSTORE_ADDED, alias))

    def remove_jobstore(self, alias: str, shutdown: bool = True) -> None:
        with self._lock:
            if alias not in self._house.stores:
                raise KeyError(f"No such job store: {alias}")
            self._house.remove_store(alias, shutdown=shutdown)
        self._dispatch(SchedulerEvent(events.EVENT_JOBSTORE_REMOVED, alias))

    def _made(self, kind: plugins.Kind, given: Any, arguments: Mapping[str, Any]) -> Any:
        if isinstance(given, str):
            return plugins.load(kind, given)(**arguments)
        if not options.is_one(kind, given):
            article = "an executor" if kind == "executor" else "a job store"
            raise TypeError(f"Expected {article} instance or a string, got {type(given).__name__} instead")
        return given

    # ── listeners ───────────────────────────────────────────────────────────────────────────

    def add_listener(self, callback: Listener, mask: int = EVENT_ALL) -> None:
        """Call this with every event of the mask. It may be a coroutine function, and may call the scheduler.

        TypeError where it cannot be called, or the mask is no number.
        """
        if not callable(callback) or not isinstance(mask, int):
            raise TypeError("a listener is something to call, and its mask a number (EVENT_JOB_ADDED | ...)")
        with self._lock:
            self._listeners = [*self._listeners, (callback, mask)]
            self._mask |= mask

    def remove_listener(self, callback: Listener) -> None:
        with self._lock:
            self._listeners = [each for each in self._listeners if each[0] != callback]
            self._mask = 0
            for _, mask in self._listeners:
                self._mask |= mask

    def _dispatch(self, event: SchedulerEvent) -> None:
        """Tell listeners, in this thread; what they raise is logged."""
        for callback, mask in self._listeners:
            if not event.code & mask:
                continue
            try:
                result = callback(event)
                if isawaitable(result):
                    self._follow(result)
            except BaseException as error:
                self._listener_failed(error)
                if not isinstance(error, Exception):
                    raise

    def _follow(self, awaitable: Awaitable[Any]) -> None:
        if self._host is not None:
            self._host.follow(awaitable, self._listener_failed)
        else:
            # Before the start and after the end there is no host to run it.
            own = Coroutines()
            own.run(awaitable, self._listener_failed)
            own.close()

    def _listener_failed(self, error: BaseException) -> None:
        self._logger.error("Error notifying listener", exc_info=(type(error), error, error.__traceback__))

    def _hear(self, announce: Announce) -> None:
        """Called on the clock thread of a store: hand on what somebody wants to know."""
        if type(announce.value) is Run:
            self._hand_on(announce)
            return
        if isinstance(announce.value, Occurrence) and self._house.record(announce.value.job) is None:
            # Its job was removed in the same turn; that is told next, with what the job was.
            self._left.setdefault(announce.value.job.store, []).append(announce)
            return
        if announce.name == "job.removed":
            for each in self._left.pop(announce.value.key.store, ()):
                self._hand_on(each, announce.value)
        change = _OWN_CHANGES.get(announce.name)
        mine = self._whose(change, announce.value.key) if change is not None else None
        if mine is not None:
            if change == "added" and (self._mask or self._logger.isEnabledFor(logging.INFO)):
                self._wait_for(mine)
            return
        if change == "removed" and self._logger.isEnabledFor(logging.INFO):
            self._say_removed(announce.value.key.id)
        self._hand_on(announce)

    def _say_removed(self, id: str) -> None:
        """A line in the log, where the host writes the others: after the one that says it was added."""
        say = partial(self._logger.info, "Removed job %s", id)
        try:
            if self._host is None or self._host.gone:
                raise HostGone
            self._host.post(say)
        except HostGone:
            say()

    def _wants(self) -> Set[str]:
        """The announcements that are for anybody just now: for a listener, the log, or to see that the host is gone."""
        host = self._host
        if (host is not None and host.gone) or telling.logged(self._house.hands.executors):
            return telling.MASKS.keys()
        return telling.named(self._mask)

    def _whose(self, change: str, key: JobKey) -> Mine | None:
        """The call under way that makes this change: it tells of it itself, in the caller's thread."""
        return next((mine for mine in list(self._mine.values()) if (change, key) in mine.changes), None)

    def _wait_for(self, mine: Mine) -> None:
        """Let listeners hear of a job's runs only after they heard that it was added, by the one who adds it."""
        if self._host is not None and (wait := mine.awaited()) is not None:
            with suppress(HostGone):
                self._host.post(wait)

    def _hand_on(self, announce: Announce, record: Record | None = None) -> None:
        mask = telling.MASKS.get(announce.name)
        if mask is None:
            return
        wanted = mask & self._mask or announce.name in telling.LOUD
        if not wanted and isinstance(announce.value, Run):
            wanted = telling.executor_log(announce.value).isEnabledFor(logging.INFO)
        host = self._host
        if host is None or not (wanted or host.gone):
            return
        try:
            if host.gone:
                raise HostGone
            if wanted:
                host.post(partial(self._tell, announce, self._subject(announce, record)))
        except HostGone:
            self._logger.warning("The scheduler's event loop was closed; the scheduler ends")
            self.state = STATE_STOPPED
            self._house.abandon()

    def _subject(self, announce: Announce, record: Record | None) -> Any:
        """The job an announcement is about, as it is now: a later change must not show in an earlier record."""
        value = announce.value
        if record is None and isinstance(value, Record):
            record = value
        if record is None:
            record = self._house.record(value.key.job if isinstance(value, Run) else value.job)
        if record is None and isinstance(value, Run):
            record = Record(value.spec)
        if record is not None and record.next_at is None and isinstance(value, Run | Occurrence):
            # Its last time: the log names that, for "paused" or "finished" would mislead.
            slot = value.key.slot if isinstance(value, Run) else value.slot
            record = replace(record, next_at=slot, state="scheduled")
        return None if record is None else self._about(record)

    def _tell(self, announce: Announce, job: Any) -> None:
        try:
            telling.write(announce, job)
            if announce.name == "occurrence.missed":
                found = telling.missed(announce.value, job)
            else:
                found = telling.told(announce)
            for event in found:
                self._dispatch(event)
        except Exception:
            self._logger.exception("could not tell of %s", announce.name)
