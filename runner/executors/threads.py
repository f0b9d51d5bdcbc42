"""Work in threads of this process: quick to start, and nothing can stop it from outside."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from runner.clock import Clock
from runner.core.run import AttemptKey, Outcome, Status
from runner.executors.base import Done, Until, always
from runner.executors.calls import said

_log = logging.getLogger("runner.executors")


LEAVE = 1.0
"""Seconds that threads are given to be gone, all together."""
_LOOK = 0.1
"""Seconds after which is looked again whether what a program waits for at its end was given up."""


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
        self._set = False
        self._event = None
        self.key = key
        self.function = function
        self.until = until
        self.begun = False
        self.claimed = False
        """Whether somebody tells its outcome, or has told it, or nobody ever will."""


class Threads:
    """At most `most` daemon threads, made as they are needed. What is not begun waits.

    One thread at a time is on its way to what waits; once it is there, and before it begins, it calls the next. So
    functions that wait for something are under way at once, and of those that do not one thread makes many in a row:
    a thread that is woken to find nothing left costs more than they do.

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
        self._waiting: deque[Item] = deque()
        self._live: dict[AttemptKey, Item] = {}
        """Those whose outcome is still to be told."""
        self._unbegun: set[AttemptKey] = set()
        """Those that never began, for the lead was lost; of each lead no more than were told to begin at once."""
        self._threads: list[threading.Thread] = []
        self._asleep: list[threading.Lock] = []
        """What wakes each thread that has nothing to do; who fell asleep last is woken first."""
        self._called = False
        """Whether a thread is on its way to what waits."""
        self._beginning = 0
        """Threads that came, and are still in `begin`."""
        self._at_work: dict[int, AttemptKey] = {}
        """What each thread works at, or has worked at last."""
        self._lock = threading.Lock()
        self._over = threading.Condition(self._lock)
        self._given_up: set[AttemptKey] = set()
        """Whose timeout has come, while a thread works on at them."""
        self.finished = False
        """Whether the program ends, and nothing more begins here."""
        self._closing = False
        self._closed = False
        self._number = itertools.count(1)

    def start(self, key: AttemptKey, function: Function, until: Until = always) -> None:
        self.start_all((Item(key, function, until),))

    def start_all(self, items: Sequence[Item]) -> None:
        """Begin them in order; RuntimeError, and none was begun, where not even one thread can be made."""
        if not items:
            return
        with self._lock:
            if not self._threads:
                self._add_thread()
            live = self._live
            for item in items:
                live[item.key] = item
                if self._unbegun:
                    self._unbegun.discard(item.key)
            self._waiting.extend(items)
            if not self._called:
                self._call()

    def own(self) -> AttemptKey | None:
        """The attempt that the caller is part of, where it is in one of these threads."""
        return self._at_work.get(threading.get_ident())

    def resize(self, most: int) -> None:
        """More from now on; fewer only when the process starts again."""
        with self._lock:
            self._most = max(self._most, most)
            if self._waiting and not self._called:
                self._call()

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
            self._given_up = {key, *self._given_up.intersection(list(self._at_work.values()))}
            self._tell(item, Outcome(Status.TIMED_OUT, error="given up after its timeout"))
        else:
            self._tell(item, Outcome(Status.CANCELLED, error=f"given up: {reason}"))

    def close(self, *, wait: bool) -> None:
        """Begin nothing more. `wait`: for what runs and waits, and until the threads are gone, but a second at most for
        one that works on at what was given up. Else all of it is told as cancelled, and so is at the end of the
        program what never began."""
        if self.finished:
            wait = False
        if wait:
            with self._over:
                self._closing = True
                self._over.wait_for(lambda: not self._live)
        else:
            for key in list(self._live):
                self.cancel(key, "shutdown")
        with self._lock:
            self._closed = True
            while self._asleep:
                self._asleep.pop().release()
        if wait:
            for thread in self._threads:
                if thread is not threading.current_thread():
                    thread.join(LEAVE / len(self._threads))

    def finish(self) -> None:
        """The program ends: begin nothing more, and wait for what is under way, but not for what was given up."""
        with self._lock:
            self._waiting.clear()
            self._waiting = deque(maxlen=0)
            self.finished = self._closed = True
            while self._asleep:
                self._asleep.pop().release()
        for thread in list(self._threads):
            # It may be given up only while it is waited for.
            while thread is not threading.current_thread() and thread.is_alive():
                if self._at_work.get(thread.ident or 0) in self._given_up:
                    break
                thread.join(_LOOK)

    def _call(self) -> None:
        """Have one more thread come, if there is one; whoever calls holds the lock."""
        if self._asleep:
            self._called = True
            self._asleep.pop().release()
        elif len(self._threads) < self._most and len(self._waiting) > self._beginning:
            # Where the system gives no more, those there are come to it.
            with contextlib.suppress(RuntimeError):
                self._add_thread()

    def _add_thread(self) -> None:
        """One more, on its way; RuntimeError where the system gives none."""
        name = f"{self._name}-{next(self._number)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)
        self._called = True

    def _work(self) -> None:
        if self._begin is not None:
            self._begin_thread(self._begin)
        me, bell = threading.get_ident(), threading.Lock()
        bell.acquire()
        called = True
        while (item := self._next(bell, called)) is not None:
            called = False
            if not item.is_set():
                self._at_work[me] = item.key
                self._do(item)
            # Whoever waits keeps nothing alive.
            del item
        self._at_work.pop(me, None)

    def _begin_thread(self, begin: Callable[[], object]) -> None:
        """That may take long: others are called meanwhile, as many as there is work for."""
        with self._lock:
            self._called = False
            self._beginning += 1
            if self._waiting:
                self._call()
        try:
            begin()
        except BaseException:
            # SystemExit, too: the place would be gone for good, with nobody to come to what waits.
            _log.exception("the initializer of a worker thread failed; it works all the same")
        finally:
            with self._lock:
                self._beginning -= 1

    def _next(self, bell: threading.Lock, called: bool) -> Item | None:
        """What waits longest; None at the end. `called`: the caller is the one that was on its way."""
        waiting = self._waiting
        while True:
            with self._lock:
                if called:
                    self._called = False
                if waiting:
                    item = waiting.popleft()
                    if waiting and not self._called:
                        self._call()
                    return item
                if self._closed:
                    return None
                self._asleep.append(bell)
            bell.acquire()
            called = True

    def _do(self, item: Item) -> None:
        outcome = self._outcome(item)
        if outcome is not None and self._claim(item):
            self._tell(item, outcome)

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
            self._live.pop(item.key, None)
            # Looked at after that: whoever closes says so first, and looks at those that live then.
            if self._closing:
                with self._lock:
                    self._over.notify_all()


def nobody(key: AttemptKey, outcome: Outcome) -> None:
    """The `done` of an executor that is not open."""
    _log.error("%s ended %s, and nobody listens", key, outcome.status)
