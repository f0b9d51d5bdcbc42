"""Coroutine functions as tasks of an event loop, plain functions in threads beside it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

from runner.clock import Clock
from runner.core.run import AttemptKey, Outcome
from runner.executors.base import Done, Task
from runner.executors.inside import Inside, Stop, awaited, called, is_coroutine
from runner.spec import Call


class AsyncIOExecutor(Inside):
    """Uses the loop it is given, else that of its scheduler, else one in a thread of its own."""

    def __init__(
        self,
        event_loop: asyncio.AbstractEventLoop | None = None,
        max_workers: int = 10,
        *,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(max_workers, clock=clock)
        self._loop = event_loop
        self._own = False
        self._tasks: set[asyncio.Task[None]] = set()

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """The scheduler's loop, where none was given."""
        if self._loop is None or self._loop.is_closed():
            self._loop = loop

    def open(self, done: Done) -> None:
        super().open(done)
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._own, self.on_host = True, False
            threading.Thread(target=self._turn, name="runner-coroutines", daemon=True).start()

    def close(self, *, leave: bool = False) -> None:
        super().close(leave=leave)
        if self._own and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop, self._own = None, False

    def _shut(self, key: AttemptKey) -> Outcome:
        outcome = super()._shut(key)
        if key in self._places:
            return outcome
        # What is raised in it as soon as the loop turns: to whoever listens that is how it ends.
        return replace(outcome, exception=asyncio.CancelledError())

    def _turn(self) -> None:
        loop = self._loop
        assert loop is not None
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def _post(self, function: Stop) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function)

    def start(self, task: Task) -> None:
        work = task.step.work
        if isinstance(work, Call) and not is_coroutine(work):
            # A busy loop does not hold up what does not need it.
            self._in_thread(task, work)
        else:
            super().start(task)

    def _begin(self, key: AttemptKey, work: Call) -> None:
        assert self._loop is not None
        task = self._loop.create_task(self._run(key, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._stoppable(key, task.cancel)

    async def _run(self, key: AttemptKey, work: Call) -> None:
        try:
            outcome = await awaited(called(work), self._clock)
        except asyncio.CancelledError:
            self._ended(key, self._stopped(key))
            raise
        self._ended(key, outcome)
