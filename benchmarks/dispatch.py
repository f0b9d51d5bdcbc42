"""Dispatch: occurrences per second that are all due at one instant, durable and in memory."""

from __future__ import annotations

from pathlib import Path

from benchmarks import aps
from benchmarks.measure import Row, Table, check, directory, figure, seconds_of, share_of_limit, times_rival
from benchmarks.raw import copied, recorded, replayed
from benchmarks.turning import AtOnce, House, check_records, house, jobs, sqlite
from runner.jobstores.base import JobStore
from runner.jobstores.memory import MemoryJobStore
from runner.service.memory import settle

GATE = "durable dispatch"
TICKS = 3


def run(quick: bool) -> Table:
    settle()
    rows = [
        durable(1_000, rounds=2 if quick else 7, rival_jobs=100 if quick else 1_000),
        durable(10_000, rounds=1 if quick else 3, rival_jobs=100 if quick else 1_000),
        in_memory(rounds=3 if quick else 7),
    ]
    return Table(
        "Dispatch",
        "Trivial jobs, all due at one instant, from the wake-up until their ends are written. Ours: the engine, the "
        "machine and the SQLite store as the service runs them (WAL, synchronous=FULL, a row before each start), with "
        "an executor that answers at once; each run is counted in the database afterwards. The rival: APScheduler "
        "3.11.0 with its SQLAlchemyJobStore as shipped, until the last call; it keeps no record of the run. The limit: "
        "the very rows of each tick, written again in the same two transactions to a copy of the database, by bare "
        "sqlite3. The garbage collector is set as `runner serve` sets it, for all.",
        rows,
    )


def durable(count: int, rounds: int, rival_jobs: int) -> Row:
    ours: list[float] = []
    rival: list[float] = []
    limit: list[float] = []
    for _ in range(rounds):
        with directory() as where:
            rival.append(aps.dispatch(rival_jobs, where))
        with directory() as where:
            rates, limits = beside_the_limit(where, count)
            ours += rates
            limit += limits
            check_records(where, count * TICKS)
    return Row(
        f"durable, {count:,} jobs at once",
        figure(ours, "per s"),
        rival=figure(rival, "per s"),
        limit=figure(limit, "per s"),
        goals=(times_rival(10), times_rival(30), share_of_limit(1 / 3), share_of_limit(1 / 2)),
        gate=GATE,
    )


def dispatch(store: JobStore, count: int) -> list[float]:
    """Occurrences per second of each of some ticks."""
    executor = AtOnce()
    made = house(store, executor)
    made.add(jobs(count, "every 1s"))
    found = [tick(made, executor, count) for _ in range(TICKS)]
    made.close()
    return found


def tick(made: House, executor: AtOnce, count: int) -> float:
    made.second()
    before = executor.started
    took = seconds_of(made.turn)
    check(executor.started - before == count, f"{executor.started - before} of {count} were dispatched")
    return count / took


def beside_the_limit(where: Path, count: int) -> tuple[list[float], list[float]]:
    """Each tick, and then its rows again through bare sqlite3 into a copy taken before it."""
    executor = AtOnce()
    made = house(sqlite(where), executor)
    made.add(jobs(count, "every 1s"))
    ours: list[float] = []
    limits: list[float] = []
    for number in range(TICKS):
        copy = where / f"copy{number}.db"
        copied(where / "runner.db", copy)
        with recorded() as statements:
            ours.append(tick(made, executor, count))
        limits.append(count / replayed(copy, statements))
    made.close()
    return ours, limits


def in_memory(rounds: int) -> Row:
    from apscheduler.executors.debug import DebugExecutor

    ours: list[float] = []
    rival: list[float] = []
    for _ in range(rounds):
        rival.append(aps.dispatch(1_000, None, DebugExecutor()))
        ours += dispatch(MemoryJobStore(), 1_000)
    return Row(
        "in memory, executors that call at once",
        figure(ours, "per s"),
        rival=figure(rival, "per s"),
        goals=(times_rival(10),),
    )
