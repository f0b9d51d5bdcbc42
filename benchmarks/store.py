"""The job store on SQLite: turns written beside the raw limit and beside APScheduler's store."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runner.core.action import Save
from runner.core.run import Job, Run, RunKey, Status, StepRun
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import SECOND
from runner.spec import Call, JobSpec, Step

NOON = 1_800_014_400 * SECOND


def run(quick: bool) -> dict[str, Any]:
    jobs = 1_000 if quick else 10_000
    rounds = 3 if quick else 5
    rows = [
        _dispatch(jobs, 1_000, rounds),
        _dispatch(jobs, 100, rounds),
        _dispatch(200 if quick else 1_000, 1, 1),
        _add(jobs),
        _open(quick),
    ]
    return {
        "title": "Job store (SQLite, WAL, synchronous=FULL)",
        "about": (
            "One run is a due job that moves on, its run written before it starts, and its end: three row writes in "
            "two transactions per group, every commit synced. The limit is the same rows with the same texts, in the "
            "same groups, through bare sqlite3 with prepared statements. The rival is what APScheduler 3.11's "
            "SQLAlchemyJobStore does for a run: read what is due, one update with a pickle per job, no record of "
            "the run at all."
        ),
        "rows": rows,
    }


def _row(
    what: str, ours: float, rival: float | None, limit: float | None, unit: str, target: str
) -> dict[str, Any]:
    return {
        "measured": what,
        "runner": f"{ours:,.0f} {unit}" if ours >= 10 else f"{ours:,.2f} {unit}",
        "rival": "-" if rival is None else f"{rival:,.0f} {unit}",
        "limit": "-" if limit is None else f"{limit:,.0f} {unit}",
        "of limit": "-" if not limit else f"{ours / limit:.0%}",
        "times rival": "-" if not rival else f"{ours / rival:,.1f}",
        "target": target,
    }


# ── dispatch ────────────────────────────────────────────────────────────────────────────────


def _dispatch(jobs: int, group: int, rounds: int) -> dict[str, Any]:
    specs = _specs(jobs)
    ours: list[float] = []
    limits: list[float] = []
    # Turn and turn about: what the machine does meanwhile hits both.
    for number in range(rounds):
        with _directory() as where:
            ours.append(jobs / _ours(where, specs, group, number))
        with _directory() as where:
            limits.append(jobs / _bare(where, jobs, group))
    rival = _apscheduler(min(jobs, 500))
    target = "at least half of the limit, 30 times the rival" if group > 1 else "-"
    return _row(f"runs in groups of {group}", _middle(ours), rival, _middle(limits), "runs/s", target)


def _specs(number: int) -> list[JobSpec]:
    step = Step("call", Call("package.module:function", kwargs={"n": 1}))
    return [JobSpec(f"job{each}", (step,), source="api:bench") for each in range(number)]


def _ours(where: Path, specs: list[JobSpec], group: int, number: int) -> float:
    store = SQLAlchemyJobStore(f"sqlite:///{where / 'runner.db'}")
    store.open()
    fence = store.hold("api:bench", "bench", NOON)
    store.write([Save(Job(spec, NOON)) for spec in specs], fence)
    groups = [specs[at : at + group] for at in range(0, len(specs), group)]
    slot = NOON + number * SECOND
    turns = [_turn(each, slot) for each in groups]
    began = time.perf_counter()
    for starts, ends in turns:
        store.write(starts, fence)
        store.write(ends, fence)
    took = time.perf_counter() - began
    store.close()
    return took


def _turn(specs: list[JobSpec], slot: int) -> tuple[list[Save], list[Save]]:
    starts: list[Save] = []
    ends: list[Save] = []
    for spec in specs:
        step = StepRun("call", status=Status.RUNNING, attempt=1, started_at=slot)
        run = Run(
            RunKey(spec.key, slot),
            spec,
            Status.RUNNING,
            steps={"call": step},
            created_at=slot,
            started_at=slot,
        )
        over = replace(
            run,
            status=Status.SUCCEEDED,
            ended_at=slot + 1,
            steps={"call": replace(step, status=Status.SUCCEEDED, ended_at=slot + 1)},
        )
        starts += (Save(Job(spec, slot + SECOND, passed=slot)), Save(run))
        ends.append(Save(over))
    return starts, ends


def _bare(where: Path, jobs: int, group: int) -> float:
    connection = sqlite3.connect(where / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE jobs (source TEXT, id TEXT, next_at INTEGER, passed INTEGER, spec TEXT, PRIMARY KEY (source, id))"
    )
    connection.execute(
        "CREATE TABLE runs (source TEXT, job TEXT, slot INTEGER, nonce TEXT, digest TEXT, status TEXT, steps TEXT, "
        "created_at INTEGER, started_at INTEGER, ended_at INTEGER, PRIMARY KEY (source, job, slot, nonce))"
    )
    connection.execute("CREATE INDEX live ON runs (source, ended_at)")
    connection.execute("CREATE INDEX recent ON runs (ended_at)")
    connection.executemany(
        "INSERT INTO jobs VALUES (?, ?, ?, ?, ?)", [("s", f"job{n}", 0, 0, "x" * 200) for n in range(jobs)]
    )
    steps = '[{"~":"StepRun","step":"call","status":"running","attempt":1,"started_at":1800014400000000}]'
    done = steps.replace("running", "succeeded")[:-2] + ',"ended_at":1800014400000001}]'
    numbers = [range(at, min(at + group, jobs)) for at in range(0, jobs, group)]
    moves = [[(1, 0, "s", f"job{n}") for n in each] for each in numbers]
    starts = [
        [("s", f"job{n}", NOON, "", "d" * 32, "running", steps, NOON, NOON, None) for n in each]
        for each in numbers
    ]
    ends = [[("succeeded", done, NOON + 1, "s", f"job{n}", NOON, "") for n in each] for each in numbers]
    began = time.perf_counter()
    for move, start, end in zip(moves, starts, ends, strict=True):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("UPDATE jobs SET next_at = ?, passed = ? WHERE source = ? AND id = ?", move)
        connection.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", start)
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "UPDATE runs SET status = ?, steps = ?, ended_at = ? "
            "WHERE source = ? AND job = ? AND slot = ? AND nonce = ?",
            end,
        )
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took


# ── the rival ───────────────────────────────────────────────────────────────────────────────


def _rival_store(where: Path, jobs: int) -> tuple[Any, list[Any]]:
    from apscheduler.job import Job as TheirJob
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore as Theirs
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.interval import IntervalTrigger

    scheduler = BackgroundScheduler(timezone=UTC)
    store = Theirs(url=f"sqlite:///{where / 'theirs.db'}")
    store.start(scheduler, "default")
    now = datetime(2027, 1, 15, 12, tzinfo=UTC)
    made = [
        TheirJob(
            scheduler,
            id=f"job{number}",
            name="print",
            func="builtins:print",
            args=(),
            kwargs={},
            trigger=IntervalTrigger(seconds=1, start_date=now, timezone=UTC),
            executor="default",
            misfire_grace_time=1,
            coalesce=True,
            max_instances=1,
            next_run_time=now,
        )
        for number in range(jobs)
    ]
    return store, made


def _apscheduler(jobs: int) -> float | None:
    try:
        with _directory() as where:
            store, made = _rival_store(where, jobs)
            for each in made:
                store.add_job(each)
            now = datetime(2027, 1, 15, 12, tzinfo=UTC)
            began = time.perf_counter()
            for job in store.get_due_jobs(now):
                job._modify(next_run_time=now + timedelta(seconds=1))
                store.update_job(job)
            return jobs / (time.perf_counter() - began)
    except ImportError:
        return None


# ── adding and opening ──────────────────────────────────────────────────────────────────────


def _add(jobs: int) -> dict[str, Any]:
    specs = _specs(jobs)
    with _directory() as where:
        store = SQLAlchemyJobStore(f"sqlite:///{where / 'runner.db'}")
        store.open()
        began = time.perf_counter()
        store.write([Save(Job(spec, NOON)) for spec in specs])
        ours = jobs / (time.perf_counter() - began)
        store.close()
    rival = None
    try:
        with _directory() as where:
            number = min(jobs, 500)
            theirs, made = _rival_store(where, number)
            began = time.perf_counter()
            for each in made:
                theirs.add_job(each)
            rival = number / (time.perf_counter() - began)
    except ImportError:
        pass
    return _row("jobs added in bulk", ours, rival, None, "jobs/s", "50 times the rival")


def _open(quick: bool) -> dict[str, Any]:
    with _directory() as where:
        url = f"sqlite:///{where / 'runner.db'}"
        store = SQLAlchemyJobStore(url)
        store.open()
        store.close()
        times = []
        for _ in range(5 if quick else 20):
            store = SQLAlchemyJobStore(url)
            times.append(_timed(store.open) * 1000)
            store.close()
    return _row("opening a database that is current", _middle(times), None, None, "ms", "under 50 ms")


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _middle(figures: list[float]) -> float:
    return sorted(figures)[len(figures) // 2]


@contextmanager
def _directory() -> Iterator[Path]:
    """On a disk, where a sync costs what it costs: `RUNNER_BENCH_DIR`, else beside this file."""
    place = os.environ.get("RUNNER_BENCH_DIR") or str(Path(__file__).parent)
    with tempfile.TemporaryDirectory(dir=place, prefix=".bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)
