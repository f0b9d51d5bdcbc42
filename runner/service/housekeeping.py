"""Forgets what is old enough, from time to time and in small pieces: records, output, artifacts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from runner.clock import Clock
from runner.config import Config
from runner.errors import RunnerError, StoreError
from runner.executors import artifacts
from runner.history import Trimmed, trim
from runner.history.output import remove
from runner.jobstores.base import JobStore
from runner.jobstores.retention import Purged
from runner.service.house import House

log = logging.getLogger("runner.service")

_FIRST, _EVERY = 30.0, 3600.0
"""Seconds after the start, and between two rounds."""
_SHORT = 300.0
"""Seconds between two rounds while the disk is nearly full."""
_LEAST = 60.0
"""So many it rests at least: room may come and go."""
_PAUSE = 0.02


def tidy(
    store: JobStore,
    state_dir: Path,
    clock: Clock,
    config: Config,
    pause: Callable[[], object] = lambda: None,
) -> tuple[Purged, Trimmed]:
    """One round. StoreError where the database fails: what needs no writing there is forgotten all the same."""
    wanted = {spec.key: spec.policy.retention for spec in config.jobs}
    purged, failed = Purged(), None
    try:
        purged = store.purge(clock.now(), wanted=wanted, pause=pause)
    except StoreError as error:
        # Where its disk is full nothing can be deleted in it, and output is what takes the room.
        failed = error
    remove(state_dir, purged.attempts)
    artifacts.expire(state_dir, clock.now())
    trimmed = trim(store, state_dir, clock.now(), config.storage.logs, wanted=wanted, pause=pause)
    if failed is not None:
        raise failed
    return purged, trimmed


class Housekeeper:
    """A thread that does a round every hour, and makes room for others between two pieces of it.

    Where the disk becomes nearly full it does one at once: what nobody has to keep is in the way of new output.
    """

    def __init__(self, house: House, clock: Clock) -> None:
        self._house = house
        self._clock = clock
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="runner-tidy", daemon=True)

    def open(self) -> None:
        self._house.room.on_short = self._woken.set
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _work(self) -> None:
        wait = _FIRST
        while True:
            self._woken.wait(wait)
            if self._closing.is_set():
                return
            self._woken.clear()
            self._round()
            if self._closing.wait(_LEAST):
                return
            wait = (_SHORT if self._house.room.short() else _EVERY) - _LEAST

    def _round(self) -> None:
        try:
            house = self._house
            tidy(
                house.store, house.place.state, self._clock, house.config, lambda: self._closing.wait(_PAUSE)
            )
        except RunnerError as error:
            log.warning("what is old could not be forgotten: %s; tried again in an hour at the latest", error)
        except Exception:
            log.exception("what is old could not be forgotten")
