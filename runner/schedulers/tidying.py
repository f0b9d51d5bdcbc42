"""Forgets, from time to time, the finished runs that the retention of their jobs no longer covers."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from runner.clock import Clock
from runner.core.action import Change, Forget, Save
from runner.core.run import Run, Status
from runner.errors import StoreError
from runner.jobstores.base import JobStore
from runner.jobstores.memory import MemoryJobStore
from runner.moment import Moment

log = logging.getLogger("runner.scheduler")

FIRST, EVERY = 30.0, 3600.0
"""Seconds after the start, and between two rounds."""


class Tidy:
    """A thread that has every store forget, one after another."""

    def __init__(self, stores: Callable[[], Sequence[JobStore]], clock: Clock) -> None:
        self._stores = stores
        self._clock = clock
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        # A new one: in a program that gevent patched, the last one may belong to the hub of the last start.
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=[self._closing], name="runner-tidy", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(5)

    def round(self) -> None:
        """Do it once, now, in every store. StoreError where one fails, once the others are done."""
        failed: StoreError | None = None
        for store in self._stores():
            try:
                store.purge(self._clock.now())
            except StoreError as error:
                failed = error
        if failed is not None:
            raise failed

    def _work(self, closing: threading.Event) -> None:
        wait = FIRST
        while not closing.wait(wait):
            wait = EVERY
            try:
                self.round()
            except StoreError as error:
                log.warning("old runs could not be forgotten: %s; tried again in an hour", error)
            except Exception:
                log.exception("old runs could not be forgotten")


def empty(store: JobStore, source: str, now: Moment) -> None:
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
