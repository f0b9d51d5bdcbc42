"""The only place that may ask the operating system for the time; everyone else is told."""

from __future__ import annotations

import time
from typing import Protocol

from runner.moment import Moment, Span


class Clock(Protocol):
    """Says what time it is. Law: `elapsed` never goes back; `now` may be set by people and NTP."""

    def now(self) -> Moment:
        """The wall clock: microseconds since 1970-01-01 UTC."""
        ...

    def elapsed(self) -> Span:
        """Microseconds since some fixed point, counting suspended time; only differences mean anything.

        A step of the wall clock is a change of `now() - elapsed()`.
        """
        ...


class SystemClock:
    """The operating system's clocks."""

    def now(self) -> Moment:
        return time.time_ns() // 1_000

    def elapsed(self) -> Span:
        # CLOCK_BOOTTIME counts the time a laptop slept; where there is none, monotonic is the nearest thing.
        boottime: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return time.clock_gettime_ns(boottime) // 1_000


class VirtualClock:
    """A clock that stands still until it is moved: for tests, simulations and plans."""

    def __init__(self, now: Moment) -> None:
        self._now = now
        self._elapsed = 0

    def now(self) -> Moment:
        return self._now

    def elapsed(self) -> Span:
        return self._elapsed

    def advance(self, span: Span) -> None:
        """Let `span` microseconds pass."""
        if span < 0:
            raise ValueError("time can't go backwards; set_wall() moves the wall clock alone")
        self._now += span
        self._elapsed += span

    def advance_to(self, moment: Moment) -> None:
        """Let time pass until `moment`."""
        self.advance(moment - self._now)

    def set_wall(self, moment: Moment) -> None:
        """Set the wall clock, as a person or NTP does: no time passes."""
        self._now = moment
