"""How costs grow: with the jobs, with the steps of a workflow, with what was missed, with a long history."""

from __future__ import annotations

import gc
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.measure import (
    Curve,
    Row,
    Table,
    at_most,
    check,
    cpu_of,
    directory,
    figure,
    ratio_at_most,
)
from benchmarks.turning import SOURCE, AtOnce, House, check_records, house, jobs, sqlite
from runner.core.event import Settings
from runner.core.machine import Machine
from runner.core.reload import changes
from runner.history import History
from runner.jobstores.base import JobStore
from runner.jobstores.memory import MemoryJobStore
from runner.moment import HOUR, SECOND
from runner.spec import Call, JobSpec, Step
from runner.triggers.schedule import build
from runner.views import history as history_view
from runner.views import listing

Points = list[tuple[float, float]]


def run(quick: bool) -> Table:
    counts = (1, 100, 3_000) if quick else (1, 100, 10_000, 100_000)
    lengths = (1, 10, 100, 300) if quick else (1, 10, 100, 1_000)
    missed = (10, 1_000, 100_000)
    kept = (1_000, 30_000) if quick else (1_000, 100_000, 1_000_000)
    by_jobs = with_jobs(counts)
    memory = [(float(count), memory_of(count)) for count in (1_000, 10_000, *counts[3:])]
    flows = {
        "memory": steps(lengths, lambda where: MemoryJobStore()),
        "SQLite": steps(lengths, sqlite),
    }
    late = [(float(count), catch_up(count) * 1e6 / count) for count in missed]
    past = histories(kept)
    rows = [
        *(grows(f"{name}, per job", "us", points, 2) for name, points in by_jobs.items()),
        Row(
            f"memory of a job, {int(memory[-1][0]):,} jobs in the machine and in the store",
            figure(memory[-1][1], "KB"),
            goals=(at_most(2),),
            less_is_better=True,
        ),
        grows("a chain of steps in memory, per step", "us", flows["memory"], 1.5),
        grows("a chain of steps on SQLite, two commits each, per step", "us", flows["SQLite"], 2.5),
        grows("missed occurrences decided, per occurrence", "us", late, 1.5),
        *(grows(f"{name} of a history", "ms", points, 2.0) for name, points in past.items()),
    ]
    curves = [
        Curve("jobs", "CPU per job, by number of jobs", "jobs", "microseconds per job", by_jobs),
        Curve("memory", "Memory per job, by number of jobs", "jobs", "kilobytes per job", {"runner": memory}),
        Curve("steps", "CPU per step, by steps in a chain", "steps", "microseconds per step", flows),
        Curve(
            "catch-up",
            "Occurrences missed and decided at once",
            "occurrences",
            "microseconds each",
            {"runner": late},
        ),
        Curve("history", "Reading a history", "finished runs", "milliseconds", past),
    ]
    return Table(
        "Growth",
        "CPU of one more unit at the largest size; the ratio is against the size before it: 1 is a cost that grows as "
        "fast as the number, no faster. For a history it is the cost of the whole question, which should not grow.",
        rows,
        curves,
    )


def grows(what: str, unit: str, points: Points, most: float) -> Row:
    (_, before), (size, last) = points[-2:]
    goals = (ratio_at_most(most),)
    return Row(
        f"{what}, at {int(size):,}", figure(last, unit), goals=goals, less_is_better=True, ratio=last / before
    )


# ── jobs ────────────────────────────────────────────────────────────────────────────────────


def with_jobs(counts: Iterable[int]) -> dict[str, Points]:
    """Microseconds per job of what is done with all of them."""
    found: dict[str, Points] = {}
    for count in counts:
        for name, seconds in _costs(count).items():
            found.setdefault(name, []).append((float(count), seconds * 1e6 / count))
    return found


def _costs(count: int) -> dict[str, float]:
    rounds = max(1, 2_000 // count)
    with directory() as where:
        specs = jobs(count, "every 1s")
        executor = AtOnce()
        made = house(sqlite(where), executor)
        add = cpu_of(lambda: made.add(specs))
        dispatch = min(_dispatch(made, executor, count) for _ in range(min(5, rounds + 1)))
        machine = made.partition.machine
        assert machine is not None
        edited = [replace(spec, description="edited") for spec in specs[:10]] + specs[10:]
        reload = min(_reload(machine, edited, min(count, 10)) for _ in range(3))
        made.close()
        check_records(where, executor.started)
        store = sqlite(where)
        store.open()
        start = min(cpu_of(lambda: _begin(store, count)) for _ in range(3))
        history = History(store.engine)
        listed = min(cpu_of(lambda: _list(history, count)) for _ in range(3))
        store.close()
    return {
        "added": add,
        "dispatched, SQLite": dispatch,
        "compared at a reload": reload,
        "read at the start": start,
        "listed": listed,
    }


def _dispatch(made: House, executor: AtOnce, count: int) -> float:
    made.second()
    before = executor.started
    took = cpu_of(made.turn)
    check(executor.started - before == count, f"{executor.started - before} of {count} were dispatched")
    return took


def _reload(machine: Machine, wanted: Sequence[JobSpec], differ: int) -> float:
    took = cpu_of(lambda: changes(machine.jobs, wanted))
    check(len(changes(machine.jobs, wanted)) == differ, "a reload found other changes than were made")
    return took


def _begin(store: JobStore, count: int) -> None:
    loaded = store.load(SOURCE)
    machine = Machine(Settings(), loaded.jobs, loaded.runs, loaded.incidents, loaded.deliveries)
    check(len(machine.jobs) == count, "not all jobs were read")


def _list(history: History, count: int) -> None:
    known = history.jobs()
    document = listing.document(known, history.last(job.key for job in known))
    check(len(document["jobs"]) == count, "not all jobs were listed")


def memory_of(count: int) -> float:
    """Kilobytes per job, in a process of its own: the specs, the machine and what the store keeps of them."""
    asked = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", str(count)], capture_output=True, text=True, check=True
    )
    return float(asked.stdout)


