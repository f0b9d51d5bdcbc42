"""The commands of an executor: begun, taken over, handed to the loop that watches them (watching.py)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from runner.clock import Clock
from runner.core.run import AttemptKey, Outcome
from runner.errors import ExecutorError
from runner.executors import spawn, verdict
from runner.executors.backlog import Floods
from runner.executors.capture import Log
from runner.executors.child import Child, Launch
from runner.executors.ends import Ends
from runner.executors.loop import Loop
from runner.executors.marks import AlreadyBegun, Marks, shares
from runner.executors.place import attempt_id, log_file
from runner.executors.room import Room
from runner.executors.starters import Starters
from runner.executors.watching import Done, Watch
from runner.moment import MILLISECOND, SECOND, Span

_log = logging.getLogger("runner.executors")

Prepare = Callable[[], Launch]

_STARTERS = 4
_FEW = 2
"""So many starts wait for the thread that is at work rather than have another beside it."""
_TRIES = (50, 100, 200, 400, 800, 1600)
"""Milliseconds between tries to start on a machine that is short of descriptors, memory or processes."""


class _Wait:
    """One that is asked for and not started yet, and what is said of it meanwhile."""

    __slots__ = ("code", "reason")

    def __init__(self) -> None:
        self.reason = ""
        """Why it shall not begin, or shall be stopped as it has."""
        self.code: int | None = None
        """How it ended, where that was told before its start was known."""


class Processes:
    """`start`, `cancel`, `adopt` may be called from any thread; `done` is told from threads of this one."""

    def __init__(
        self, name: str, state_dir: Path, clock: Clock, done: Done, room: Room | None = None
    ) -> None:
        self._state_dir = state_dir
        self._room = room or Room(state_dir, clock)
        self._clock = clock
        self._done = done
        self._name = name
        self._loop = Loop(f"runner-commands-{name}", clock)
        # A start waits until the shim's program is loaded, without the interpreter's lock. Where hundreds begin at
        # once one thread would wait its turn behind all that it has started already, and the last start come late.
        self._starter = Starters(f"runner-start-{name}", _STARTERS, few=_FEW, later=self._later)
        self._slow = Starters(f"runner-prepare-{name}", 8)
        self._waiting: dict[str, _Wait] = {}
        """Attempts not started yet."""
        self._lock = threading.Lock()
        self._scarce = threading.Lock()
        """Held while somebody tries again to start: the machine is short of something."""
        self._limit, self._umask = spawn.raise_descriptors(), spawn.usual_umask()
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        runs = state_dir / "runs"
        runs.mkdir(parents=True, exist_ok=True, mode=0o700)
        shares(str(runs))
        (state_dir / "scratch").mkdir(exist_ok=True, mode=0o700)
        self._watch = Watch(name, state_dir, clock, self._loop, done, self._again)
        self._ends = Ends(str(runs / f".ended-{spawn.file_name(name)}"), self._loop, self._told)
        self._rest = str(runs / ".rest")
        spawn.make_pipe(self._rest)
        self._floods = Floods(self._rest)
        self._closing = threading.Event()
        self._loop.start()

    def start(self, key: AttemptKey, prepare: Prepare, *, slow: bool = False) -> None:
        """Start it on a worker thread; `prepare` runs there first. Anything it raises is a failed outcome.

        `slow`: it may wait for something, and must not hold up the others.
        """
        name = attempt_id(key)
        with self._lock:
            wait = self._waiting[name] = _Wait()
        try:
            (self._slow if slow else self._starter).submit(partial(self._begin, key, name, prepare, wait))
        except ExecutorError:
            self._waits_no_more(name, wait)
            raise

    def cancel(self, key: AttemptKey, reason: str) -> None:
        name = attempt_id(key)
        with self._lock:
            if name in self._waiting:
                self._waiting[name].reason = reason
        self._loop.call(partial(self._cancel, name, reason))

    @property
    def starting(self) -> bool:
        """Whether some are asked for and not started yet."""
        return bool(self._waiting)

    def holds(self, key: AttemptKey) -> bool:
        """Whether it is at work here: the lead was lost and came back. What is about to start is waited for."""
        name = attempt_id(key)
        for _ in range(500):
            with self._lock:
                starting = name in self._waiting
            if not starting:
                break
            threading.Event().wait(0.01)
        return name in self._watch.children

    def adopt(self, key: AttemptKey, launch: Launch, started_at: int | None = None) -> Outcome | None:
        """Take over an attempt of an earlier process, alive or waiting to be read: None, `done` is told later.

        One that has ended and whose shim is gone too is told at once, as the outcome.
        """
        return self._adopt(key, launch, _Wait(), started_at)

    def _adopt(
        self, key: AttemptKey, launch: Launch, wait: _Wait, started_at: int | None = None
    ) -> Outcome | None:
        marks = launch.order.marks
        self._ends.listen()
        if not marks.alive():
            child = self._child(key, launch, 0, [-1, -1])
            child.adopted = True
            child.started_at = started_at or child.started_at
            child.exit_code = marks.exit_code()
            child.ended_at = marks.changed_at()
            child.stopping = marks.asked_to_stop()
            child.recover(self._clock.now())
            child.close(self._clock.now())
            return self._watch.outcome(child)
        pid = self._shim_of(marks)
        try:
            pipes = spawn.reopen_pipes(marks, pid)
        except FileNotFoundError:
            return self._adopt(key, launch, wait, started_at)
        child = self._child(key, launch, pid, pipes)
        child.adopted, child.own = True, spawn.is_ours(pid)
        child.started_at = started_at or child.started_at
        child.stopping = marks.asked_to_stop()
        child.recover(self._clock.now())
        self._hand_over(child, wait)
        return None

    def catch_up(self, most: float) -> None:
        """Return once all is told that has ended by now, after `most` seconds at the latest."""
        if not self._closing.is_set():
            self._watch.told(most)

    def close(self, *, leave: bool) -> None:
        """Stop every command, or leave them to the next process; returns when that is done."""
        self._closing.set()
        self._starter.close()
        self._slow.close()
        if not leave:
            empty = threading.Event()
            self._loop.call(partial(self._watch.stop_all, empty))
            empty.wait()
        self._loop.stop()
        self._watch.close()
        self._ends.close()
        os.close(self._null)

    def _shim_of(self, marks: Marks) -> int:
        """The pid of a shim that holds the lock; it may be so young that it has not written it yet."""
        for _ in range(200):
            pid = marks.pid()
            if pid:
                return pid
            threading.Event().wait(0.01)
        raise ExecutorError("its shim holds the lock but never said its pid")

    def _later(self, span: Span, function: Callable[[], None]) -> None:
        self._loop.call(partial(self._loop.later, span, function))

    # -- on a starter thread

    def _begin(self, key: AttemptKey, name: str, prepare: Prepare, wait: _Wait) -> None:
        outcome = self._try(key, prepare, wait)
        if outcome is None:
            return
        self._waits_no_more(name, wait)
        if isinstance(outcome, Outcome):
            self._done(key, outcome)

    def _waits_no_more(self, name: str, wait: _Wait) -> None:
        with self._lock:
            self._drop(name, wait)

    def _drop(self, name: str, wait: _Wait) -> None:
        # By now it may have ended and been asked for anew: then another one waits by this name.
        if self._waiting.get(name) is wait:
            del self._waiting[name]

    def _try(self, key: AttemptKey, prepare: Prepare, wait: _Wait) -> Outcome | Literal["revoked"] | None:
        """None where it is at work, and the outcome will be told."""
        try:
            if wait.reason:
                return verdict.unstarted(wait.reason)
            launch = prepare()
            self._ends.listen()
            try:
                child = self._spawn(key, launch)
            except AlreadyBegun:
                return self._adopt(key, launch, wait)
            except spawn.Revoked:
                _log.warning("%s is not begun: the lead of its jobs is another runner's, or may be", key)
                return "revoked"
        except Exception as error:
            return verdict.failed(error)
        self._hand_over(child, wait)
        return None

    def _spawn(self, key: AttemptKey, launch: Launch) -> Child:
        if not self._scarce.locked():
            try:
                return self._spawn_now(key, launch)
            except OSError as error:
                if error.errno not in spawn.BUSY:
                    raise
        # What becomes free is for whoever waited first; nobody uses up their tries beside others.
        with self._scarce:
            for pause in _TRIES:
                try:
                    return self._spawn_now(key, launch)
                except OSError as error:
                    if error.errno not in spawn.BUSY:
                        raise
                threading.Event().wait(pause / 1000)
            return self._spawn_now(key, launch)

    def _spawn_now(self, key: AttemptKey, launch: Launch) -> Child:
        started_at = self._clock.now()
        spawned = spawn.spawn(
            launch.order,
            ended=self._ends.path,
            rest=self._rest,
            descriptors=self._limit,
            umask=self._umask,
            null=self._null,
            deadline=self._deadline(launch),
        )
        child = self._child(key, launch, spawned.pid, list(spawned.pipes))
        child.started_at = started_at
        return child

    def _deadline(self, launch: Launch) -> str:
        """Until when the shim may begin, by the machine's uptime; Revoked where it may not at all."""
        # The uptime first: whatever is lost between the two questions makes the deadline earlier, never later.
        until = launch.order.until()
        if until is None:
            return ""
        while True:
            uptime = spawn.uptime()
            until = launch.order.until()
            left = SECOND if until is None else until - self._clock.elapsed()
            if left > 0:
                return "" if uptime is None else str(uptime + left // (10 * MILLISECOND))
            # It may still be renewed; a lead that is lost never comes back.
            if until == 0 or self._closing.wait(0.1):
                raise spawn.Revoked

    def _child(self, key: AttemptKey, launch: Launch, pid: int, pipes: list[int]) -> Child:
        child = Child(
            key, attempt_id(key), launch, Log(log_file(self._state_dir, key)), pid, pipes, self._clock.now()
        )
        child.room = self._room
        if launch.mask is not None:
            child.masks = [launch.mask(), launch.mask()]
        elif launch.kill is None:
            # Where its memory is limited, what waits in pipes would count to it.
            child.floods = self._floods
        return child

    def _hand_over(self, child: Child, wait: _Wait) -> None:
        """To the loop. What was said of it before it was known comes after."""
        self._watch.add(child)
        with self._lock:
            if child.refused:
                return
            self._drop(child.name, wait)
        if wait.reason:
            self._loop.call(partial(self._watch.stop, child, wait.reason))
        if wait.code is not None:
            self._loop.call(partial(self._watch.ended, child, wait.code))

    # -- on the loop thread

    def _told(self, name: str, code: int) -> None:
        with self._lock:
            child = self._watch.children.get(name)
            if name in self._waiting:
                self._waiting[name].code = code
                return
        if child is not None:
            self._watch.ended(child, code)

    def _cancel(self, name: str, reason: str) -> None:
        with self._lock:
            child = self._watch.children.get(name)
            if child is None and name in self._waiting:
                # Its shim refused just as this was asked, and it waits to begin again.
                self._waiting[name].reason = reason
        if child is not None:
            self._watch.stop(child, reason)

    def _again(self, child: Child) -> None:
        with self._lock:
            wait = self._waiting.setdefault(child.name, _Wait())
            wait.reason = child.stopping or wait.reason
        self._starter.submit(partial(self._begin, child.key, child.name, lambda: child.launch, wait))
