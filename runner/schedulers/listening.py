"""Listeners and the log: who hears of what happens, in whose thread, and what a caller tells of itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Container, Set
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import partial
from inspect import isawaitable
from typing import Any

from runner.core.action import Announce
from runner.core.run import Job as Record
from runner.core.run import Occurrence, Run
from runner.events import EVENT_ALL, SchedulerEvent
from runner.executors.coroutines import Coroutines
from runner.schedulers import telling
from runner.schedulers.hosts import Host, HostGone
from runner.schedulers.house import House
from runner.spec import JobKey

Listener = Callable[[Any], Any]

_OWN_CHANGES = {
    "job.added": "added",
    "job.changed": "changed",
    "job.paused": "changed",
    "job.resumed": "changed",
    "job.removed": "removed",
}


class Together:
    """The changes that adding many jobs at once makes of each: it is added, or changed where it was there."""

    def __init__(self, keys: Set[JobKey]) -> None:
        self._keys = keys

    def __contains__(self, change: object) -> bool:
        return isinstance(change, tuple) and change[0] != "removed" and change[1] in self._keys


@dataclass(slots=True, eq=False)
class Mine:
    """The changes that a call makes; its caller tells listeners of them."""

    changes: Container[tuple[str, JobKey]]
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


class Listening:
    """What of a scheduler is heard; lifecycle.Lifecycle starts and ends it."""

    _lock: AbstractContextManager[Any]
    _logger: logging.Logger
    _house: House
    _host: Host | None

    def __init__(self) -> None:
        self._listeners: list[tuple[Listener, int]] = []
        self._mask = 0
        self._mine: dict[int, Mine] = {}
        self._left: dict[str, list[Announce]] = {}

    def _host_left(self) -> None:
        """The program's loop was closed without a shutdown."""
        raise TypeError(f"{type(self).__name__} has no host")

    def _about(self, record: Record) -> Any:
        """The job of a record, as it shows itself to people."""
        raise TypeError(f"{type(self).__name__} has no jobs")

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
        heard = telling.named(self._mask)
        return heard | telling.ADDED if self._logger.isEnabledFor(logging.INFO) else heard

    def _whose(self, change: str, key: JobKey) -> Mine | None:
        """The call under way that makes this change: it tells of it itself, in the caller's thread."""
        for mine in tuple(self._mine.values()):
            if (change, key) in mine.changes:
                return mine
        return None

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
            self._host_left()

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