def _memory(count: int) -> float:
    with directory() as where:
        made = house(sqlite(where), AtOnce())
        made.add(jobs(100, "every 1h", "first"))
        gc.collect()
        before = _resident()
        made.add(jobs(count, "every 1h"))
        gc.collect()
        took = (_resident() - before) / count
        made.close()
    return took


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4.0


# ── workflows and catch-up ──────────────────────────────────────────────────────────────────


def steps(lengths: Iterable[int], store: Callable[[Path], JobStore]) -> Points:
    """Microseconds of CPU per step of a chain in which each needs the one before."""
    found: Points = []
    for length in lengths:
        chain = tuple(
            Step(f"s{number}", Call("builtins:print"), needs=(f"s{number - 1}",) if number else ())
            for number in range(length)
        )
        trigger = build("every 1h", timezone="UTC", job_id="chain", calendars={})
        costs: list[float] = []
        with directory() as where:
            executor = AtOnce()
            made = house(store(where), executor)
            made.add([JobSpec("chain", chain, trigger, source=SOURCE)])
            for _ in range(max(1, 100 // length)):
                before = executor.started
                made.hour()
                costs.append(cpu_of(partial(_through, made)))
                check(executor.started - before == length, "not all steps were started")
            made.close()
        found.append((float(length), min(costs) * 1e6 / length))
    return found


def _through(made: House) -> None:
    machine = made.partition.machine
    assert machine is not None
    made.engine.turn()
    while machine.runs:
        made.engine.turn()


def catch_up(count: int) -> float:
    """Seconds of CPU to decide so many missed occurrences of one job."""
    executor = AtOnce()
    made = house(MemoryJobStore(), executor)
    made.add(jobs(1, "every 1s"))
    made.pass_(count * SECOND)
    took = cpu_of(made.turn)
    check(executor.started == 1, "the newest was not run once")
    return took


# ── history ─────────────────────────────────────────────────────────────────────────────────


def histories(sizes: Iterable[int]) -> dict[str, Points]:
    """Milliseconds of the questions people ask of so many finished runs of ten jobs."""
    found: dict[str, Points] = {}
    for size in sizes:
        with directory() as where:
            made = house(sqlite(where), AtOnce())
            made.add(jobs(10, "every 1h"))
            made.hour()
            made.turn()
            made.close()
            _fill(where / "runner.db", size)
            store = sqlite(where)
            store.open()
            history = History(store.engine)
            for name, ask in _questions(history).items():
                found.setdefault(name, []).append((float(size), min(cpu_of(ask) for _ in range(5)) * 1e3))
            store.close()
    return found


def _questions(history: History) -> dict[str, Callable[[], object]]:
    return {
        "the newest 20 runs": lambda: _read(history, None),
        "the newest 20 runs of a job": lambda: _read(history, "job3"),
        "the last run of each job": lambda: check(len(history.last()) == 10, "a job has no last run"),
    }


def _read(history: History, job: str | None) -> None:
    runs = history.runs(source=SOURCE if job else None, job=job, limit=20)
    check(len(runs) == 20, f"{len(runs)} of 20 runs were read")
    check(len(history_view.document(runs, [], {})["runs"]) == 20, "not all were shown")


def _fill(database: Path, size: int) -> None:
    """So many runs as the jobs' own, each an hour older than the one before."""
    with closing(sqlite3.connect(database)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(runner_runs)")]
        moved = {"slot", "created_at", "started_at", "ended_at"}
        chosen = ", ".join(f"{name} - n * {HOUR}" if name in moved else name for name in columns)
        connection.execute(
            f"WITH RECURSIVE ages(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM ages WHERE n < {size // 10}) "
            f"INSERT INTO runner_runs SELECT {chosen} FROM runner_runs, ages"
        )


if __name__ == "__main__":
    print(_memory(int(sys.argv[1])))
