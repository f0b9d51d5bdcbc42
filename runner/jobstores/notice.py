"""Hearing what other processes did in a store: a thread that listens on a connection of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

log = logging.getLogger("runner.jobstores")

TICK = 0.5
"""Seconds after which a listener looks whether it is still wanted."""
_FIRST_PAUSE, _LAST_PAUSE = 0.2, 5.0


class Ear:
    """Calls `heard` for each of `notices(ear)`, from a thread of its own, until `close`.

    `notices` connects, yields once as soon as it hears (what came before was missed) and then for each notice, and
    returns when `ear.closed` is set. When it raises, it is called again a little later.
    """

    def __init__(self, notices: Callable[[Ear], Iterator[None]], heard: Callable[[], None]) -> None:
        self.closed = threading.Event()
        self._notices = notices
        self._heard = heard
        self._interrupt: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, name="runner-ear", daemon=True)
        self._thread.start()

    def interruptible(self, interrupt: Callable[[], None]) -> None:
        """How a wait is ended that does not look at `closed`."""
        with self._lock:
            self._interrupt = interrupt
        if self.closed.is_set():
            interrupt()

    def close(self) -> None:
        """Hear nothing any more; the thread ends within `TICK`, and is not waited for when it is this one."""
        self.closed.set()
        with self._lock:
            interrupt = self._interrupt
        if interrupt is not None:
            interrupt()
        if self._thread is not threading.current_thread():
            self._thread.join(2 * TICK)

    def _listen(self) -> None:
        pause, level = _FIRST_PAUSE, logging.WARNING
        while not self.closed.is_set():
            try:
                for _ in self._notices(self):
                    pause, level = _FIRST_PAUSE, logging.WARNING
                    if self.closed.is_set():
                        return
                    self._heard()
            except Exception as error:
                if not self.closed.is_set():
                    why = (str(error).splitlines() or [type(error).__name__])[0]
                    log.log(level, "notices of other runners cannot be heard: %s; trying again", why)
                    level = logging.DEBUG
            self.closed.wait(pause)
            pause = min(2 * pause, _LAST_PAUSE)
