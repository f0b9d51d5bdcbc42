"""Every live command of an executor: started, watched, stopped, taken over. One loop thread does it all."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

from runner.clock import Clock
from runner.core.run import AttemptKey, Outcome
from runner.errors import ExecutorError
from runner.executors import shim, spawn, verdict
from runner.executors.capture import Log
from runner.executors.child import Child, Launch
from runner.executors.loop import Loop
from runner.executors.output import path_of, tail
from runner.executors.place import attempt_id, log_file
from runner.executors.room import Room
from runner.executors.starters import Starters
from runner.executors.stopping import Stopper
from runner.moment import MILLISECOND, SECOND

_log = logging.getLogger("runner.executors")

Done = Callable[[AttemptKey, Outcome], None]
Prepare = Callable[[], Launch]

LATE_OUTPUT = SECOND
"""How long a command's children may go on writing after it ended, before the outcome is told."""
POLL = SECOND
_STARTERS = 4
_TRIES = (50, 100, 200, 400, 800, 1600)
"""Milliseconds between tries to start on a machine that is short of descriptors, memory or processes."""


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
        self._starter = Starters(f"runner-start-{name}", _STARTERS)
        self._slow = Starters(f"runner-prepare-{name}", 8)
        self._judges = ThreadPoolExecutor(2, thread_name_prefix=f"runner-judge-{name}")
        self._children: dict[str, Child] = {}
        self._waiting: dict[str, str] = {}
        """Attempts not started yet -> why they shall not be, or nothing."""
        self._shims: set[int] = set()
        """Our own children that are not reaped yet."""
        self._lock = threading.Lock()
        self._scarce = threading.Lock()
        """Held while somebody tries again to start: the machine is short of something."""
        self._stopper = Stopper(self._loop, self._clock, self._finish)
        self._limit = spawn.raise_descriptors()
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        runs = state_dir / "runs"
        runs.mkdir(parents=True, exist_ok=True, mode=0o700)
        (state_dir / "scratch").mkdir(exist_ok=True, mode=0o700)
        self._ended = str(runs / f".ended-{spawn.file_name(name)}")
        self._rest = str(runs / ".rest")
        self._closing = threading.Event()
        self._early_ends: dict[str, int] = {}
        """Ends told before the loop knew of the start."""
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._rest, 0o600)
        self._ended_pipe = self._ended_hold = -1
        self._loop.start()

    def start(self, key: AttemptKey, prepare: Prepare, *, slow: bool = False) -> None:
        """Start it on a worker thread; `prepare` runs there first. Anything it raises is a failed outcome.

        `slow`: it may wait for something, and must not hold up the others.
        """
        name = attempt_id(key)
        with self._lock:
            self._waiting[name] = ""
        try:
            (self._slow if slow else self._starter).submit(partial(self._begin, key, name, prepare))
        except ExecutorError:
            with self._lock:
                self._waiting.pop(name, None)
            raise

    def cancel(self, key: AttemptKey, reason: str) -> None:
        name = attempt_id(key)
        with self._lock:
            if name in self._waiting:
                self._waiting[name] = reason
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
        return name in self._children

    def adopt(self, key: AttemptKey, launch: Launch, started_at: int | None = None) -> Outcome | None:
        """Take over an attempt of an earlier process, alive or waiting to be read: None, `done` is told later.

        One that has ended and whose shim is gone too is told at once, as the outcome.
        """
        directory = launch.order.directory
        self._listen()
        if not spawn.locked(directory):
            child = self._child(key, launch, 0, [-1, -1])
            child.adopted = True
            child.started_at = started_at or child.started_at
            child.exit_code = spawn.exit_code(directory)
            child.ended_at = spawn.changed_at(f"{directory}/{shim.MARKER}")
            child.stopping = verdict.asked_to_stop(directory)
            return self._outcome(child)
        pid = self._shim_of(directory)
        try:
            pipes = spawn.reopen_pipes(directory, pid)
        except FileNotFoundError:
            return self.adopt(key, launch, started_at)
        child = self._child(key, launch, pid, pipes)
        child.adopted, child.own = True, spawn.is_ours(pid)
        child.started_at = started_at or child.started_at
        child.stopping = verdict.asked_to_stop(directory)
        self._loop.call(partial(self._register, child))
        return None

    def close(self, *, leave: bool) -> None:
        """Stop every command, or leave them to the next process; returns when that is done."""
        self._closing.set()
        self._starter.close()
        self._slow.close()
        if not leave:
            empty = threading.Event()
            self._loop.call(partial(self._stop_all, empty))
            empty.wait()
        self._loop.stop()
        self._judges.shutdown(wait=True)
        for child in self._children.values():
            child.close(self._clock.now())
            if child.pidfd >= 0:
                os.close(child.pidfd)
        self._children.clear()
        for descriptor in (self._ended_pipe, self._ended_hold, self._null):
            if descriptor >= 0:
                os.close(descriptor)

    def _shim_of(self, directory: str) -> int:
        """The pid of a shim that holds the lock; it may be so young that it has not written it yet."""
        for _ in range(200):
            pid = spawn.marker(directory)
            if pid:
                return pid
            threading.Event().wait(0.01)
        raise ExecutorError("its shim holds the lock but never said its pid")

    def _listen(self) -> None:
        """Hear of ends from now on. Not before something is begun or taken over here: a runner that stands by with
        the same state directory would read away what is told to the one that leads."""
        with self._lock:
            if self._ended_pipe >= 0:
                return
            self._ended_pipe = spawn.open_pipe(self._ended, make=True)
            # Held open for writing too: without any writer the pipe would be at its end, and ready, for ever.
            self._ended_hold = os.open(self._ended, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._loop.call(partial(self._loop.watch, self._ended_pipe, self._told))

    # -- on a starter thread

    def _begin(self, key: AttemptKey, name: str, prepare: Prepare) -> None:
        outcome = self._try(key, name, prepare)
        if outcome is None:
            return
        with self._lock:
            self._waiting.pop(name, None)
        if isinstance(outcome, Outcome):
            self._done(key, outcome)

    def _try(self, key: AttemptKey, name: str, prepare: Prepare) -> Outcome | Literal["revoked"] | None:
        """None where it is at work, and the outcome will be told."""
        try:
            if self._waiting[name]:
                return verdict.unstarted(self._waiting[name])
            launch = prepare()
            self._listen()
            try:
                child = self._spawn(key, launch)
            except spawn.AlreadyBegun:
                return self.adopt(key, launch)
            except spawn.Revoked:
                _log.warning("%s is not begun: the lead of its jobs is another runner's, or may be", key)
                return "revoked"
        except Exception as error:
            return verdict.failed(error)
        self._loop.call(partial(self._register, child))
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
            ended=self._ended,
            rest=self._rest,
            descriptors=self._limit,
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
        return child

    # -- on the loop thread

    def _register(self, child: Child) -> None:
        self._children[child.name] = child
        if child.own:
            self._shims.add(child.pid)
        with self._lock:
            early = self._waiting.pop(child.name, "")
        for index, pipe in enumerate(child.pipes):
            self._loop.watch(pipe, partial(self._readable, child, index))
        try:
            child.pidfd = os.pidfd_open(child.pid)
            self._loop.watch(child.pidfd, partial(self._shim_ended, child))
        except (OSError, AttributeError):
            self._loop.later(POLL // 20, partial(self._look, child))
        if early or child.stopping:
            self._stop(child, early or child.stopping)
        if child.name in self._early_ends:
            self._command_ended(child, self._early_ends.pop(child.name))
        elif child.adopted:
            self._look_for_exit(child)

    def _readable(self, child: Child, index: int) -> None:
        if not child.pour(index, self._clock.now()):
            self._loop.unwatch(child.pipes[index])
            child.close_pipe(index)
            if max(child.pipes) < 0 and child.ended_at is not None and child.own and child.pidfd >= 0:
                self._reap(child)
            self._settle(child)

    def _told(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self._ended_pipe, 1 << 16).decode("ascii", "replace").splitlines():
                name, _, code = line.partition(" ")
                if not code.isdigit():
                    continue
                child = self._children.get(name)
                if child is not None:
                    self._command_ended(child, int(code))
                elif name in self._waiting:
                    self._early_ends[name] = int(code)

    def _look_for_exit(self, child: Child) -> None:
        """One taken over may have told its end to a runner that is no more."""
        if child.finished or child.ended_at is not None:
            return
        code = spawn.exit_code(child.launch.order.directory)
        if code is not None:
            self._command_ended(child, code)
        else:
            self._loop.later(POLL, partial(self._look_for_exit, child))

    def _look(self, child: Child) -> None:
        """Where there is no pidfd: ask from time to time whether the shim is there."""
        if child.gone:
            return
        if child.own:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            child.refused = pid != 0 and os.waitstatus_to_exitcode(status) == shim.TOO_LATE
            ended = pid != 0
        else:
            ended = not spawn.locked(child.launch.order.directory)
        if ended:
            self._shim_is_gone(child)
        else:
            self._loop.later(POLL // 20, partial(self._look, child))

    def _shim_ended(self, child: Child) -> None:
        self._forget_pidfd(child)
        if child.own:
            with contextlib.suppress(ChildProcessError):
                _, status = os.waitpid(child.pid, 0)
                child.refused = os.waitstatus_to_exitcode(status) == shim.TOO_LATE
        self._shim_is_gone(child)

    def _reap(self, child: Child) -> None:
        """A shim lets go of its pipes an instant before it is gone: mostly it is by now, without another wake-up."""
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(child.pid, os.WNOHANG)[0]:
                self._forget_pidfd(child)
                self._shim_is_gone(child)

    def _forget_pidfd(self, child: Child) -> None:
        self._loop.unwatch(child.pidfd)
        os.close(child.pidfd)
        child.pidfd = -1

    def _shim_is_gone(self, child: Child) -> None:
        child.gone = True
        self._shims.discard(child.pid)
        if child.refused and child.ended_at is None:
            self._refused(child)
            return
        if child.finished or child.ended_at is not None:
            self._settle(child)
            return
        self._command_ended(child, spawn.exit_code(child.launch.order.directory))

    def _refused(self, child: Child) -> None:
        """The shim came too late to begin: again, as long as this runner leads; else the one that does begins it."""
        child.finished = True
        for index, pipe in enumerate(child.pipes):
            self._loop.unwatch(pipe)
            child.close_pipe(index)
        del self._children[child.name]
        with self._lock:
            self._waiting[child.name] = child.stopping
        self._starter.submit(partial(self._begin, child.key, child.name, lambda: child.launch))

    def _command_ended(self, child: Child, code: int | None) -> None:
        """It has told its exit code, or its shim is gone and left one, or none."""
        if child.ended_at is not None:
            return
        child.exit_code = code
        changed = (
            None if not child.adopted else spawn.changed_at(f"{child.launch.order.directory}/{shim.MARKER}")
        )
        child.ended_at = self._clock.now() if changed is None else changed
        child.drain(self._clock.now())
        if not child.gone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
        if child.stopping:
            return
        if child.exit_code is None:
            # The shim was killed from outside. Nobody could tell how the command ends, so it may not go on.
            self._stopper.kill_now(child)
            return
        self._loop.later(LATE_OUTPUT, partial(self._finish, child))
        self._settle(child)

    def _settle(self, child: Child) -> None:
        """Told as soon as it has ended and nobody is left who could write."""
        if child.ended_at is not None and not child.stopping and not child.killed and max(child.pipes) < 0:
            self._finish(child)

    def _finish(self, child: Child) -> None:
        if child.finished:
            return
        child.finished = True
        for pipe in child.pipes:
            if pipe >= 0:
                self._loop.unwatch(pipe)
        child.drain(self._clock.now())
        child.close(self._clock.now())
        del self._children[child.name]
        if child.launch.slow:
            self._judges.submit(self._judge, child)
        else:
            self._judge(child)

    def _judge(self, child: Child) -> None:
        try:
            outcome = self._outcome(child)
        except Exception as error:
            outcome = verdict.failed(error)
        self._done(child.key, outcome)

    def _outcome(self, child: Child) -> Outcome:
        ended_at = self._clock.now() if child.ended_at is None else child.ended_at
        wrote = child.log.written or child.adopted
        return verdict.outcome(child, ended_at, tail(path_of(self._state_dir, child.key)) if wrote else "")

    def _cancel(self, name: str, reason: str) -> None:
        child = self._children.get(name)
        if child is not None:
            self._stop(child, reason)

    def _stop(self, child: Child, reason: str) -> None:
        if child.finished or (child.ended_at is not None and not child.stopping):
            return
        if not child.stopping:
            child.stopping = reason
            with contextlib.suppress(OSError):
                spawn.write_private(f"{child.launch.order.directory}/{shim.STOP}", reason.encode())
        self._stopper.stop(child)

    def _stop_all(self, empty: threading.Event) -> None:
        for child in list(self._children.values()):
            self._stop(child, "shutdown")
        self._wait_empty(empty)

    def _wait_empty(self, empty: threading.Event) -> None:
        if self._children or self._shims:
            self._loop.later(10 * MILLISECOND, partial(self._wait_empty, empty))
        else:
            empty.set()
