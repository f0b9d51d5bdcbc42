"""The library: jobs added through the programming interface, what one costs to keep, and runs of trivial functions."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import aps
from benchmarks.measure import Figure, Row, Table, check, directory, figure, times_rival
from runner.executors.base import Executor
from runner.executors.debug import DebugExecutor
from runner.executors.pool import ThreadPoolExecutor
from runner.jobstores.memory import MemoryJobStore
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.schedulers.background import BackgroundScheduler

FAR = datetime(2040, 1, 1)
_called: list[int] = []


def called() -> None:
    _called.append(1)


def run(quick: bool) -> Table:
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    rounds = 3 if quick else 5
    count = 2_000 if quick else 10_000
    few = 100 if quick else 300
    rows = [
        _added("added before the start, SQLite", count, few, rounds, durable=True, before=True, goal=50),
        _added("added one by one while it runs, SQLite", few, few, rounds, durable=True, before=False),
        _added("added before the start, memory", count, count, rounds, durable=False, before=True),
        _added("added one by one while it runs, memory", count, count, rounds, durable=False, before=False),
        _kept(count),
        _dispatched("thread pool of 10, memory", count, rounds, threads=True, goal=3),
        _dispatched("debug executor, memory", count, rounds, threads=False, goal=10),
    ]
    return Table(
        "Library",
        f"{count:,} interval jobs through `add_job`, read back and counted; on SQLite every figure ends when the jobs "
        "are on disk (ours: WAL, synchronous=FULL). The rival is APScheduler 3.11 as shipped, doing the same with "
        f"the same program; on SQLite with {few} jobs, for it takes the same time for each. Kept: what the process "
        "grew by (RSS) for each job of a memory store, in a process of its own. Runs: trivial functions, all due at "
        "one instant, from `resume` to the last call, each call counted.",
        rows,
    )


# ── adding ──────────────────────────────────────────────────────────────────────────────────


def _added(
    what: str, count: int, few: int, rounds: int, *, durable: bool, before: bool, goal: float | None = None
) -> Row:
    ours: list[float] = []
    rival: list[float] = []
    for _ in range(rounds):
        with directory() as where:
            ours.append(_add(_ours(where if durable else None), count, before))
        with directory() as where:
            rival.append(_add(_theirs(where if durable else None), few, before))
    return Row(
        what,
        figure(ours, "jobs/s"),
        rival=figure(rival, "jobs/s"),
        goals=() if goal is None else (times_rival(goal),),
    )


def _add(scheduler: Any, count: int, before: bool) -> float:
    if not before:
        scheduler.start(paused=True)
    began = time.perf_counter()
    for number in range(count):
        scheduler.add_job(called, "interval", hours=1, start_date=FAR, id=str(number))
    if before:
        scheduler.start(paused=True)
    took = time.perf_counter() - began
    there = {job.id for job in scheduler.get_jobs()}
    scheduler.shutdown()
    check(len(there) == count, f"{len(there)} of {count} jobs are there")
    return count / took


def _ours(where: Path | None, executor: Executor | None = None) -> BackgroundScheduler:
    store = SQLAlchemyJobStore(f"sqlite:///{where / 'runner.db'}") if where else MemoryJobStore()
    return BackgroundScheduler(
        jobstores={"default": store},
        executors={} if executor is None else {"default": executor},
        job_defaults={"misfire_grace_time": None},
        timezone="UTC",
    )


def _theirs(where: Path | None) -> Any:
    from apscheduler.jobstores.memory import MemoryJobStore as Memory
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore as Durable
    from apscheduler.schedulers.background import BackgroundScheduler as Scheduler

    store = Durable(url=f"sqlite:///{where / 'aps.db'}") if where else Memory()
    return Scheduler(jobstores={"default": store}, job_defaults={"misfire_grace_time": None}, timezone="UTC")


# ── keeping ─────────────────────────────────────────────────────────────────────────────────

_GROWTH = """
import sys
from datetime import datetime
from importlib import import_module
root, count = sys.argv[1], int(sys.argv[2])
scheduler = import_module(root + ".schedulers.background").BackgroundScheduler(timezone="UTC")
scheduler.start(paused=True)
def size():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
def add(first, last):
    for number in range(first, last):
        scheduler.add_job(print, "interval", hours=1, start_date=datetime(2040, 1, 1), args=[number], id=str(number))
add(0, 500)
before = size()
add(500, 500 + count)
print((size() - before) / count, len(scheduler.get_jobs()))
scheduler.shutdown()
"""


def _kept(count: int) -> Row:
    return Row(
        "kept per job", _growth("runner", count), rival=_growth("apscheduler", count), less_is_better=True
    )


def _growth(root: str, count: int) -> Figure:
    samples = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", _GROWTH, root, str(count)], capture_output=True, text=True, check=True
        )
        size, there = done.stdout.split()
        check(int(there) == count + 500, f"{there} jobs are there")
        samples.append(float(size))
    return figure(samples, "bytes")


# ── running ─────────────────────────────────────────────────────────────────────────────────


def _dispatched(what: str, count: int, rounds: int, *, threads: bool, goal: float) -> Row:
    from apscheduler.executors.debug import DebugExecutor as TheirDebug

    ours: list[float] = []
    rival: list[float] = []
    for _ in range(rounds):
        with _running(ThreadPoolExecutor(10) if threads else DebugExecutor()) as scheduler:
            ours.append(_dispatch(scheduler, count))
        rival.append(aps.dispatch(count, None, None if threads else TheirDebug()))
    return Row(what, figure(ours, "runs/s"), rival=figure(rival, "runs/s"), goals=(times_rival(goal),))


@contextmanager
def _running(executor: Executor) -> Iterator[BackgroundScheduler]:
    scheduler = _ours(None, executor)
    scheduler.start(paused=True)
    try:
        yield scheduler
    finally:
        scheduler.shutdown()


def _dispatch(scheduler: BackgroundScheduler, count: int) -> float:
    _called.clear()
    now, wait = datetime.now(UTC), threading.Event()
    for number in range(count):
        scheduler.add_job(called, "interval", hours=1, id=str(number), next_run_time=now)
    began = time.perf_counter()
    scheduler.resume()
    while len(_called) < count:
        wait.wait(0.005)
    took = time.perf_counter() - began
    check(len(_called) == count, f"{len(_called)} of {count} calls were made")
    return count / took
