"""Forgets, from time to time, the finished runs that the retention of their jobs no longer covers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from runner.clock import Clock
from runner.errors import StoreError

log = logging.getLogger("runner.scheduler")

FIRST, EVERY = 30.0, 3600.0
"""Seconds after the start, and between two rounds."""


class Tidy:
    """A thread for the stores that keep histories in a SQL database; the others see to it when they write."""

    def __init__(self, stores: Callable[[], Sequence[Any]], clock: Clock) -> None:
        self._stores = stores
        self._clock = clock
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin, where there is such a store."""
        if any(map(_in_sql, self._stores())):
            self._closing.clear()
            self._thread = threading.Thread(target=self._work, name="runner-tidy", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._closing.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(5)

    def round(self) -> None:
        """Do it once, now. StoreError where a database fails."""
        from runner.history import purge

        for store in filter(_in_sql, self._stores()):
            purge(store.engine, self._clock.now(), alias=store.alias)

    def _work(self) -> None:
        wait = FIRST
        while not self._closing.wait(wait):
            wait = EVERY
            try:
                self.round()
            except StoreError as error:
                log.warning("old runs could not be forgotten: %s; tried again in an hour", error)
            except Exception:
                log.exception("old runs could not be forgotten")


def _in_sql(store: Any) -> bool:
    return hasattr(store, "engine")
