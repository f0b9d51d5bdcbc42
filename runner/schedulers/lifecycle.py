"""Starting and ending a scheduler, its stores and executors; front-ends say in whose thread things run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import tzinfo
from functools import partial
from typing import Any

from runner import events
from runner.clock import Clock, SystemClock
from runner.events import SchedulerEvent
from runner.executors.base import Executor
from runner.executors.greenlets import on_the_hub, spawn, threads_are_greenlets
from runner.jobstores.base import JobStore
from runner.jobstores.memory import MemoryJobStore
from runner.schedulers import (
    SchedulerAlreadyRunningError,
    SchedulerNotRunningError,
    options,
    plugins,
)
from runner.schedulers.alerts import Alerts
from runner.schedulers.hosts import Host, HostGone, QueueHost
from runner.schedulers.house import Asker, House
from runner.schedulers.listening import Listening
from runner.triggers.zones import zone

STATE_STOPPED = 0
STATE_RUNNING = 1
STATE_PAUSED = 2


def _check_process() -> None:
    """A process of a pool runs the lines of the program again: one without a guard would start all anew in it."""
    processes: Any = sys.modules.get("multiprocessing.process")
    if processes is not None and getattr(processes.current_process(), "_inheriting", False):
        raise RuntimeError(
            "this process was made for a process pool, and the program starts its scheduler in it once more "
            '(put what starts it below `if __name__ == "__main__":`)'
        )


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


class Lifecycle(Listening):
    """A scheduler but for its jobs; base.BaseScheduler adds those."""

    def __init__(
        self, gconfig: Mapping[str, Any] | None = None, *, clock: Clock | None = None, **options: Any
    ) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._turnover = threading.RLock()
        """Of two that start or end it, the second waits for the first."""
        super().__init__()
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
                _check_process()
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

    def _host_left(self) -> None:
        self._logger.warning("The scheduler's event loop was closed; the scheduler ends")
        self.state = STATE_STOPPED
        self._house.abandon()

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
