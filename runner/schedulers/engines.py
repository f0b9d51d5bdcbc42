"""An engine for each store of a scheduler, each with a clock thread of its own.

A store that hangs, or takes long, holds up its own jobs and no others: nothing that decides waits for two stores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from functools import partial

from runner.clock import Clock
from runner.core.event import Event, Settings
from runner.core.run import AttemptKey, Outcome
from runner.engine import Engine, Hands, Partition
from runner.moment import Moment

_PATIENCE = 30.0
"""Seconds that a clock thread has to come to a call."""


class Engines:
    """Made and ended by whoever owns the stores; everything else may be called from anywhere."""

    def __init__(self, hands: Hands, clock: Clock, *, daemon: bool) -> None:
        self._hands = hands
        self._clock = clock
        self._daemon = daemon
        self._engines: dict[str, Engine] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._paused = False

    @property
    def each(self) -> Mapping[str, Engine]:
        """By the alias of their store, as they are now."""
        return self._engines.copy()

    def of(self, alias: str) -> Engine:
        """The one of a store; KeyError where there is no such store."""
        return self._engines[alias]

    def partition(self, alias: str) -> Partition:
        """What a store's engine turns; KeyError where there is no such store."""
        return self._engines[alias].partitions[alias]

    def find(self, alias: str) -> Partition | None:
        """As `partition`; None where there is no such store."""
        engine = self._engines.get(alias)
        return engine.partitions.get(alias) if engine is not None else None

    @property
    def partitions(self) -> list[Partition]:
        return [partition for engine in self.each.values() for partition in engine.partitions.values()]

    def make(self, alias: str) -> Engine:
        """One more; it turns by itself only from `begin` on."""
        engine = self._engines[alias] = Engine(self._hands, self._clock, poll_requests=None)
        if self._paused:
            engine.pause()
        return engine

    def begin(self, alias: str) -> None:
        """Give it its clock thread."""
        thread = threading.Thread(target=self._engines[alias].run, name="runner-clock", daemon=self._daemon)
        self._threads[alias] = thread
        thread.start()

    def remove(self, alias: str) -> None:
        """Give the lead of a store back, and end its engine. Runs of it go on, their ends are told to nobody."""

        def detach(engine: Engine, now: Moment) -> None:
            partition = engine.detach(alias)
            del self._engines[alias]
            partition.release()

        engine = self._engines[alias]
        _call([engine], detach)
        self._end({alias: engine})

    # ── what all of them are told ───────────────────────────────────────────────────────────

    @property
    def here(self) -> bool:
        """Whether the caller is on a clock thread, or stands in the place of one."""
        return any(engine.on_clock_thread for engine in self.each.values())

    def done(self, attempt: AttemptKey, outcome: Outcome) -> None:
        """An executor's word on an attempt."""
        engine = self._engines.get(attempt.run.job.store)
        if engine is not None:
            engine.done(attempt, outcome)

    def post(self, event: Event, alias: str) -> None:
        """Say what happened to a store, if it is still there."""
        engine = self._engines.get(alias)
        if engine is not None:
            engine.post(event, alias)

    def pause(self) -> None:
        """Nothing new becomes due until `resume`."""
        self._paused = True
        for engine in self.each.values():
            engine.pause()

    def resume(self) -> None:
        self._paused = False
        for engine in self.each.values():
            engine.resume()

    def poke(self) -> None:
        """Look at once whether something is due or asked for."""
        for engine in self.each.values():
            engine.poke()

    def configure(self, settings: Settings) -> None:
        """Other capacities from now on."""
        for engine in self.each.values():
            engine.configure(settings)

    def stop(self) -> None:
        """Begin nothing any more. TimeoutError where a clock thread does not come to it."""
        _call(self.each.values(), _stop)

    def end(self, *, wait: bool = True) -> None:
        """End them and their threads; what is in their inboxes is still handled."""
        self._end(self.each, wait=wait)

    def join(self) -> None:
        """Wait for the threads of those that were ended."""
        for thread in list(self._threads.values()):
            thread.join()

    def _end(self, engines: Mapping[str, Engine], *, wait: bool = True) -> None:
        for engine in engines.values():
            engine.end()
        if not wait:
            return
        for alias in engines:
            thread = self._threads.pop(alias, None)
            if thread is not None and thread is not threading.current_thread():
                thread.join(_PATIENCE)


def _stop(engine: Engine, now: Moment) -> None:
    for partition in engine.partitions.values():
        partition.stop(now, cancel=False)


def _call(engines: Iterable[Engine], function: Callable[[Engine, Moment], None]) -> None:
    """Call it on the clock thread of each, and wait for all but the one the caller is on. TimeoutError."""
    calls: list[Future[None]] = []
    for engine in engines:
        called: Future[None] = Future()
        engine.call(partial(_answered, function, engine, called))
        if not engine.on_clock_thread:
            calls.append(called)
    if wait(calls, _PATIENCE).not_done:
        raise TimeoutError


def _answered(
    function: Callable[[Engine, Moment], None], engine: Engine, called: Future[None], now: Moment
) -> None:
    try:
        function(engine, now)
    finally:
        called.set_result(None)
