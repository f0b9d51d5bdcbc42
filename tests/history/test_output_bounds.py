"""Output is forgotten by age, by bytes of a job, and by bytes of all; the newest stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.core.action import Save
from runner.core.run import AttemptKey, Job, Run, RunKey, Status, StepRun
from runner.executors import artifacts
from runner.executors.capture import HEAD, Log
from runner.executors.output import path_of, size
from runner.history import trim
from runner.history.output import remove
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import DAY, HOUR, SECOND, parse_iso
from runner.spec import Command, JobSpec, Policy, Retention, Step

NOW = parse_iso("2026-11-24T12:00:00Z")
MUCH = 1 << 40
KB = 1000


def spec(id: str, **retention: int) -> JobSpec:
    policy = Policy(retention=Retention(**retention))
    return JobSpec(id, (Step("load", Command(script="true")),), source="/jobs.yaml", policy=policy)


class House:
    def __init__(self, state: Path) -> None:
        self.state = state
        self.store = SQLAlchemyJobStore(f"sqlite:///{state / 'runner.db'}")
        self.store.open()

    def run(self, job: JobSpec, age: int, bytes: int, *, live: bool = False, attempts: int = 1) -> AttemptKey:
        """A run that ended `age` ago and printed so much in each of its attempts."""
        slot = NOW - age
        status = Status.RUNNING if live else Status.SUCCEEDED
        steps = {"load": StepRun("load", status=status, attempt=attempts)}
        run = Run(
            RunKey(job.key, slot), job, status, steps=steps, created_at=slot, ended_at=None if live else slot
        )
        self.store.write([Save(Job(job)), Save(run)])
        for number in range(1, attempts + 1):
            key = AttemptKey(run.key, "load", number)
            self.print(key, bytes, slot)
        return key

    def print(self, key: AttemptKey, bytes: int, at: int) -> None:
        log = Log(path_of(self.state, key))
        log.append(0, b"x" * bytes, at)
        log.close()
        name = path_of(self.state, key).name
        for path in (self.state / "logs").rglob("*"):
            if name in str(path) and path.is_file():
                os.utime(path, ns=(at * 1000, at * 1000))

    def has(self, key: AttemptKey) -> bool:
        return size(path_of(self.state, key)) > 0

    def trim(self, total: int = MUCH) -> tuple[int, int]:
        found = trim(self.store, self.state, NOW, total)
        return found.attempts, found.kept


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.store.close()


def test_by_age(house: House) -> None:
    job = spec("etl", logs=10 * DAY)
    old, young = house.run(job, 11 * DAY, KB), house.run(job, 9 * DAY, KB)
    live = house.run(job, 12 * DAY, KB, live=True)
    assert house.trim()[0] == 1
    assert [house.has(key) for key in (old, young, live)] == [False, True, True]
    assert house.trim()[0] == 0


def test_by_bytes_of_a_job(house: House) -> None:
    loud, other = spec("loud", bytes=3 * KB), spec("other")
    runs = [house.run(loud, number * HOUR, KB) for number in range(1, 6)]
    kept = house.run(other, 50 * HOUR, 100 * KB)
    house.trim()
    assert [house.has(key) for key in runs] == [
        True,
        True,
        False,
        False,
        False,
    ]  # an index stands beside each
    assert house.has(kept)


def test_by_bytes_of_all(house: House) -> None:
    keys = [house.run(spec(f"job{number}"), number * HOUR, 10 * KB) for number in range(1, 6)]
    live = house.run(spec("live"), 100 * HOUR, 10 * KB, live=True)
    _, kept = house.trim(31 * KB)
    assert kept <= 31 * KB
    assert [house.has(key) for key in keys] == [True, True, False, False, False]
    assert house.has(live)


def test_a_log_with_pieces_goes_whole(house: House) -> None:
    key = house.run(spec("etl", logs=DAY), 2 * DAY, 3 * HEAD)
    assert house.trim()[0] == 1
    assert not [path for path in (house.state / "logs").rglob("*") if path.is_file()]
    assert not house.has(key)


def test_what_nobody_knows_goes_with_age(house: House) -> None:
    house.run(spec("etl"), HOUR, KB)
    gone = AttemptKey(RunKey(spec("gone").key, NOW), "load", 1)
    late = AttemptKey(RunKey(spec("gone").key, NOW + 1), "load", 1)
    house.print(gone, KB, NOW - 31 * DAY)
    house.print(late, KB, NOW - 29 * DAY)
    house.trim()
    assert (house.has(gone), house.has(late)) == (False, True)


def test_output_and_artifacts_follow_their_run(house: House) -> None:
    job = spec("etl", runs=1)
    first = house.run(job, 2 * HOUR, KB, attempts=3)
    last = house.run(job, HOUR, KB)
    kept = artifacts.path_of(house.state, first) / "report.pdf"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"x" * KB)
    found = house.store.purge(NOW)
    assert len(found.attempts) == 3
    remove(house.state, found.attempts)
    assert not kept.exists()
    assert (house.has(first), house.has(last)) == (False, True)


def test_many_runs_of_one_slot_are_all_seen(house: House) -> None:
    job = spec("etl", logs=DAY)
    steps = {"load": StepRun("load", status=Status.SUCCEEDED, attempt=1)}
    slot = NOW - 2 * DAY
    house.store.write([Save(Job(job))])
    keys = []
    for number in range(450):
        key = RunKey(job.key, slot + number // 30 * SECOND, str(number))
        house.store.write(
            [Save(Run(key, job, Status.SUCCEEDED, steps=steps, created_at=slot, ended_at=slot))]
        )
        keys.append(AttemptKey(key, "load", 1))
        house.print(keys[-1], 10, NOW)
    assert house.trim()[0] == 0  # nothing on disk is old enough to look
    house.print(keys[0], 10, slot)
    assert house.trim()[0] == 450
