"""The hands that run a step: the protocol.

An executor decides nothing about retries, timeouts or order: the machine does, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, runtime_checkable

from runner.core.run import AttemptKey, Outcome, Run, StepRun
from runner.frozen import frozen
from runner.moment import Span
from runner.spec import Step, nothing

Done = Callable[[AttemptKey, Outcome], None]
"""Told exactly once per started attempt, from any thread; never of one that did not begin because its `until` was 0,
which `recover` then leaves out."""


Until = Callable[[], Span | None]
"""Until when an attempt may begin, by `Clock.elapsed`: 0 where it may not any more (another runner leads), None where
that lasts as long as the process. Asked again at the last moment, because a lead is renewed meanwhile."""


def always() -> None:
    """The lead ends with the process."""
    return None


@frozen
class Task:
    """What an executor is handed. `context` is what `${{ }}` may read, less secrets: those the hand looks up."""

    run: Run
    step: Step
    state: StepRun
    context: Mapping[str, Any] = field(default_factory=nothing)
    until: Until = always

    @property
    def attempt(self) -> AttemptKey:
        return AttemptKey(self.run.key, self.state.id, self.state.attempt)


@dataclass(frozen=True, slots=True)
class Found:
    """What recovery found of attempts an earlier process had started; see core.event.Started."""

    alive: frozenset[AttemptKey] = frozenset()
    ended: Mapping[AttemptKey, Outcome] = field(default_factory=dict)
    gone: frozenset[AttemptKey] = frozenset()


class Executor(Protocol):
    """Laws, checked by `runner.testing`'s contract suite: `start` returns at once; `done` is told exactly once
    per started attempt; nothing is ever raised into the engine (trouble is a failed Outcome). Where a scheduler has
    several stores, `start`, `cancel` and `recover` are called from a thread for each of them, at the same time."""

    @property
    def capacity(self) -> int | None:
        """How many attempts it takes at once; the machine keeps the others waiting. None: it queues by itself."""
        ...

    def open(self, done: Done) -> None:
        """Get ready; every outcome is told to `done`."""
        ...

    def start(self, task: Task) -> None: ...

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        """End it: stop signal, grace, kill. `reason` `timeout` makes the outcome timed_out, else cancelled."""
        ...

    def recover(self, tasks: Sequence[Task]) -> Found:
        """Look for attempts that an earlier process had started; those alive are taken over (`done` is told)."""
        ...

    def close(self, *, leave: bool = False) -> None:
        """End: what runs is stopped, or left for the next process where `leave` and the executor can."""
        ...


class MaxInstancesReachedError(Exception):
    """As many runs of the job are under way as it allows. Listeners hear of it; nothing in the house raises it."""

    def __init__(self, job: Any) -> None:
        super().__init__(
            f'Job "{job.id}" has already reached its maximum number of instances ({job.max_instances})'
        )


class TakesMany(Protocol):
    """An executor that is handed at once what begins at once. Law: trouble is each task's own outcome; nothing is
    raised, not even where the executor itself is at fault."""

    def start_all(self, tasks: Sequence[Task]) -> None: ...


@cache
def takes_many(kind: type) -> bool:
    """Whether a kind of executor takes many; not one with a `start` of its own and the rest inherited or passed on."""
    for each in kind.__mro__:
        if "start_all" in vars(each):
            return True
        if "start" in vars(each):
            return False
    return False


@runtime_checkable
class Keeps(Protocol):
    """An executor that keeps marks of its attempts on disk, so that recovery can tell what became of them."""

    def forget(self, run: Run) -> None:
        """The run's end is stored: what was kept of its attempts may go. Returns at once."""
        ...
