"""An engine turned by hand on a clock that is moved by hand, with a real store and an executor that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.clock import VirtualClock
from runner.core.action import Announce
from runner.core.event import Event, Settings
from runner.core.machine import Machine
from runner.core.run import AttemptKey, Outcome, Run, Status
from runner.engine import Engine, Hands, Partition
from runner.executors.base import Done, Found, Task
from runner.jobstores.base import JobStore
from runner.moment import SECOND, Moment, Span
from runner.spec import Command, JobSpec, Policy, Step
from runner.triggers.schedule import build

NOON: Moment = 1_800_014_400 * SECOND
SOURCE = "api:test"


@dataclass
class Threads:
    """An executor as a pool of threads is: what it has under way it knows, and nothing of what it has told.

    `marks`: it can tell what never began from what is gone, as one can that leaves marks on disk.
    """

    marks: bool = False
    capacity: int | None = None
    started: list[AttemptKey] = field(default_factory=list)
    live: set[AttemptKey] = field(default_factory=set)
    cancelled: list[tuple[AttemptKey, str]] = field(default_factory=list)
    recovering: Callable[[], None] = lambda: None

    def open(self, done: Done) -> None:
        self.done = done

    def start(self, task: Task) -> None:
        self.started.append(task.attempt)
        until = task.until()
        if until == 0:
            self.done(task.attempt, Outcome(Status.INTERRUPTED, error="the lead was lost"))
        else:
            self.live.add(task.attempt)

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        self.cancelled.append((attempt, reason))

    def recover(self, tasks: Sequence[Task]) -> Found:
        self.recovering()
        keys = frozenset(task.attempt for task in tasks)
        alive = keys & self.live
        gone = keys - alive
        return Found(alive=alive, gone=gone & set(self.started) if self.marks else gone)

    def close(self, *, leave: bool = False) -> None:
        return None

    def end(self, attempt: AttemptKey, outcome: Outcome) -> None:
        self.live.discard(attempt)
        self.done(attempt, outcome)


@dataclass
class Speaker:
    """A host for which nobody else speaks."""

    name: str

    def take(self) -> bool:
        return True

    def give(self) -> None: ...


class Rig:
    """An engine with the partition of a store."""

    def __init__(
        self, store: JobStore, *, owner: str = "me", clock: VirtualClock | None = None, host: str = ""
    ) -> None:
        self.clock = clock or VirtualClock(NOON)
        self.executor = Threads()
        self.heard: list[Announce] = []
        self.hands = Hands({"default": self.executor}, announce=self.heard.append)
        self.engine = Engine(self.hands, self.clock, poll_requests=None)
        self.hands.open(self.engine.done)
        partition = Partition(
            store,
            SOURCE,
            owner=owner,
            settings=Settings(host=host),
            host=Speaker(host) if host else None,
            hands=self.hands,
            done=self.engine.done,
            elapsed=self.clock.elapsed,
        )
        store.open()
        self.engine.attach(partition)

    def partition(self) -> Partition:
        assert self.engine.partition is not None
        return self.engine.partition

    @property
    def machine(self) -> Machine:
        machine = self.partition().machine
        assert machine is not None
        return machine

    def post(self, *events: Event) -> None:
        for event in events:
            self.engine.post(event)
        self.engine.turn()

    def later(self, span: Span) -> None:
        self.clock.advance(span)
        self.engine.turn()

    def until(self, true: Callable[[], bool], *, every: Span = SECOND // 4, most: int = 400) -> None:
        """Turn, moving the clock on, until something is so."""
        for _ in range(most):
            if true():
                return
            self.later(every)
        raise AssertionError("it never came true")

    def names(self) -> list[str]:
        return [announce.name for announce in self.heard]

    def ended(self) -> list[Run]:
        return [announce.value for announce in self.heard if announce.name == "run.ended"]


def job(id: str = "tick", schedule: str = "* * * * *", **policy: Any) -> JobSpec:
    trigger = build(schedule, timezone="UTC", job_id=id, calendars={})
    steps = (Step("main", Command(script="true")),)
    return JobSpec(id, steps, trigger, policy=Policy(**policy), source=SOURCE)


def good() -> Outcome:
    return Outcome(Status.SUCCEEDED, exit_code=0)
