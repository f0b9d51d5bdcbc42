"""The engine with an executor that is done at once: what dispatch and wake-up are measured on. Not a table itself."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import check
from runner.clock import Clock, VirtualClock
from runner.core.event import Added, Settings
from runner.core.run import AttemptKey, Outcome, Status
from runner.engine import Engine, Hands, Partition
from runner.executors.base import Done, Found, Task
from runner.jobstores.base import JobStore
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import HOUR, SECOND, Moment, Span
from runner.service.memory import settle
from runner.spec import Call, JobSpec, Step
from runner.triggers.schedule import build

NOON: Moment = 1_800_014_400 * SECOND
SOURCE = "api:bench"
GOOD = Outcome(Status.SUCCEEDED)


class AtOnce:
    """An executor whose work is done before it began."""

    capacity = None

    def open(self, done: Done) -> None:
        self.done = done
        self.started = 0

    def start(self, task: Task) -> None:
        self.started += 1
        self.done(AttemptKey(task.run.key, task.state.id, task.state.attempt), GOOD)

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        return None

    def recover(self, tasks: Sequence[Task]) -> Found:
        return Found()

    def close(self, *, leave: bool = False) -> None:
        return None


@dataclass(slots=True)
class House:
    """An engine with one partition, open and leading."""

    engine: Engine
    partition: Partition
    store: JobStore
    clock: Clock

    def turn(self) -> None:
        """What is due, and its ends."""
        self.engine.turn()
        self.engine.turn()

    def second(self) -> None:
        """Let a second go by, on a virtual clock."""
        self.pass_(SECOND)

    def hour(self) -> None:
        self.pass_(HOUR)

    def pass_(self, span: Span) -> None:
        assert isinstance(self.clock, VirtualClock)
        self.clock.advance(span)

    def add(self, specs: Sequence[JobSpec]) -> None:
        for each in specs:
            self.engine.post(Added(each))
        self.engine.turn()
        settle()

    def stop(self, thread: threading.Thread) -> None:
        """Let nothing more become due, wait until what runs has ended and is written, and end the clock thread."""
        machine = self.partition.machine
        assert machine is not None
        self.engine.pause()
        patience = time.monotonic() + 30
        while machine.runs and time.monotonic() < patience:
            time.sleep(0.01)
        self.engine.end()
        thread.join()

    def close(self) -> None:
        self.store.close()


def house(store: JobStore, executor: AtOnce, clock: Clock | None = None) -> House:
    hands = Hands({"default": executor})
    clock = clock or VirtualClock(NOON)
    engine = Engine(hands, clock, poll_requests=None)
    partition = Partition(
        store,
        SOURCE,
        owner="bench",
        settings=Settings(),
        hands=hands,
        done=engine.done,
        elapsed=clock.elapsed,
    )
    store.open()
    hands.open(engine.done)
    engine.attach(partition)
    engine.turn()
    return House(engine, partition, store, clock)


def sqlite(directory: Path) -> SQLAlchemyJobStore:
    return SQLAlchemyJobStore(f"sqlite:///{directory / 'runner.db'}")


def jobs(count: int, schedule: str, name: str = "job") -> list[JobSpec]:
    """So many jobs that are due at the same moments."""
    step = Step("main", Call("builtins:print"))
    trigger = build(schedule, timezone="UTC", job_id=name, calendars={})
    return [JobSpec(f"{name}{number}", (step,), trigger, source=SOURCE) for number in range(count)]


def check_records(directory: Path, expected: int) -> None:
    """Each run is on record, once, ended well."""
    with closing(sqlite3.connect(directory / "runner.db")) as connection:
        good, different = connection.execute(
            "SELECT count(*), count(DISTINCT source || ' ' || job || ' ' || slot || ' ' || nonce) FROM runner_runs "
            "WHERE status = 'succeeded' AND started_at IS NOT NULL AND ended_at IS NOT NULL"
        ).fetchone()
        (all_of_them,) = connection.execute("SELECT count(*) FROM runner_runs").fetchone()
    check(
        good == different == all_of_them == expected,
        f"{expected} runs were dispatched, and {good} of {all_of_them} are on record as ended well",
    )
