"""What is old goes at once where the disk becomes nearly full, and output of it even where the database is stuck."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runner import config
from runner.clock import SystemClock
from runner.core.action import Save
from runner.core.run import AttemptKey, Job, Run, RunKey, Status, StepRun
from runner.errors import StoreError, StoreFull
from runner.executors.output import path_of
from runner.executors.room import Room
from runner.history import History
from runner.jobstores.retention import Purged
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import HOUR, SECOND
from runner.service import housekeeping
from runner.service.house import House
from runner.service.housekeeping import Housekeeper, tidy
from tests.waiting import wait_until

JOBS = "jobs:\n  talk:\n    run: echo hello\n    retention: {runs: 2, logs: 150m}\n"


class Kept:
    """A state directory with five runs of a job that keeps two, an hour apart, each with its output."""

    def __init__(self, directory: Path) -> None:
        file = directory / "jobs.yaml"
        file.write_text(JOBS)
        self.clock = SystemClock()
        self.config = config.load([file])
        (spec,) = self.config.jobs
        self.state = directory / "state"
        self.store = SQLAlchemyJobStore(f"sqlite:///{directory / 'runner.db'}")
        self.store.open()
        now = self.clock.now()
        self.output: list[Path] = []
        runs: list[Run] = []
        for number in range(5):
            at = now - number * HOUR
            key = RunKey(spec.key, at)
            step = StepRun("main", status=Status.SUCCEEDED, attempt=1, started_at=at, ended_at=at)
            runs.append(
                Run(
                    key,
                    spec,
                    Status.SUCCEEDED,
                    created_at=at,
                    started_at=at,
                    ended_at=at,
                    steps={"main": step},
                )
            )
            log = path_of(self.state, AttemptKey(key, "main", 1))
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_bytes(b"hello\n")
            os.utime(log, (at / SECOND, at / SECOND))
            self.output.append(log)
        self.store.write([Save(Job(spec)), *map(Save, runs)])

    @property
    def runs(self) -> int:
        return len(History(self.store.engine).runs())


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_what_is_old_is_forgotten_as_the_disk_becomes_nearly_full(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_FIRST", 3600.0)
    room = Room(kept.state, kept.clock, keep_free=0)
    place = SimpleNamespace(state=kept.state)
    house: Any = SimpleNamespace(store=kept.store, place=place, config=kept.config, room=room)
    keeper = Housekeeper(cast(House, house), kept.clock)
    keeper.open()
    try:
        assert not room.short()
        assert kept.runs == 5
        room.keep_free = 1 << 60
        wait_until(room.short)
        wait_until(lambda: kept.runs == 2)
        wait_until(lambda: [log.exists() for log in kept.output] == [True, True, False, False, False])
    finally:
        keeper.close()
        kept.store.close()


def test_output_goes_also_where_nothing_can_be_deleted_from_the_database(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> Purged:
        raise StoreFull("the disk is full")

    monkeypatch.setattr(kept.store, "purge", full)
    with pytest.raises(StoreError, match="the disk is full"):
        tidy(kept.store, kept.state, kept.clock, kept.config)
    assert kept.runs == 5
    # Older than its two and a half hours.
    assert [log.exists() for log in kept.output] == [True, True, True, False, False]
    kept.store.close()
