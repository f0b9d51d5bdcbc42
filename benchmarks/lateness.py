"""How late a run starts when many are due each second, by the real clock, with the durable store."""

from __future__ import annotations

import threading
import time

from benchmarks import aps
from benchmarks.measure import Row, Table, at_most, check, directory, figure, percentile, times_rival
from benchmarks.turning import AtOnce, check_records, house, jobs, sqlite
from runner.clock import SystemClock
from runner.executors.base import Done, Task
from runner.moment import MILLISECOND
from runner.service.memory import settle


def run(quick: bool) -> Table:
    settle()
    rounds, seconds = (3, 2) if quick else (5, 6)
    thousand: list[list[float]] = []
    rival: list[list[float]] = []
    for number in range(rounds):
        thousand.append(lateness(1_000, seconds))
        if number < (1 if quick else 2):
            with directory() as where:
                rival.append(aps.lateness(1_000, seconds, where))
    ten = [lateness(10_000, seconds) for _ in range(1 if quick else 3)]
    theirs = [late for each in rival for late in each]
    missed = 1_000 * seconds * len(rival) - len(theirs)
    rows = [
        Row(
            f"1,000 each second, {name}",
            figure([percentile(each, share) for each in thousand], "ms"),
            rival=figure([percentile(each, share) for each in rival], "ms"),
            goals=(at_most(50),) if gate else (times_rival(10),),
            less_is_better=True,
            gate=gate,
        )
        for name, share, gate in (("p50", 0.5, None), ("p99", 0.99, "p99 at 1,000 a second"))
    ]
    rows += [
        Row(
            f"1,000 each second, occurrences not started in {seconds} s",
            figure([float(1_000 * seconds - len(each)) for each in thousand], ""),
            rival=figure(missed / len(rival), ""),
            goals=(at_most(0),),
            gate="p99 at 1,000 a second",
        ),
        Row("10,000 each second, p50", figure([percentile(each, 0.5) for each in ten], "ms")),
        Row(
            "10,000 each second, p99",
            figure([percentile(each, 0.99) for each in ten], "ms"),
            goals=(at_most(200),),
            less_is_better=True,
        ),
    ]
    return Table(
        "Lateness",
        f"Milliseconds from the planned second to the executor, jobs that are all due on each second, for {seconds} "
        "seconds, SQLite (WAL, synchronous=FULL, each run committed before it starts, each end written). The rival: "
        "APScheduler 3.11.0 with its SQLAlchemyJobStore and no misfire grace, what it had submitted within the time.",
        rows,
    )


class Timed(AtOnce):
    """Keeps how late each attempt was handed over, in milliseconds."""

    def open(self, done: Done) -> None:
        super().open(done)
        self.clock = SystemClock()
        self.late: list[float] = []

    def start(self, task: Task) -> None:
        self.late.append((self.clock.now() - task.run.key.slot) / MILLISECOND)
        super().start(task)


def lateness(count: int, seconds: int) -> list[float]:
    with directory() as where:
        executor = Timed()
        made = house(sqlite(where), executor, SystemClock())
        made.add(jobs(count, "every 1s"))
        executor.late.clear()
        before = executor.started
        thread = threading.Thread(target=made.engine.run)
        thread.start()
        patience = time.monotonic() + 3 * seconds + 5
        while len(executor.late) < count * seconds and time.monotonic() < patience:
            time.sleep(0.01)
        made.stop(thread)
        made.close()
        check_records(where, executor.started)
    check(before in (0, count), "jobs were due while they were added")
    return executor.late[: count * seconds]
