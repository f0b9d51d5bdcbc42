"""The job stores on servers: how many runs a second they write down, and how soon others hear of a request.

Starts each server of tests/jobstores/store_kinds.py itself, on the loopback, with its durability as the tests have it
(PostgreSQL and etcd do not sync), so the figures compare ways of writing, not disks.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.measure import Row, Table, check, figure
from runner.core.action import Save
from runner.core.run import Job, Request, Run, RunKey, Status, StepRun
from runner.moment import SECOND
from runner.spec import Call, JobSpec, Step

NOON = 1_800_014_400 * SECOND
SOURCE = "api:benchmark"
TIMES = 30
QUICK = ("postgresql", "redis")


def run(quick: bool) -> Table:
    from _pytest.outcomes import Skipped

    from tests.jobstores import store_kinds

    logging.disable(logging.WARNING)
    rows: list[Row] = []
    absent = []
    try:
        for name, kind in store_kinds.KINDS.items():
            if quick and name not in QUICK:
                continue
            try:
                with kind.server() as url:
                    rows += _rows(name, kind.make, url, 0.5 if quick else 2.0)
            except Skipped as reason:
                absent.append(f"{name}: {reason}")
    finally:
        logging.disable(logging.NOTSET)
    left_out = f" Not here: {'; '.join(absent)}." if absent else ""
    return Table(
        "Job stores on servers",
        "One run is a due job that moves on and its run written before it starts, then its end: two turns; "
        "afterwards the jobs are there, and no run is live. The rival, where it has a store of the kind, is what "
        "APScheduler 3.11.0 writes for a run: one update of a pickle, and no record of the run. "
        "The servers are on the loopback; PostgreSQL and etcd do not sync. "
        "MongoDB is two servers that speak its protocol, RethinkDB a stand-in."
        + (" The quick form has two of them." if quick else "")
        + left_out,
        rows,
    )


def _rows(name: str, make: Callable[[str], Any], url: str, seconds: float) -> Iterator[Row]:
    heard = list(_notices(make, url))
    one, many = _runs(make(url), 1, seconds), _runs(make(url), 100, seconds)
    rival = _apscheduler(name, url, seconds)
    beside = None if rival is None else figure(rival, "runs/s")
    yield Row(f"{name}, 100 runs a turn", figure(many, "runs/s"), rival=beside)
    yield Row(f"{name}, one run a turn", figure(one, "runs/s"), rival=beside)
    if heard:
        yield Row(f"{name}, others hear of a request", figure([each * 1000 for each in heard], "ms"))


def _notices(make: Callable[[str], Any], url: str) -> Iterator[float]:
    """Seconds from a request to the moment that another store on the server hears of it."""
    store, other = make(url), make(url)
    heard = threading.Event()
    with _opened(store), _opened(other):
        if not other.listen(SOURCE, heard.set):
            return
        heard.wait(5)
        time.sleep(0.5)
        for number in range(TIMES):
            heard.clear()
            began = time.perf_counter()
            store.ask(Request(f"r{number}", SOURCE, "pause", asked_at=NOON))
            if not heard.wait(10):
                raise RuntimeError("nobody told")
            yield time.perf_counter() - began
            time.sleep(0.02)


def _runs(store: Any, group: int, seconds: float) -> float:
    """Runs written a second, `group` of them in each turn."""
    call = Step("call", Call("json:dumps", (1,)))
    specs = [JobSpec(f"job{number}", (call,), source=SOURCE) for number in range(group)]
    with _opened(store):
        fence = store.hold(SOURCE, f"benchmark {group}", NOON)
        store.write([Save(Job(spec, NOON)) for spec in specs], fence)
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            slot = NOON + (group * 1_000_000) + done
            key = (Run(RunKey(spec.key, slot), spec, steps={"call": StepRun("call")}) for spec in specs)
            runs = [replace(run, status=Status.RUNNING, created_at=slot, started_at=slot) for run in key]
            moved = [Save(Job(spec, slot + 1)) for spec in specs]
            store.write([*moved, *(Save(run) for run in runs)], fence)
            ended = [replace(run, status=Status.SUCCEEDED, ended_at=slot + 1) for run in runs]
            store.write([Save(run) for run in ended], fence)
            done += group
        took = time.perf_counter() - began
        kept = store.load(SOURCE)
        mine = [job for job in kept.jobs if job.next_at is not None]
        check(
            len(mine) >= group and not kept.runs, f"{len(mine)} of {group} jobs, {len(kept.runs)} live runs"
        )
        store.release(fence)
    return done / took


@contextlib.contextmanager
def _opened(store: Any) -> Iterator[None]:
    store.open()
    try:
        yield
    finally:
        store.close()


def _apscheduler(name: str, url: str, seconds: float) -> float | None:
    """Updates a second of APScheduler's store of the kind; None where it has none for this client."""
    from apscheduler.job import Job as TheirJob
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.interval import IntervalTrigger

    store = _their_store(name, url)
    if store is None:
        return None
    scheduler = BackgroundScheduler(timezone=UTC)
    store.start(scheduler, "default")
    job = TheirJob(
        scheduler,
        id="job",
        name="job",
        func="json:dumps",
        args=(1,),
        kwargs={},
        trigger=IntervalTrigger(seconds=1, timezone=UTC),
        executor="default",
        misfire_grace_time=1,
        coalesce=True,
        max_instances=1,
        next_run_time=datetime(2030, 1, 1, tzinfo=UTC),
    )
    store.add_job(job)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        job._modify(next_run_time=job.next_run_time + timedelta(seconds=1))
        store.update_job(job)
        done += 1
    took = time.perf_counter() - began
    store.shutdown()
    return done / took


def _their_store(name: str, url: str) -> Any:
    if name in ("postgresql", "mariadb"):
        from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

        return SQLAlchemyJobStore(url)
    if name == "redis":
        from apscheduler.jobstores.redis import RedisJobStore

        return RedisJobStore(port=int(url.rsplit(":", 1)[1].split("/")[0]))
    if name.startswith("mongodb"):
        from apscheduler.jobstores.mongodb import MongoDBJobStore

        return MongoDBJobStore(host=url)
    if name == "zookeeper":
        from apscheduler.jobstores.zookeeper import ZooKeeperJobStore

        return ZooKeeperJobStore(hosts=url)
    return None
