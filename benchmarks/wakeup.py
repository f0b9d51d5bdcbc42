"""What one wake-up costs, and how late the due job starts, among ever more idle jobs."""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass

from benchmarks import aps
from benchmarks.lateness import Timed
from benchmarks.measure import (
    Curve,
    Row,
    Table,
    at_most,
    check,
    directory,
    figure,
    percentile,
    ratio_at_most,
    times_rival,
)
from benchmarks.raw import commit
from benchmarks.turning import AtOnce, House, house, jobs, sqlite
from runner.clock import SystemClock
from runner.jobstores.base import JobStore
from runner.jobstores.memory import MemoryJobStore
from runner.service.memory import settle

GATE = "wake-up flatness"
LOG_IS_FULL = 250
"""So many wake-ups write more than the thousand pages after which SQLite begins its log from the front."""
RIVAL = {False: 1_000, True: 300}
"""The rival's idle jobs, in memory and on SQLite, where it takes milliseconds to add each."""


@dataclass(slots=True)
class Sleeper:
    """A house with one job that is due each second, and so many that are not."""

    house: House
    executor: AtOnce

    def wake(self) -> float:
        """CPU milliseconds of one wake-up, the run's end included."""
        self.house.second()
        before = self.executor.started
        began = time.process_time()
        self.house.turn()
        took = (time.process_time() - began) * 1000
        check(self.executor.started == before + 1, "a wake-up did not dispatch the due job")
        return took


def sleeper(store: JobStore, idle: int) -> Sleeper:
    executor = AtOnce()
    made = house(store, executor)
    made.add(jobs(1, "every 1s", "due"))
    made.add(jobs(idle, "0 0 1 1 *", "idle"))
    return Sleeper(made, executor)


def run(quick: bool) -> Table:
    counts = (1, 100, 10_000) if quick else (1, 100, 10_000, 100_000)
    rounds = 40 if quick else 150
    rows: list[Row] = []
    lines: dict[str, list[tuple[float, float]]] = {}
    for where, durable in (("memory", False), ("SQLite", True)):
        costs, theirs = growth(counts, rounds, durable)
        base = statistics.median(costs[1])
        lines[f"runner, {where}"] = [(count, statistics.median(costs[count])) for count in counts]
        for count in counts:
            rows.append(
                Row(
                    f"CPU of a wake-up, {count:,} idle, {where}",
                    figure(costs[count], "ms"),
                    rival=figure(theirs, "ms") if count == counts[-1] else None,
                    goals=(*((ratio_at_most(1.1),) if count > 1 else ()),)
                    + ((times_rival(4),) if count == counts[-1] and durable else ()),
                    less_is_better=True,
                    gate=GATE if count == counts[-1] else None,
                    ratio=statistics.median(costs[count]) / base,
                )
            )
    most = counts[-1]
    late: list[float] = []
    commits: list[float] = []
    for _ in range(1 if quick else 3):
        late.append(percentile(starts(most, 4 if quick else 20), 0.5))
        commits.append(commit())
    rows.append(
        Row(
            f"start of a due job among {most:,} idle ones, p50, SQLite",
            figure(late, "ms"),
            limit=figure(commits, "ms"),
            goals=(at_most(0.5),),
            less_is_better=True,
            gate=GATE,
        )
    )
    return Table(
        "Wake-up among idle jobs",
        "One job is due each second, the others on the first of January. CPU of the process for the wake-up and for "
        "the run's end, both written (SQLite: two commits, synchronous=FULL); the ratio is against one idle job, all "
        "counts and the rival measured turn and turn about, each woken twice, of which the second counts. The rival: "
        "APScheduler 3.11.0's wake-up with its executor for debugging, 1,000 idle jobs in memory and 300 on SQLite, "
        "no record written. The last row is by the real clock, from the planned second to the "
        "executor. Beside it stands one bare commit of one row on the same disk: each start has such a commit before "
        "it, and where nothing else waits it is made up to 2 ms before the moment, so that a start may come sooner.",
        rows,
        [Curve("wakeup", "CPU of a wake-up with one due job", "idle jobs", "milliseconds", lines)],
    )


def growth(counts: tuple[int, ...], rounds: int, durable: bool) -> tuple[dict[int, list[float]], list[float]]:
    """Milliseconds by number of idle jobs, and the rival's: all of them alive at once, and woken in turn."""
    with directory() as where, aps.sleeper(RIVAL[durable], where if durable else None) as (due, wake):
        made: dict[int, Sleeper] = {}
        for count in counts:
            place = where / str(count)
            place.mkdir()
            made[count] = sleeper(sqlite(place) if durable else MemoryJobStore(), count)
        settle()
        for each in made.values():
            # A log that was never full grows with each write, which costs more than to write over what is there.
            for _ in range(LOG_IS_FULL if durable else 1):
                each.wake()
        found: dict[int, list[float]] = {count: [] for count in counts}
        theirs: list[float] = []
        for _ in range(rounds):
            # Each twice, and the second counts: whose code ran just before would be cheaper than the others.
            for count, each in made.items():
                found[count].append([each.wake() for _ in range(2)][-1])
            for _ in range(2):
                due()
                took = wake()
            theirs.append(took)
        for each in made.values():
            each.house.close()
    return found, theirs


def starts(idle: int, seconds: int) -> list[float]:
    """Milliseconds from the planned second to the executor, by the real clock."""
    with directory() as where:
        executor = Timed()
        made = house(sqlite(where), executor, SystemClock())
        made.add(jobs(idle, "0 0 1 1 *", "idle"))
        made.add(jobs(1, "every 1s", "due"))
        settle()
        thread = threading.Thread(target=made.engine.run)
        thread.start()
        patience = time.monotonic() + 3 * seconds + 5
        while len(executor.late) < seconds and time.monotonic() < patience:
            time.sleep(0.01)
        made.stop(thread)
        made.close()
    check(len(executor.late) >= seconds, f"{len(executor.late)} of {seconds} were started")
    return executor.late
