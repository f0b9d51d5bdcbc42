"""What executors share whose functions run inside a program's own loop: asyncio, gevent, Tornado, Twisted, Qt."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from runner.clock import Clock, SystemClock
from runner.core.run import AttemptKey, Outcome, Status
from runner.errors import ExecutorError
from runner.executors import finishing
from runner.executors.base import Done, Found, Task, Until
from runner.executors.calls import call, outputs_of, resolve, said
from runner.executors.threads import Threads
from runner.moment import Moment
from runner.spec import Call

Stop = Callable[[], object]

AGAIN = 0.1
"""Seconds after which is looked again whether the lead is still there, where that is not sure."""


class Place:
    """An attempt's place in the loop's queue. One that is left and taken again is another place."""

    __slots__ = ("until",)

    def __init__(self, until: Until) -> None:
        self.until = until


class Inside:
    """Begun on the loop by `_begin`, told once by `_ended`. Plain functions may go to threads beside the loop."""

    on_host = True
    """Its runs end only while the host's loop turns: who blocks the loop cannot wait for them."""

    def __init__(self, max_workers: int = 10, *, clock: Clock | None = None) -> None:
        self.capacity: int | None = None
        self._clock = clock or SystemClock()
        self._max_workers = int(max_workers)
        self._lock = threading.Lock()
        self._stops: dict[AttemptKey, Stop] = {}
        self._reasons: dict[AttemptKey, str] = {}
        self._places: dict[AttemptKey, Place] = {}
        """Of those that have not begun."""
        self._unbegun: set[AttemptKey] = set()
        """Those that never began, for the lead was lost; of each lead no more than were told to begin at once."""
        self._telling: set[AttemptKey] = set()
        """Those that are over, and whose outcome is just being told."""
        self._done: Done = _nobody
        self._threads: Threads | None = None

    def open(self, done: Done) -> None:
        self._done = done
        self._threads = Threads("runner-worker", self._max_workers, self._clock, done)
        finishing.wait_for(self._threads)

    def start(self, task: Task) -> None:
        work = task.step.work
        if not isinstance(work, Call):
            raise ExecutorError(
                f"{type(self).__name__} runs Python functions, not {type(work).__name__} steps"
            )
        place = Place(task.until)
        with self._lock:
            self._stops[task.attempt] = _nothing
            self._places[task.attempt] = place
            self._unbegun.discard(task.attempt)
        try:
            self._post(functools.partial(self._guarded, place, task.attempt, work))
        except BaseException:
            with self._lock:
                self._stops.pop(task.attempt, None)
                self._places.pop(task.attempt, None)
            raise

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        if self._threads is not None and self._threads.knows(attempt):
            self._threads.cancel(attempt, reason)
            return
        with self._lock:
            stop = self._stops.get(attempt)
            if stop is None:
                return
            self._reasons[attempt] = reason
        self._post(stop)

    def own(self) -> AttemptKey | None:
        """The attempt in whose thread beside the loop the caller is."""
        return self._threads.own() if self._threads is not None else None

    @property
    def finished(self) -> bool:
        """Whether the program ends: no loop turns any more, and what its threads were amid is over."""
        return self._threads is not None and self._threads.finished

    def recover(self, tasks: Sequence[Task]) -> Found:
        """What was begun in an earlier process is gone; what this one has under way goes on."""
        keys = frozenset(task.attempt for task in tasks)
        keys -= {key for key in keys if self._never_begins(key)}
        with self._lock:
            alive = frozenset(key for key in keys if self._knows(key))
        return Found(alive=alive, gone=keys - alive)

    def _knows(self, key: AttemptKey) -> bool:
        known = key in self._stops or key in self._telling
        return known or (self._threads is not None and self._threads.knows(key))

    def close(self, *, leave: bool = False) -> None:
        """What is on the loop is stopped, and told as cancelled at once: the loop may never turn again."""
        for key, stop in list(self._stops.items()):
            self._ended(key, self._shut(key))
            try:
                self._post(stop)
            except Exception:
                continue
        if self._threads is not None:
            self._threads.close(wait=not leave)

    # ── for the kinds ───────────────────────────────────────────────────────────────────────

    def _post(self, function: Stop) -> None:
        """Have it called on the loop, from any thread."""
        raise TypeError(f"{type(self).__name__} does not say where its loop is")

    def _begin(self, key: AttemptKey, work: Call) -> None:
        """Called on the loop: begin it, and see that `_ended` is told."""
        raise TypeError(f"{type(self).__name__} does not say how it begins")

    def _shut(self, key: AttemptKey) -> Outcome:
        """The outcome of what is stopped by the executor's end."""
        return stopped("shutdown")

    def _in_thread(self, task: Task, work: Call) -> None:
        """Call it in a thread beside the loop; a coroutine is run there in a loop of its own."""
        assert self._threads is not None
        self._threads.start(task.attempt, lambda cancelled: call(work, self._clock), task.until)

    def _stoppable(self, key: AttemptKey, stop: Stop) -> None:
        """From now on this stops it; at once where that was asked for already."""
        with self._lock:
            if key in self._stops:
                self._stops[key] = stop
            asked = key in self._reasons
        if asked:
            stop()

    def _guarded(self, place: Place, key: AttemptKey, work: Call) -> None:
        if self._places.get(key) is not place:
            return
        if key in self._reasons:
            self._ended(key, stopped(self._reasons[key]))
            return
        begins = self._admitted(place, key)
        if begins is None:
            again = threading.Timer(
                AGAIN, self._once_more, (functools.partial(self._guarded, place, key, work),)
            )
            again.daemon = True
            again.start()
        if not begins:
            return
        try:
            self._begin(key, work)
        except Exception as error:
            self._ended(key, failed(error, self._clock.now(), self._clock.now()))

    def _once_more(self, function: Stop) -> None:
        # Where the loop is gone, or closed, nobody waits for this any more.
        with contextlib.suppress(Exception):
            self._post(function)

    def _admitted(self, place: Place, key: AttemptKey) -> bool | None:
        """Whether it begins: its runner leads still, and nobody has taken its place away. None: not sure yet."""
        until = place.until()
        if until is not None and until <= self._clock.elapsed():
            if until == 0:
                self._leave(place, key)
            return None if self._places.get(key) is place else False
        with self._lock:
            there = self._places.get(key) is place
            if there:
                del self._places[key]
        return there

    def _never_begins(self, key: AttemptKey) -> bool:
        """Whether it has not begun, and never will: the lead under which it was to begin is lost. Nobody is told."""
        place = self._places.get(key)
        if place is not None:
            return place.until() == 0 and self._leave(place, key)
        return key in self._unbegun or (self._threads is not None and self._threads.unbegun(key))

    def _leave(self, place: Place, key: AttemptKey) -> bool:
        """Take its place away for good; False where it has begun, or is over, meanwhile."""
        with self._lock:
            if self._places.get(key) is not place:
                return key in self._unbegun
            del self._places[key]
            self._stops.pop(key, None)
            self._reasons.pop(key, None)
            self._unbegun.add(key)
        return True

    def _ended(self, key: AttemptKey, outcome: Outcome) -> None:
        with self._lock:
            self._places.pop(key, None)
            known = self._stops.pop(key, None)
            self._reasons.pop(key, None)
            if known is None:
                return
            self._telling.add(key)
        try:
            self._done(key, outcome)
        finally:
            with self._lock:
                self._telling.discard(key)

    def _stopped(self, key: AttemptKey) -> Outcome:
        """The outcome of what was stopped from outside."""
        return stopped(self._reasons.get(key, "shutdown"))


