"""A long stretch of load: 1,000 jobs a second on SQLite, five minutes or an hour (`make soak`, `make soak-long`).

What must stay flat is compared between the first and the last quarter: memory, lateness, the size of the database
(bounded by retention), descriptors, threads. Nothing may be missed, run twice, or be left over at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.lateness import Timed
from benchmarks.measure import directory, percentile
from benchmarks.standing import cpu_of_process, rss_of
from benchmarks.turning import House, house, jobs, sqlite
from runner.clock import Clock, SystemClock
from runner.errors import StoreError
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import SECOND
from runner.service.memory import settle
from runner.spec import Catchup, Policy, Retention

KEEP = 20
"""Runs of each job that are kept: reached early, so that the database's bound shows."""
PURGE_EVERY = 15.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Sample:
    second: float
    rss: float
    database: float
    rows: int
    descriptors: int
    threads: int
    p50: float
    p99: float
    starts: int


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    threads, descriptors = threading.active_count(), _descriptors()
    began = cpu_of_process(os.getpid())
    with directory() as where:
        samples, faults = soak(where, args.jobs, args.seconds)
    cpu = (cpu_of_process(os.getpid()) - began) / args.seconds
    left = (threading.active_count() - threads, _descriptors() - descriptors)
    faults += [f"{left[0]} threads and {left[1]} descriptors are left over"] if max(left) > 0 else []
    faults += drift(samples)
    print(f"{sum(sample.starts for sample in samples):,} runs; {cpu:.0%} of a processor")
    for fault in faults:
        print(f"FAULT: {fault}")
    if args.json:
        document = {"samples": [_fields(sample) for sample in samples], "faults": faults, "cpu": cpu}
        args.json.write_text(json.dumps(document, indent=2) + "\n")
    print("failed" if faults else "all flat, nothing lost, nothing left over")
    return 1 if faults else 0


def soak(where: Path, count: int, seconds: int) -> tuple[list[Sample], list[str]]:
    clock, executor = SystemClock(), Timed()
    store = sqlite(where)
    made = house(store, executor, clock)
    # A second in which the machine was busy elsewhere is made good for, so that every occurrence is a run.
    policy = Policy(retention=Retention(runs=KEEP), catchup=Catchup("all", max=60))
    made.add([replace(spec, policy=policy) for spec in jobs(count, "every 1s")])
    settle()
    purged: list[int] = []
    ended = threading.Event()
    failed: list[str] = []
    keeper = threading.Thread(target=_keep, args=(store, clock, ended, purged, failed))
    keeper.start()
    executor.late.clear()
    thread = threading.Thread(target=made.engine.run)
    first = clock.now() // SECOND + 1
    thread.start()
    samples = _sampled(made, executor, where, seconds)
    last = clock.now() // SECOND
    made.stop(thread)
    ended.set()
    keeper.join()
    faults = [f"a purge failed, so what it deleted is not counted: {each}" for each in failed]
    faults += _counted(where, executor, count, last - first + 1, purged)
    made.close()
    return samples, faults


def _keep(
    store: SQLAlchemyJobStore, clock: Clock, ended: threading.Event, purged: list[int], failed: list[str]
) -> None:
    """What the service's housekeeping does each hour; as there, a store that fails is asked again next time."""
    while not ended.wait(PURGE_EVERY):
        try:
            purged.append(len(store.purge(clock.now(), pause=lambda: ended.wait(0.02)).runs))
        except StoreError as error:
            failed.append(str(error))


def _sampled(made: House, executor: Timed, where: Path, seconds: int) -> list[Sample]:
    samples: list[Sample] = []
    began, step = time.monotonic(), max(5.0, seconds / 24)
    while time.monotonic() - began < seconds:
        time.sleep(min(step, max(0.1, seconds - (time.monotonic() - began))))
        late, executor.late = executor.late, []
        samples.append(_sample(where, time.monotonic() - began, late))
        print(shown(samples[-1]), flush=True)
    return samples


def _sample(where: Path, second: float, late: list[float]) -> Sample:
    with closing(sqlite3.connect(where / "runner.db")) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM runner_runs").fetchone()
    size = sum(path.stat().st_size for path in where.glob("runner.db*")) / 2**20
    late = late or [float("inf")]
    return Sample(
        second,
        rss_of(os.getpid()),
        size,
        rows,
        _descriptors(),
        threading.active_count(),
        percentile(late, 0.5),
        percentile(late, 0.99),
        len(late),
    )


def _counted(where: Path, executor: Timed, count: int, seconds: int, purged: list[int]) -> list[str]:
    """What was started was recorded once and ended; nothing was missed."""
    gone = sum(purged)
    with closing(sqlite3.connect(where / "runner.db")) as connection:
        (kept,) = connection.execute("SELECT count(*) FROM runner_runs").fetchone()
        (open_,) = connection.execute("SELECT count(*) FROM runner_runs WHERE ended_at IS NULL").fetchone()
        missed = connection.execute(
            "SELECT state, sum(count) FROM runner_occurrences GROUP BY state"
        ).fetchall()
    faults = [f"{number} occurrences are {state}" for state, number in missed]
    if kept + gone != executor.started:
        faults.append(f"{executor.started} were started, and {kept} + {gone} purged are on record")
    if open_:
        faults.append(f"{open_} runs have not ended")
    if executor.started < count * (seconds - 1):
        faults.append(f"{executor.started} were started in {seconds} s of {count}")
    return faults


def drift(samples: list[Sample]) -> list[str]:
    """What is not flat: the last quarter against the second, when caches are warm and retention has begun."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    faults = []
    for name, most, slack in (
        ("rss", 1.1, 8.0),
        ("database", 1.25, 8.0),
        ("rows", 1.25, 0.0),
        ("descriptors", 1.0, 0.0),
        ("threads", 1.0, 0.0),
        ("p50", 1.5, 10.0),
    ):
        before = max(float(getattr(sample, name)) for sample in early)
        after = max(float(getattr(sample, name)) for sample in late)
        if after > before * most + slack:
            faults.append(f"{name} grew from {before:,.1f} to {after:,.1f}")
    return faults


def shown(sample: Sample) -> str:
    return (
        f"{sample.second:6.0f} s  rss {sample.rss:6.1f} MB  database {sample.database:7.1f} MB  "
        f"{sample.rows:8,} runs  "
        f"{sample.descriptors} descriptors  {sample.threads} threads  "
        f"late p50 {sample.p50:6.1f} p99 {sample.p99:6.1f} ms"
        f"  {sample.starts:,} starts"
    )


def _fields(sample: Sample) -> dict[str, float]:
    return {name: getattr(sample, name) for name in Sample.__slots__}


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) - 1


if __name__ == "__main__":
    sys.exit(main())
