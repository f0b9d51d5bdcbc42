"""Sees that the clock thread turns, and ends the process where it does not.

The thread itself is asked, not whether it lives: a call is put in its line and has to be made. Waits that are over
are counted, not time that went by: a process that was stopped for an hour is not stuck when it goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from runner.moment import Moment

Call = Callable[[Callable[[Moment], None]], None]


class Watchdog:
    """`beat` is called after each proof that the loop turns, `stuck` once there was none for `after` seconds.

    What `beat` returns is in how many seconds the next proof is wanted, `every` at the latest.
    """

    def __init__(
        self,
        call: Call,
        *,
        beat: Callable[[], float | None],
        stuck: Callable[[], None],
        every: float,
        after: float,
    ) -> None:
        self._call = call
        self._beat = beat
        self._stuck = stuck
        self._every = min(every, after / 2)
        self._after = after
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._watch, name="runner-watchdog", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def look(self) -> None:
        """Ask and beat now, and not only at the next turn of the watch."""
        self._wake.set()

    def close(self) -> None:
        self._closing = True
        self._wake.set()

    def _watch(self) -> None:
        while not self._closing:
            self._wake.clear()
            if not self._turns():
                self._stuck()
                return
            wanted = None if self._closing else self._beat()
            self._wake.wait(self._every if wanted is None else min(wanted, self._every))

    def _turns(self) -> bool:
        turned = threading.Event()
        self._call(lambda _now: turned.set())
        waited = 0.0
        while not turned.wait(self._every):
            waited += self._every
            if self._closing:
                return True
            if waited >= self._after:
                return False
        return True