def is_coroutine(work: Call) -> bool:
    """Whether the function makes a coroutine; no, where there is no such function: calling it will say so."""
    try:
        function: Any = resolve(work.target)
    except (LookupError, ValueError):
        return False
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def called(work: Call) -> Any:
    """What the function returns: for a coroutine function the coroutine."""
    return resolve(work.target)(*work.args, **work.kwargs)


async def awaited(awaitable: Awaitable[Any], clock: Clock) -> Outcome:
    """The outcome of a coroutine; being cancelled is the caller's business."""
    started_at = clock.now()
    try:
        value = await awaitable
    except (Exception, SystemExit) as error:
        return failed(error, started_at, clock.now())
    return succeeded(value, started_at, clock.now())


def succeeded(value: Any, started_at: Moment, ended_at: Moment) -> Outcome:
    return Outcome(
        Status.SUCCEEDED,
        value=value,
        outputs=outputs_of(value, strict=False),
        started_at=started_at,
        ended_at=ended_at,
    )


def failed(error: BaseException, started_at: Moment, ended_at: Moment) -> Outcome:
    return Outcome(
        Status.FAILED,
        error=said(error),
        exception=error,
        traceback="".join(traceback.format_exception(error)),
        started_at=started_at,
        ended_at=ended_at,
    )


def stopped(reason: str) -> Outcome:
    if reason == "timeout":
        return Outcome(Status.TIMED_OUT, error="stopped after its timeout")
    return Outcome(Status.CANCELLED, error=f"stopped: {reason}")


def _nothing() -> None:
    """Stops what has not begun: `_guarded` sees the reason."""


def _nobody(key: AttemptKey, outcome: Outcome) -> None:
    raise ExecutorError(f"{key} ended {outcome.status}, and nobody listens")
