"""Work in threads of this process: quick to start, and nothing can stop it from outside."""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from collections.abc import Callable, Sequence

from runner.clock import Clock
from runner.core.run import AttemptKey, Outcome, Status
from runner.executors.base import Done, Until, always
from runner.executors.calls import said

_log = logging.getLogger("runner.executors")


LEAVE = 1.0
"""Seconds that threads are given to be gone, all together."""


class Stop:
    """Set where nobody waits for an outcome any more. As threading.Event, but it has no lock until one waits for it."""

    __slots__ = ("_event", "_set")

    def __init__(self) -> None:
        self._set = False
        self._event: threading.Event | None = None

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        if self._event is not None:
            self._event.set()

    def wait(self, timeout: float) -> bool:
        """Whether it is set within so many seconds; for the one thread that does the work."""
        if self._event is None:
            self._event = threading.Event()
        # `set` may have come before it could see the event.
        return self._set or self._event.wait(timeout)


Function = Callable[[Stop], Outcome]
"""What a thread does; it may look at the stop meanwhile."""


class Item(Stop):
    """Work for a thread, and what stops it."""

    __slots__ = ("begun", "claimed", "function", "key", "until")

    def __init__(self, key: AttemptKey, function: Function, until: Until = always) -> None:
        super().__init__()
        self.key = key
        self.function = function
        self.until = until
        self.begun = False
        self.claimed = False
        """Whether somebody tells its outcome, or has told it, or nobody ever will."""


class Threads:
    """At most `most` daemon threads, made as they are needed. What is not begun waits.

    A cancelled attempt is told at once; its thread holds its place until it returns.
    """

    def __init__(
        self, name: str, most: int, clock: Clock, done: Done, *, begin: Callable[[], object] | None = None
    ) -> None:
        self._name = name
        self._most = max(1, most)
        self._clock = clock
        self._done = done
        self._begin = begin
        self._items: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._live: dict[AttemptKey, Item] = {}
        """Those whose outcome is still to be told."""
        self._unbegun: set[AttemptKey] = set()
        """Those that never began, for the lead was lost; of each lead no more than were told to begin at once."""
        self._threads: list[threading.Thread] = []
        self._at_work: dict[int, AttemptKey] = {}
        """What each thread works at, or has worked at last."""
        self._lock = threading.Lock()
        self._over = threading.Condition(self._lock)
        self._closing = False
        self._idle = 0
        """Threads that have nothing to do, less what is on its way to them."""
        self._waiting = 0
        """How much waits because every thread was at work."""
        self._number = itertools.count(1)

    def start(self, key: AttemptKey, function: Function, until: Until = always) -> None:
        self.start_all((Item(key, function, until),))

    def start_all(self, items: Sequence[Item]) -> None:
        """Begin them in order; RuntimeError, and none was begun, where not even one thread can be made."""
        with self._lock:
            for item in items:
                if self._idle > 0:
                    self._idle -= 1
                elif len(self._threads) >= self._most or not self._add_thread():
                    self._waiting += 1
                self._live[item.key] = item
                if self._unbegun:
                    self._unbegun.discard(item.key)
        for item in items:
            self._items.put(item)

    def own(self) -> AttemptKey | None:
        """The attempt that the caller is part of, where it is in one of these threads."""
        return self._at_work.get(threading.get_ident())

    def resize(self, most: int) -> None:
        """More from now on; fewer only when the process starts again."""
        self._most = max(self._most, most)

    def knows(self, key: AttemptKey) -> bool:
        """Whether its outcome is still to be told."""
        return key in self._live

    def unbegun(self, key: AttemptKey) -> bool:
        """Whether it has not begun, and never will: the lead under which it was to begin is lost. Nobody is told."""
        item = self._live.get(key)
        if item is None:
            return key in self._unbegun
        if item.begun or item.until() != 0:
            return False
        with self._lock:
            if item.begun or item.claimed:
                return key in self._unbegun
            item.claimed = True
            self._unbegun.add(key)
            self._live.pop(key, None)
            if self._closing:
                self._over.notify_all()
        item.set()
        return True

    def cancel(self, key: AttemptKey, reason: str) -> None:
        item = self._live.get(key)
        if item is None or not self._claim(item):
            return
        item.set()
        if reason == "timeout":
            self._tell(item, Outcome(Status.TIMED_OUT, error="given up after its timeout"))
        else:
            self._tell(item, Outcome(Status.CANCELLED, error=f"given up: {reason}"))

    def close(self, *, wait: bool) -> None:
        """Begin nothing more. `wait`: for what runs and waits, and until the threads are gone, but a second at most for
        one that works on at what was given up. Else all of it is told as cancelled."""
        if wait:
            with self._over:
                self._closing = True
                self._over.wait_for(lambda: not self._live)
        else:
            for key in list(self._live):
                self.cancel(key, "shutdown")
        threads = list(self._threads)
        for _ in threads:
            self._items.put(None)
        if wait:
            for thread in threads:
                if thread is not threading.current_thread():
                    thread.join(LEAVE / len(threads))

    def _add_thread(self) -> bool:
        """Whether the system gave one more; RuntimeError where there is none at all."""
        name = f"{self._name}-{next(self._number)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise
            return False
        self._threads.append(thread)
        return True

    def _work(self) -> None:
        if self._begin is not None:
            try:
                self._begin()
            except Exception:
                _log.exception("the initializer of a worker thread failed; it works all the same")
        me = threading.get_ident()
        while True:
            item = self._items.get()
            if item is None:
                self._at_work.pop(me, None)
                return
            if not item.is_set():
                self._at_work[me] = item.key
                outcome = self._outcome(item)
                if outcome is not None and self._claim(item):
                    self._tell(item, outcome)
            del item
            with self._lock:
                if self._waiting:
                    self._waiting -= 1
                else:
                    self._idle += 1

    def _outcome(self, item: Item) -> Outcome | None:
        """None where it did not begin, and somebody knows."""
        try:
            return item.function(item) if self._begins(item) else None
        except BaseException as error:
            return Outcome(Status.FAILED, error=said(error), exception=error)

    def _begins(self, item: Item) -> bool:
        """Whether its runner leads still; where that is not sure, wait until it is."""
        while True:
            until = item.until()
            if until is None or until > self._clock.elapsed():
                with self._lock:
                    item.begun = not item.claimed
                return item.begun
            if until == 0 and self.unbegun(item.key):
                return False
            if item.wait(0.1):
                return False

    def _claim(self, item: Item) -> bool:
        """Whoever claims it tells its outcome: it is told once."""
        with self._lock:
            claimed, item.claimed = item.claimed, True
        return not claimed

    def _tell(self, item: Item, outcome: Outcome) -> None:
        try:
            self._done(item.key, outcome)
        finally:
            with self._lock:
                self._live.pop(item.key, None)
                if self._closing:
                    self._over.notify_all()


def nobody(key: AttemptKey, outcome: Outcome) -> None:
    """The `done` of an executor that is not open."""
    _log.error("%s ended %s, and nobody listens", key, outcome.status)
