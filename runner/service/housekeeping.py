"""Forgets what is old enough, from time to time and in small pieces: records, output, artifacts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from runner.clock import Clock
from runner.config import Config
from runner.errors import RunnerError
from runner.executors import artifacts
from runner.history import Trimmed, trim
from runner.history.output import remove
from runner.jobstores.base import JobStore
from runner.jobstores.retention import Purged

log = logging.getLogger("runner.service")

_FIRST, _EVERY = 30.0, 3600.0
"""Seconds after the start, and between two rounds."""
_PAUSE = 0.02


def tidy(
    store: JobStore,
    state_dir: Path,
    clock: Clock,
    config: Config,
    pause: Callable[[], object] = lambda: None,
) -> tuple[Purged, Trimmed]:
    """One round. StoreError where the database fails."""
    wanted = {spec.key: spec.policy.retention for spec in config.jobs}
    purged = store.purge(clock.now(), wanted=wanted, pause=pause)
    remove(state_dir, purged.attempts)
    artifacts.expire(state_dir, clock.now())
    return purged, trim(store, state_dir, clock.now(), config.storage.logs, wanted=wanted, pause=pause)


class Housekeeper:
    """A thread that does a round every hour, and makes room for others between two pieces of it."""

    def __init__(
        self,
        store: Callable[[], JobStore],
        state_dir: Path,
        clock: Clock,
        config: Callable[[], Config],
    ):
        self._store = store
        self._state_dir = state_dir
        self._clock = clock
        self._config = config
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="runner-tidy", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _work(self) -> None:
        wait = _FIRST
        while not self._closing.wait(wait):
            wait = _EVERY
            try:
                tidy(
                    self._store(),
                    self._state_dir,
                    self._clock,
                    self._config(),
                    lambda: self._closing.wait(_PAUSE),
                )
            except RunnerError as error:
                log.warning("what is old could not be forgotten: %s; tried again in an hour", error)
            except Exception:
                log.exception("what is old could not be forgotten")
