"""Coroutine functions on Twisted's reactor, plain functions in its thread pool."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

from twisted.internet import defer

from runner.clock import Clock
from runner.core.run import AttemptKey, Outcome
from runner.executors.calls import call
from runner.executors.inside import AGAIN, Inside, Place, Stop, awaited, called, is_coroutine
from runner.spec import Call


class TwistedExecutor(Inside):
    """A coroutine may await Deferreds; a stopped one gets `CancelledError` where it waits."""

    def __init__(self, reactor: Any = None, max_workers: int = 10, *, clock: Clock | None = None) -> None:
        super().__init__(max_workers, clock=clock)
        self._reactor = reactor
        self._at_work: dict[int, AttemptKey] = {}
        """By the thread of the reactor's pool."""

    def bind(self, reactor: Any) -> None:
        """The scheduler's reactor, where none was given."""
        if self._reactor is None:
            self._reactor = reactor

    def _post(self, function: Stop) -> None:
        self._the_reactor().callFromThread(function)

    def _the_reactor(self) -> Any:
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        return self._reactor

    def _guarded(self, place: Place, key: AttemptKey, work: Call) -> None:
        if is_coroutine(work):
            super()._guarded(place, key, work)
            return
        if self._places.get(key) is not place:
            return
        # It begins in a thread, where it may have to wait for one: there is looked whether it may.
        pool = self._the_reactor().getThreadPool()
        pool.callInThreadWithCallback(partial(self._returned, key), self._call, place, key, work)
        # A thread cannot be stopped: it is given up, and its word is then ignored.
        self._stoppable(key, lambda: self._ended(key, self._stopped(key)))

    def _begin(self, key: AttemptKey, work: Call) -> None:
        deferred = defer.ensureDeferred(awaited(called(work), self._clock))
        deferred.addCallbacks(
            partial(self._finished, key), lambda failure: self._ended(key, self._stopped(key))
        )
        self._stoppable(key, deferred.cancel)

    def own(self) -> AttemptKey | None:
        return self._at_work.get(threading.get_ident())

    def _call(self, place: Place, key: AttemptKey, work: Call) -> Outcome | None:
        while (begins := self._admitted(place, key)) is None:
            time.sleep(AGAIN)
        if not begins:
            return None
        me = threading.get_ident()
        self._at_work[me] = key
        try:
            return call(work, self._clock)
        finally:
            del self._at_work[me]

    def _finished(self, key: AttemptKey, outcome: Outcome) -> None:
        # What was cancelled and raised for that is stopped, not failed.
        asked = key in self._reasons and not outcome.status.good
        self._ended(key, self._stopped(key) if asked else outcome)

    def _returned(self, key: AttemptKey, good: bool, result: Any) -> None:
        if not good:
            self._ended(key, self._stopped(key))
        elif isinstance(result, Outcome):
            self._ended(key, result)
