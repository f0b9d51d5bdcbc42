"""The job store on SQLite: turns written beside the raw limit and beside APScheduler's store."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import (
    Row,
    Table,
    at_most,
    check,
    directory,
    figure,
    interleaved,
    seconds_of,
    share_of_limit,
    times_rival,
)
from benchmarks.raw import copied, recorded, replayed
from benchmarks.turning import check_records
from runner.core.action import Save
from runner.core.run import Job, Run, RunKey, Status, StepRun
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import SECOND
from runner.spec import Call, JobSpec, Step

NOON = 1_800_014_400 * SECOND


def run(quick: bool) -> Table:
    jobs = 1_000 if quick else 10_000
    rounds, rivals = (2, 50) if quick else (5, 300)
    rows = [
        _written(jobs, 1_000, rounds, rivals),
        _written(jobs, 100, rounds, rivals),
        _written(200 if quick else 1_000, 1, rounds, rivals),
        _add(jobs, rounds, rivals),
        _open(quick),
    ]
    return Table(
        "Job store (SQLite, WAL, synchronous=FULL)",
        "One run is a due job that moves on, its run written before it starts, and its end: three row writes in "
        "two transactions per group, every commit synced. The limit is the very rows, in the same groups, "
        "through bare sqlite3. The rival is what APScheduler 3.11.0's "
        "SQLAlchemyJobStore does for a run: read what is due, one update with a pickle per job, no record of "
        "the run at all.",
        rows,
    )


# ── dispatch ────────────────────────────────────────────────────────────────────────────────


def _written(jobs: int, group: int, rounds: int, rivals: int) -> Row:
    specs = _specs(jobs)
    ours: list[float] = []
    limits: list[float] = []
    rival: list[float] = []
    for number in range(rounds):
        with directory() as where:
            took, limit = _ours(where, specs, group, number)
            check_records(where, jobs)
            ours.append(jobs / took)
            limits.append(jobs / limit)
        rival.append(_apscheduler(rivals))
    goals = (times_rival(30), share_of_limit(1 / 2)) if group > 1 else ()
    return Row(
        f"runs written in groups of {group:,}",
        figure(ours, "runs/s"),
        rival=figure(rival, "runs/s"),
        limit=figure(limits, "runs/s"),
        goals=goals,
    )


def _specs(number: int) -> list[JobSpec]:
    step = Step("call", Call("package.module:function", kwargs={"n": 1}))
    return [JobSpec(f"job{each}", (step,), source="api:bench") for each in range(number)]


def _ours(where: Path, specs: list[JobSpec], group: int, number: int) -> tuple[float, float]:
    """Seconds of ours, and of the very rows again through bare sqlite3."""
    store = SQLAlchemyJobStore(f"sqlite:///{where / 'runner.db'}")
    store.open()
    fence = store.hold("api:bench", "bench", NOON)
    store.write([Save(Job(spec, NOON)) for spec in specs], fence)
    groups = [specs[at : at + group] for at in range(0, len(specs), group)]
    slot = NOON + number * SECOND
    turns = [_turn(each, slot) for each in groups]
    copied(where / "runner.db", where / "copy.db")
    with recorded() as statements:
        began = time.perf_counter()
        for starts, ends in turns:
            store.write(starts, fence)
            store.write(ends, fence)
        took = time.perf_counter() - began
    store.close()
    return took, replayed(where / "copy.db", statements)


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


def _apscheduler(jobs: int) -> float:
    with directory() as where:
        store, made = _rival_store(where, jobs)
        for each in made:
            store.add_job(each)
        now = datetime(2027, 1, 15, 12, tzinfo=UTC)
        began = time.perf_counter()
        for job in store.get_due_jobs(now):
            job._modify(next_run_time=now + timedelta(seconds=1))
            store.update_job(job)
        return jobs / (time.perf_counter() - began)


# ── adding and opening ──────────────────────────────────────────────────────────────────────


def _add(jobs: int, rounds: int, rivals: int) -> Row:
    found = interleaved(rounds, "jobs/s", ours=lambda: _add_ours(jobs), rival=lambda: _add_theirs(rivals))
    return Row("jobs added in bulk", found["ours"], rival=found["rival"], goals=(times_rival(50),))


def _add_ours(jobs: int) -> float:
    specs = _specs(jobs)
    with directory() as where:
        store = SQLAlchemyJobStore(f"sqlite:///{where / 'runner.db'}")
        store.open()
        took = seconds_of(lambda: store.write([Save(Job(spec, NOON)) for spec in specs]))
        check(len(store.load("api:bench").jobs) == jobs, "not all jobs were added")
        store.close()
    return jobs / took


def _add_theirs(jobs: int) -> float:
    with directory() as where:
        theirs, made = _rival_store(where, jobs)
        return jobs / seconds_of(lambda: [theirs.add_job(each) for each in made])


def _open(quick: bool) -> Row:
    with directory() as where:
        url = f"sqlite:///{where / 'runner.db'}"
        store = SQLAlchemyJobStore(url)
        store.open()
        store.close()
        times = []
        for _ in range(5 if quick else 20):
            store = SQLAlchemyJobStore(url)
            times.append(seconds_of(store.open) * 1000)
            store.close()
    return Row(
        "opening a database that is current", figure(times, "ms"), goals=(at_most(50),), less_is_better=True
    )
