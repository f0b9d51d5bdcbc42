"""The only place that may ask the operating system for the time; everyone else is told."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import selectors
import sys
import time
from collections.abc import Set
from typing import Any, Protocol

from runner.bell import Bell
from runner.moment import Moment, Span

# CLOCK_BOOTTIME counts the time a laptop slept; where there is none, monotonic is the nearest thing.
_ELAPSED: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


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
        return time.clock_gettime_ns(_ELAPSED) // 1_000


def monotonic() -> Span:
    """Microseconds of CLOCK_MONOTONIC, for protocols that name it; suspended time does not count."""
    return time.monotonic_ns() // 1_000


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


class Alarm:
    """Waits for a span to pass, for `ring`, for the wall clock to be set, or for the machine to wake from sleep.

    `select` with a timeout counts neither a suspended night nor notices a clock that was set. On Linux two timer
    descriptors do; elsewhere the wait is cut into pieces of at most a second.
    """

    def __init__(self) -> None:
        self._bell = Bell()
        self._timers = _Timers.make()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell.descriptor, selectors.EVENT_READ)
        for descriptor in self._timers.descriptors if self._timers else ():
            self._selector.register(descriptor, selectors.EVENT_READ)

    def ring(self) -> None:
        """Wake the waiter, from any thread or signal handler; rings before a wait are kept, after `close` lost."""
        self._bell.ring()

    def wait(self, span: Span | None) -> None:
        """Wait at most `span` microseconds (None: for ever)."""
        if self._bell.rung:
            pass  # Nothing to wait for, and a turn comes: it looks at both clocks itself.
        elif self._timers is not None:
            self._timers.set(span)
            ready = {key.fd for key, _ in self._selector.select(None)}
            self._timers.clear(ready)
            if self._bell.descriptor not in ready:
                return
        else:
            self._selector.select(1.0 if span is None else min(span / 1_000_000, 1.0))
        self._bell.hear()

    def rest(self, span: Span) -> None:
        """Wait the whole `span`, to the nearest few microseconds; who rings meanwhile is heard afterwards."""
        if self._timers is not None:
            self._timers.set(span)
            self._timers.sit_out()
        else:
            time.sleep(span / 1_000_000)

    def close(self) -> None:
        self._selector.close()
        self._bell.close()
        if self._timers is not None:
            self._timers.close()


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Itimerspec(ctypes.Structure):
    _fields_ = [("interval", _Timespec), ("value", _Timespec)]


class _Timers:
    """Two Linux timer descriptors: one counts elapsed time including sleep, one notices a clock that is set."""

    _BOOTTIME, _REALTIME = 7, 0
    _ABSOLUTE, _CANCEL_ON_SET = 1, 2
    _FLAGS = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)

    def __init__(self, libc: Any) -> None:
        self._libc = libc
        self.descriptors = (
            libc.timerfd_create(self._BOOTTIME, self._FLAGS),
            libc.timerfd_create(self._REALTIME, self._FLAGS),
        )
        if min(self.descriptors) < 0:
            raise OSError("no timer descriptors")
        self._one = select.poll()
        self._one.register(self.descriptors[0], select.POLLIN)
        self._watch_the_wall()

    @classmethod
    def make(cls) -> _Timers | None:
        if not sys.platform.startswith("linux"):
            return None
        try:
            return cls(ctypes.CDLL(None, use_errno=True))
        except (OSError, AttributeError):
            return None

    def set(self, span: Span | None) -> None:
        # A value of zero would disarm the timer, so what is due at once is due in a nanosecond.
        nanoseconds = 0 if span is None else max(1, span * 1_000)
        seconds, rest = divmod(nanoseconds, 1_000_000_000)
        value = _Itimerspec(_Timespec(0, 0), _Timespec(seconds, rest))
        self._libc.timerfd_settime(self.descriptors[0], 0, ctypes.byref(value), None)

    def sit_out(self) -> None:
        """Wait for the span that was set. A sleep would take up to 50 us more, by the kernel's slack for threads."""
        self._one.poll()
        with contextlib.suppress(OSError):
            os.read(self.descriptors[0], 8)

    def clear(self, ready: Set[int]) -> None:
        """Read what has fired; a clock that was set answers with ECANCELED once, and is watched again."""
        span, wall = self.descriptors
        if span in ready:
            with contextlib.suppress(OSError):
                os.read(span, 8)
        if wall in ready:
            try:
                os.read(wall, 8)
            except BlockingIOError:
                return
            except OSError:
                self._watch_the_wall()

    def _watch_the_wall(self) -> None:
        far = _Itimerspec(_Timespec(0, 0), _Timespec(2**33, 0))
        flags = self._ABSOLUTE | self._CANCEL_ON_SET
        self._libc.timerfd_settime(self.descriptors[1], flags, ctypes.byref(far), None)

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
