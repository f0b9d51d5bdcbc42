"""Stops whole trees: the stop signal, a grace, SIGKILL, until nobody is left. One scan serves all."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from runner.clock import Clock
from runner.executors import tree
from runner.executors.child import Child
from runner.executors.loop import Loop
from runner.moment import MILLISECOND, SECOND, Moment

_log = logging.getLogger("runner.executors")

SWEEP = 50 * MILLISECOND
"""How often those being stopped are looked at."""
STUCK = 3 * SECOND
"""How long after SIGKILL a process is waited for: one stuck in the kernel cannot be killed."""


class Stopper:
    """Runs on the loop. `finish` is called for each command once its tree is gone."""

    def __init__(self, state_dir: Path, loop: Loop, clock: Clock, finish: Callable[[Child], None]) -> None:
        self._state_dir = state_dir
        self._loop = loop
        self._clock = clock
        self._finish = finish
        self._stopping: dict[str, tuple[Child, Moment]] = {}
        """Attempt -> the child, and the elapsed time at which its grace ends."""
        self._sweeping = False

    def stop(self, child: Child) -> None:
        """Ask it to end; again is nothing new."""
        if child.name in self._stopping:
            return
        self._stopping[child.name] = (child, self._clock.elapsed() + child.launch.stop_grace)
        if child.ended_at is None:
            self._signal(child, child.launch.stop_signal)
        self._schedule()

    def kill_now(self, child: Child) -> None:
        """End it without grace."""
        child.killed = True
        self._stopping[child.name] = (child, self._clock.elapsed())
        self._schedule()

    def _signal(self, child: Child, number: int) -> None:
        if number == signal.SIGKILL:
            self._stopping[child.name] = (child, self._clock.elapsed())
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # The shim leads the group and catches the signal; the command gets it as it is.
            os.killpg(child.pid, number)
        loop_later = partial(self._signal_strays, child, number)
        self._loop.later(0, loop_later)

    def _signal_strays(self, child: Child, number: int) -> None:
        for pid in tree.members({child.name: child.pid}, self._state_dir)[child.name]:
            with contextlib.suppress(OSError):
                if os.getpgid(pid) != child.pid:
                    os.kill(pid, number)

    def _schedule(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self._loop.later(SWEEP // 5, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        now = self._clock.elapsed()
        targets = {name: child.pid for name, (child, _) in self._stopping.items()}
        for name, pids in self._members(targets).items():
            child, grace_ends = self._stopping[name]
            over = now - grace_ends
            if over >= 0 and child.launch.kill is not None:
                child.launch.kill()
            if pids and over >= 0:
                child.killed = True
                tree.kill(pids)
            if over >= SECOND and not pids and not child.gone and child.ended_at is None:
                tree.kill([child.pid])
            if (not pids and child.ended_at is not None) or over >= STUCK:
                del self._stopping[name]
                if pids:
                    _log.error("%s: processes %s cannot be killed", child.key, pids)
                self._finish(child)
        if self._stopping:
            self._schedule_next()

    def _members(self, targets: dict[str, int]) -> dict[str, list[int]]:
        """Who is left of each. One that is about to be finished is looked at twice: a process that forks and ends
        between the listing of all processes and the look at itself hides its child."""
        found = tree.members(targets, self._state_dir)
        over = {
            name: pid
            for name, pid in targets.items()
            if not found[name] and self._stopping[name][0].ended_at is not None
        }
        return {**found, **tree.members(over, self._state_dir)} if over else found

    def _schedule_next(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self._loop.later(SWEEP, self._sweep)
