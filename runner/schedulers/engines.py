"""An engine for each store of a scheduler, each with a clock thread of its own.

A store that hangs, or takes long, holds up its own jobs and no others: nothing that decides waits for two stores.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from functools import partial

from runner.clock import Clock
from runner.core.event import Event, Settings
from runner.core.machine import Machine
from runner.core.run import AttemptKey, Outcome
from runner.engine import Engine, Hands, Partition
from runner.moment import Moment

log = logging.getLogger("runner.scheduler")

_PATIENCE = 30.0
"""Seconds that a clock thread has to come to a call."""
_MOMENT = 5.0
"""Seconds it has where the program ends: a slow store and a busy machine are waited for, a store that hangs is not."""


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

    def engine(self, alias: str) -> Engine | None:
        """As `of`; None where there is no such store."""
        return self._engines.get(alias)

    def find(self, alias: str) -> Partition | None:
        """What a store's engine turns; None where there is no such store."""
        engine = self._engines.get(alias)
        return engine.partition if engine is not None else None

    @property
    def partitions(self) -> list[Partition]:
        return [engine.partition for engine in self.each.values() if engine.partition is not None]

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

    def remove(self, alias: str, last: Callable[[], object]) -> None:
        """Give the lead of a store back, and end its engine. Runs of it go on, their ends are told to nobody.

        `last` is called when nothing of it is under way any more: late, where the store hangs, and not waited for then.
        """
        engine, thread = self._engines[alias], self._threads.pop(alias, None)
        left = self._leave(alias, engine, last)
        # Told by which engine it is: another store may be there by this name before a late one comes to its end.
        if self._engines.get(alias) is engine:
            del self._engines[alias]
        if wait([left], 0 if engine.on_clock_thread else _PATIENCE).not_done:
            if not engine.on_clock_thread:
                _hangs(alias)
        elif thread is not None:
            thread.join(_PATIENCE)

    def _leave(self, alias: str, engine: Engine, last: Callable[[], object]) -> Future[None]:
        """Have its clock thread give the lead back and end, whenever it comes to that."""

        def leave(engine: Engine, now: Moment) -> None:
            engine.end()
            engine.detach().release()
            last()

        return _called(engine, leave)

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
            engine.post(event)

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

    def stop(self, last: Callable[[str], object]) -> None:
        """Begin nothing any more.

        A store that hangs is left to its clock thread, which is not waited for; `last` is called with its alias at the
        end of that.
        """
        called = {_called(engine, _stop): alias for alias, engine in self.each.items()}
        others = [call for call, alias in called.items() if not self._engines[alias].on_clock_thread]
        for call in wait(others, _PATIENCE).not_done:
            alias = called[call]
            _hangs(alias)
            self._threads.pop(alias, None)
            self._leave(alias, self._engines.pop(alias), partial(last, alias))

    def hold(self) -> None:
        """The program ends: begin nothing any more. What runs goes on, and its end is written; what waits is kept."""
        wait([_called(engine, _stop) for engine in self._turning()], _MOMENT)

    def settle(self) -> None:
        """Return when what the executors have told is written."""
        wait([engine.ask(_no_events) for engine in self._turning() if _leads(engine)], _MOMENT)

    def _turning(self) -> list[Engine]:
        """Those whose clock thread will come to what it is told."""
        threads = [(alias, thread) for alias, thread in self._threads.items() if alias in self._engines]
        return [self._engines[alias] for alias, thread in threads if thread.is_alive()]

    def end(self, *, wait: bool = True) -> None:
        """End them and their threads; what is in their inboxes is still handled."""
        for engine in self.each.values():
            engine.end()
        if not wait:
            return
        for alias in self.each:
            thread = self._threads.pop(alias, None)
            if thread is not None and thread is not threading.current_thread():
                thread.join(_PATIENCE)

    def join(self) -> None:
        """Wait for the threads of those that were ended."""
        for thread in list(self._threads.values()):
            thread.join()


def _no_events(machine: Machine, now: Moment) -> tuple[()]:
    return ()


def _leads(engine: Engine) -> bool:
    return engine.partition is not None and engine.partition.leading


def _stop(engine: Engine, now: Moment) -> None:
    if engine.partition is not None:
        engine.partition.stop(now, cancel=False)


def _called(engine: Engine, function: Callable[[Engine, Moment], None]) -> Future[None]:
    """Call it on the engine's clock thread; done when it has returned, or raised what the log then shows."""
    called: Future[None] = Future()

    def answered(now: Moment) -> None:
        try:
            function(engine, now)
        finally:
            called.set_result(None)

    engine.call(answered)
    return called


def _hangs(alias: str) -> None:
    log.warning("the store %r does not answer; it is left alone, and its lead given back when it does", alias)
