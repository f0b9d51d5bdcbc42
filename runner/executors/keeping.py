"""Removes what attempts left on disk: when their run is stored as ended, and what a crash left behind."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from runner.clock import Clock
from runner.core.run import AttemptKey, Run
from runner.core.timing import PROMPT
from runner.executors import environment
from runner.executors.backlog import RECORD, release
from runner.executors.marks import MARKER, Marks, changed_at
from runner.executors.place import attempt_path, run_id, scratch_dir
from runner.executors.shim import STOP
from runner.executors.users import Other
from runner.moment import DAY, HOUR, SECOND, Moment
from runner.spec import Command

_log = logging.getLogger("runner.executors")

FORGOTTEN = DAY
"""Marks nobody touched for so long, and whose lock is free, are of a run that ended in a crash."""
UNTOUCHED = 7 * DAY
"""A run's directory stays so long where no attempt began in it: between two attempts nothing says that a run lives."""
KEPT = 2 * PROMPT
"""A run's marks stay so long after its end: were the database replaced by an older copy of itself, what is on
time would be due once more, and finds here that it has begun, and how it ended."""
CLOSING = SECOND
"""So long it may take to remove the rest when a runner stops: a slow disk must not keep a stop waiting. What is left
is swept when it is FORGOTTEN."""
_NAME = re.compile(r"[0-9a-f]{32}\Z")
_PAUSE = 0.2
"""Seconds from one look to the next while there is better to do."""

_TURNS = 25
"""Where it never gets better: so many pauses at most."""


class Keeper:
    """One quiet thread. Until a run's end is stored, its marks are what recovery knows of it.

    `busy`: whether commands wait to be started.
    """

    def __init__(
        self, name: str, state_dir: Path, clock: Clock, busy: Callable[[], bool] = lambda: False
    ) -> None:
        self._busy = busy
        self._state_dir = state_dir
        self._clock = clock
        self._runs: queue.SimpleQueue[tuple[Moment, Run] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._close_by = 0
        self._sweep_at = clock.elapsed() + HOUR
        self._thread = threading.Thread(target=self._work, name=f"runner-keeper-{name}", daemon=True)
        self._thread.start()

    def forget(self, run: Run) -> None:
        """The run's end is stored: its marks and its directory may go."""
        self._runs.put((self._clock.elapsed(), run))

    def close(self) -> None:
        """Finish what was asked for, as far as CLOSING goes."""
        self._close_by = self._clock.elapsed() + CLOSING
        self._closing.set()
        self._runs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            try:
                found = self._runs.get(timeout=HOUR / SECOND)
            except queue.Empty:
                found = None
            if found is not None:
                self._rest(found[0] + KEPT)
                self._remove(found[1])
            if self._closing.is_set() and (self._runs.empty() or self._clock.elapsed() >= self._close_by):
                return
            if self._clock.elapsed() >= self._sweep_at:
                self._sweep_at += DAY
                sweep(self._state_dir, self._clock.now())

    def _rest(self, until: Moment) -> None:
        """Until it is time, and commands that are about to start go first, for a while: removals delay a start."""
        self._closing.wait(max(0, until - self._clock.elapsed()) / SECOND)
        for _ in range(_TURNS):
            if not self._busy() or self._closing.wait(_PAUSE):
                return

    def _remove(self, run: Run) -> None:
        for state in run.steps.values():
            for attempt in range(1, state.attempt + 1):
                _remove_marks(attempt_path(self._state_dir, AttemptKey(run.key, state.id, attempt)))
        _remove(scratch_dir(self._state_dir, run.key))
        if any(isinstance(step.work, Command) and step.work.user for step in run.spec.steps):
            _remove(Other.shared(run_id(run.key)))


def sweep(state_dir: Path, now: Moment) -> int:
    """Remove what a crash left: marks no shim holds, then directories of runs; says how many attempts and runs."""
    marks, alive_since = _sweep_marks(state_dir, now - FORGOTTEN)
    # A directory does not say whose it is; but it is made, or touched, as an attempt of its run is about to begin.
    return marks + _sweep_scratch(state_dir, min(now - UNTOUCHED, alive_since - FORGOTTEN))


def _sweep_marks(state_dir: Path, before: Moment) -> tuple[int, Moment]:
    """How many attempts it removed the marks of, and when the oldest that lives was marked."""
    names: set[str] = set()
    alive_since = before
    for entry in _entries(state_dir / "runs"):
        # An attempt's other files have its name, and more.
        name = entry.name.partition(".")[0]
        changed = changed_at(entry.path)
        if not _NAME.match(name) or changed is None:
            continue
        marks = Marks.of(f"{state_dir}/runs/{name}")
        if _held(marks):
            alive_since = min(alive_since, marks.changed_at() or changed)
        elif changed < before:
            release(marks.file(RECORD))
            if entry.is_dir(follow_symlinks=False):
                _remove(entry.path)
            elif not _unlink(entry.path):
                continue
            names.add(name)
    return len(names), alive_since


def _held(marks: Marks) -> bool:
    """Whether a shim has the lock, or nobody can tell: a machine may have no descriptor left."""
    try:
        return marks.alive()
    except OSError:
        return True


def _sweep_scratch(state_dir: Path, before: Moment) -> int:
    count = 0
    for entry in _entries(state_dir / "scratch"):
        changed = changed_at(entry.path)
        if _NAME.match(entry.name) and changed is not None and changed < before:
            _remove(entry.path)
            count += 1
    return count


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        return list(entries)
    return []


def _remove_marks(path: str) -> None:
    if os.path.isdir(path):
        release(f"{path}/{RECORD}")
        _remove(path, MARKER)
        return
    # There is one only where the attempt could not be taken over.
    release(f"{path}.{RECORD}")
    # The marker last: until then the attempt has begun.
    for name in (f"{path}.{environment.OUTPUT}", f"{path}.{STOP}", path):
        _unlink(name)


def _unlink(path: str) -> bool:
    """Whether it was there and is gone now."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        _log.warning("%s could not be removed: %s", path, error.strerror)
        return False
    return True


def _remove(path: str, usual: str = "") -> None:
    """`usual`: the one file that most have."""
    try:
        if usual:
            os.unlink(f"{path}/{usual}")
        os.rmdir(path)
        return
    except OSError:
        pass  # There is more in it, or less.
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        _log.warning("%s could not be removed: %s", path, error.strerror)
