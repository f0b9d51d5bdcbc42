"""A greenlet that does not yield holds up greenlets, and no decision: rows are written, processes start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.history import history_of
from runner.jobstores.urls import store_of
from tests.jobstores import store_servers
from tests.waiting import wait_until

PROGRAM = Path(__file__).with_name("busy_greenlet_program.py")
LENDING = Path(__file__).with_name("lent_client_program.py")
PATIENCE = 60.0
"""Seconds; the program itself waits longer than all of its test's waits together."""
SOME = 4
"""How many times of a job have to come, one after another, to show that they come."""


class Program:
    def __init__(self, when: str, where: Path, url: str) -> None:
        self.where = where
        self.store = store_of(url)
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), when, str(where), url],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def says(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{word}\n"

    def claimed(self, job: str) -> int:
        """How many times of a job are on record as begun: another process sees them."""
        runs = history_of(self.store).runs(source="api:default", job=job, limit=10_000)
        return sum(run.started_at is not None for run in runs)

    def ran(self, job: str) -> int:
        return len((self.where / job).read_text().splitlines())


@pytest.fixture
def url(kind: str, tmp_path: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/jobs.db"
        return
    with getattr(store_servers, kind)() as url:
        yield str(url)


@pytest.mark.parametrize(
    ("patched", "kind"),
    [
        ("before", "sqlite"),
        ("after", "sqlite"),
        ("never", "sqlite"),
        ("before", "postgresql"),
        ("before", "redis"),
    ],
)
def test_it_holds_up_no_decision(patched: str, url: str, tmp_path: Path) -> None:
    program = Program(patched, tmp_path, url)
    try:
        program.says("busy")
        program.store.open()
        claimed = {job: program.claimed(job) for job in ("greenlet", "process")}
        done = {job: program.ran(job) for job in ("greenlet", "process")}
        # All of it while the greenlet goes on: it ends only when it is told to.
        wait_until(
            lambda: all(program.claimed(job) >= before + SOME for job, before in claimed.items()),
            patience=PATIENCE,
        )
        wait_until(lambda: program.ran("process") >= done["process"] + SOME, patience=PATIENCE)
        assert program.ran("greenlet") == done["greenlet"]
        (tmp_path / "enough").touch()
        program.says("free")
        wait_until(lambda: program.ran("greenlet") >= done["greenlet"] + SOME, patience=PATIENCE)
        (tmp_path / "over").touch()
        program.says("ended")
        assert program.process.wait(PATIENCE) == 0
    finally:
        program.process.kill()
        program.process.communicate()
        program.store.close()


def test_a_store_with_the_programs_client_stays_on_its_hub(tmp_path: Path) -> None:
    with store_servers.redis() as url:
        done = subprocess.run(
            [sys.executable, str(LENDING), url, str(tmp_path / "jobs.db")],
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "a store with a client of the program's own is added before the start" in done.stdout
