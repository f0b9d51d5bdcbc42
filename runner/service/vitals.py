"""The signs of life of a service: the watchdog, the health file, systemd, and the watcher outside.

All of them follow from one proof: the clock thread made a call that was put in its line.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runner.clock import Clock, monotonic
from runner.config.model import Heartbeat
from runner.moment import SECOND, Span
from runner.service import health
from runner.service.systemd import Systemd
from runner.service.watchdog import Call, Watchdog

EXIT_STUCK = 70
_EVERY = 10.0
"""Seconds between two proofs."""
_TO_END = 60.0
"""Seconds that closing everything may take, beside the grace."""

Facts = Callable[[], tuple[Mapping[str, Any], tuple[str, ...]]]


class Vitals:
    """`facts` gives what `runner status` shows, and the problems that make it unhealthy; it must not block.

    `ping` takes an address of the watcher outside; `say` a last word before a stuck process ends.
    """

    def __init__(
        self,
        state: Path,
        clock: Clock,
        systemd: Systemd,
        facts: Facts,
        *,
        call: Call,
        heartbeat: Callable[[], Heartbeat | None],
        ping: Callable[[str], None],
        say: Callable[[str], None],
        after: Span,
    ) -> None:
        self._state = state
        self._clock = clock
        self._facts = facts
        self._heartbeat = heartbeat
        self._ping = ping
        self._say = say
        self._pinged: Span | None = None
        self._lock = threading.Lock()
        self.systemd = systemd
        every = _EVERY if systemd.watchdog is None else min(_EVERY, systemd.watchdog / 3)
        self._watchdog = Watchdog(call, beat=self._beat, stuck=self._stuck, every=every, after=after / SECOND)
        self._after = after

    def open(self) -> None:
        """The engine turns from now on: watch it."""
        self._watchdog.open()

    def look(self) -> None:
        """Something changed that others want to know soon."""
        self._watchdog.look()

    def write(self) -> None:
        """Write the health file now: for the time before the engine turns."""
        status, problems = self._facts()
        with self._lock:
            health.write(self._state, self._clock, status, problems)

    def reloading(self) -> None:
        self.systemd.reloading(monotonic())

    def ending(self, grace: Span) -> None:
        """It ends. Whatever hangs on the way does not keep the process for longer than a minute and the grace."""
        self.systemd.stopping(int(grace / SECOND + _TO_END))
        threading.Thread(target=self._end_at_last, name="runner-end", daemon=True).start()

    def close(self) -> None:
        self._watchdog.close()
        health.erase(self._state)

    def _end_at_last(self) -> None:
        threading.Event().wait(_TO_END)
        self._say("closing takes too long: ending at once")
        os._exit(EXIT_STUCK)

    def _beat(self) -> float | None:
        self.systemd.alive()
        status, problems = self._facts()
        with self._lock:
            health.write(self._state, self._clock, status, problems)
        wanted = self._heartbeat()
        now = self._clock.elapsed()
        if wanted is None or problems:
            return None
        if self._pinged is None or now - self._pinged >= wanted.every - SECOND // 10:
            self._pinged = now
            self._ping(wanted.url)
        return max(SECOND // 10, self._pinged + wanted.every - now) / SECOND

    def _stuck(self) -> None:
        """Nothing of this process is to be trusted any more; what runs goes on behind its shims."""
        self._say(f"the clock thread has not turned for {self._after // SECOND} s: ending with {EXIT_STUCK}")
        faulthandler.dump_traceback(sys.stderr, all_threads=True)
        os._exit(EXIT_STUCK)
