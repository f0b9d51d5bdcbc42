"""Dispatch with a durable store, and what one wake-up costs among idle jobs, beside APScheduler 3.11.

Ours: the engine, the machine and the SQLite store as the service runs them (WAL, synchronous=FULL, a row before each
start), with an executor that answers at once. Each run is counted in the database afterwards.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runner.clock import SystemClock, VirtualClock
from runner.core.event import Added, Settings
from runner.core.run import AttemptKey, Outcome, Status
from runner.engine import Engine, Hands, Partition
from runner.executors.base import Done, Found, Task
from runner.jobstores.base import JobStore
from runner.jobstores.memory import MemoryJobStore
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import SECOND, Moment
from runner.service.memory import settle
from runner.spec import Call, JobSpec, Step
from runner.triggers.schedule import build

NOON: Moment = 1_800_014_400 * SECOND
GOOD = Outcome(Status.SUCCEEDED)


class AtOnce:
    """An executor whose work is done before it began."""

    capacity = None

    def open(self, done: Done) -> None:
        self.done = done
        self.started = 0

    def start(self, task: Task) -> None:
        self.started += 1
        self.done(AttemptKey(task.run.key, task.state.id, task.state.attempt), GOOD)

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        return None

    def recover(self, tasks: Sequence[Task]) -> Found:
        return Found()

    def close(self, *, leave: bool = False) -> None:
        return None


def engine(store: JobStore) -> tuple[Engine, VirtualClock, AtOnce, Partition]:
    clock, executor = VirtualClock(NOON), AtOnce()
    hands = Hands({"default": executor})
    made = Engine(hands, clock, poll_requests=None)
    partition = Partition(store, "api:bench", owner="bench", settings=Settings(), hands=hands, done=made.done)
    store.open()
    hands.open(made.done)
    made.attach("default", partition)
    made.turn()
    return made, clock, executor, partition


def spec(id: str, schedule: str) -> JobSpec:
    step = Step("main", Call("builtins:print"))
    return JobSpec(id, (step,), build(schedule, timezone="UTC", job_id=id, calendars={}), source="api:bench")


def dispatch(store: JobStore, jobs: int, rounds: int) -> float:
    """Occurrences per second: all jobs due on each second, until their ends are written."""
    made, clock, executor, _ = engine(store)
    for number in range(jobs):
        made.post(Added(spec(f"job{number}", "every 1s")))
    made.turn()
    best = 0.0
    for _ in range(rounds):
        clock.advance(SECOND)
        before = executor.started
        began = time.perf_counter()
        made.turn()
        made.turn()
        took = time.perf_counter() - began
        if executor.started - before != jobs:
            raise SystemExit(f"{executor.started - before} of {jobs} were dispatched")
        best = max(best, jobs / took)
    return best


def checked_dispatch(jobs: int, rounds: int) -> float:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "runner.db"
        store = SQLAlchemyJobStore(f"sqlite:///{file}")
        rate = dispatch(store, jobs, rounds)
        store.close()
        with sqlite3.connect(file) as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM runner_runs WHERE status = 'succeeded' AND ended_at IS NOT NULL"
            ).fetchone()
        if count != jobs * rounds:
            raise SystemExit(f"{count} runs are on record, and {jobs * rounds} were dispatched")
    return rate


def apscheduler_dispatch(jobs: int, durable: bool) -> float:
    """The same of APScheduler: jobs due at one instant, from the start to the last call."""
    from apscheduler.jobstores.memory import MemoryJobStore as TheirMemory
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore as TheirStore
    from apscheduler.schedulers.background import BackgroundScheduler

    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{Path(directory) / 'aps.db'}"
        store = TheirStore(url=url) if durable else TheirMemory()
        scheduler = BackgroundScheduler(
            jobstores={"default": store},
            job_defaults={"misfire_grace_time": None, "coalesce": True},
            timezone="UTC",
        )
        _called.clear()
        scheduler.start(paused=True)
        now = datetime.now(UTC)
        for number in range(jobs):
            scheduler.add_job(called, "interval", hours=1, id=str(number), next_run_time=now)
        began = time.perf_counter()
        scheduler.resume()
        while len(_called) < jobs:
            _more.wait(0.05)
        took = time.perf_counter() - began
        scheduler.shutdown()
    return jobs / took


_called: list[int] = []
_more = threading.Event()


def called() -> None:
    _called.append(1)


def wakeup(idle: int, rounds: int, durable: bool) -> float:
    """CPU milliseconds of one wake-up with one due job among idle ones, its end included."""
    with tempfile.TemporaryDirectory() as directory:
        store: JobStore = MemoryJobStore()
        if durable:
            store = SQLAlchemyJobStore(f"sqlite:///{Path(directory) / 'runner.db'}")
        made, clock, executor, _ = engine(store)
        made.post(Added(spec("due", "every 1s")))
        trigger_of = spec("idle", "0 0 1 1 *").trigger
        for number in range(idle):
            step = Step("main", Call("builtins:print"))
            made.post(Added(JobSpec(f"idle{number}", (step,), trigger_of, source="api:bench")))
        made.turn()
        found: list[float] = []
        for _ in range(rounds):
            clock.advance(SECOND)
            began = time.process_time()
            made.turn()
            made.turn()
            found.append((time.process_time() - began) * 1000)
        if executor.started != rounds:
            raise SystemExit(f"{executor.started} of {rounds} wake-ups dispatched the job")
        store.close()
    return statistics.median(found)


class Timed(AtOnce):
    """Keeps how late each attempt was handed over, in milliseconds."""

    def open(self, done: Done) -> None:
        super().open(done)
        self.clock, self.late = SystemClock(), []

    def start(self, task: Task) -> None:
        self.late.append((self.clock.now() - task.run.key.slot) / 1000)
        super().start(task)


def lateness(jobs: int, seconds: int, schedule: str = "every 1s") -> list[float]:
    """Milliseconds from the planned second to the executor, of jobs that are all due each second, by the real clock."""
    with tempfile.TemporaryDirectory() as directory:
        store = SQLAlchemyJobStore(f"sqlite:///{Path(directory) / 'runner.db'}")
        clock, executor = SystemClock(), Timed()
        hands = Hands({"default": executor})
        made = Engine(hands, clock, poll_requests=None)
        partition = Partition(
            store, "api:bench", owner="bench", settings=Settings(), hands=hands, done=made.done
        )
        store.open()
        hands.open(made.done)
        made.attach("default", partition)
        made.turn()
        for number in range(jobs):
            made.post(Added(spec(f"job{number}", schedule)))
        made.turn()
        executor.late.clear()
        thread = threading.Thread(target=made.run)
        thread.start()
        while len(executor.late) < jobs * seconds:
            time.sleep(0.01)
        made.end()
        thread.join()
        store.close()
    return executor.late[: jobs * seconds]


def apscheduler_lateness(jobs: int, seconds: int) -> list[float]:
    """The same of APScheduler; what it leaves out altogether is said by the length."""
    from apscheduler.events import EVENT_JOB_SUBMITTED
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore as TheirStore
    from apscheduler.schedulers.background import BackgroundScheduler

    late: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        scheduler = BackgroundScheduler(
            jobstores={"default": TheirStore(url=f"sqlite:///{Path(directory) / 'aps.db'}")},
            job_defaults={"misfire_grace_time": None, "coalesce": True},
            timezone="UTC",
        )
        clock = SystemClock()

        def submitted(event: Any) -> None:
            planned = event.scheduled_run_times[-1].timestamp()
            late.append(clock.now() / 1000 - planned * 1000)

        scheduler.add_listener(submitted, EVENT_JOB_SUBMITTED)
        scheduler.start(paused=True)
        first = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1 + jobs // 400)
        for number in range(jobs):
            scheduler.add_job(called, "interval", seconds=1, id=str(number), start_date=first)
        scheduler.resume()
        time.sleep(max(0, first.timestamp() - clock.now() / SECOND) + seconds - 0.5)
        scheduler.shutdown()
    return late


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def catch_up(count: int) -> float:
    """Seconds to decide so many missed occurrences of one job."""
    made, clock, executor, _ = engine(MemoryJobStore())
    made.post(Added(spec("due", "every 1s")))
    made.turn()
    clock.advance(count * SECOND)
    began = time.perf_counter()
    made.turn()
    made.turn()
    if executor.started != 1:
        raise SystemExit("the newest was not run once")
    return time.perf_counter() - began


def run(quick: bool) -> dict[str, Any]:
    jobs = 300 if quick else 1_000
    theirs, ours = [], []
    settle()
    for _ in range(2 if quick else 3):
        theirs.append(apscheduler_dispatch(jobs, durable=True))
        ours.append(checked_dispatch(1_000, 3))
    durable, rival = statistics.median(ours), statistics.median(theirs)
    many = checked_dispatch(10_000, 2)
    memory = dispatch(MemoryJobStore(), 1_000, 3)
    rival_memory = apscheduler_dispatch(jobs, durable=False)
    rows: list[dict[str, Any]] = [
        _row(
            "durable dispatch, 1,000 jobs at once (per s)", durable, rival, durable / rival, "10x, then 30x"
        ),
        _row("durable dispatch, 10,000 jobs at once (per s)", many, rival, many / rival, "10x, then 30x"),
        _row("dispatch in memory (per s)", memory, rival_memory, memory / rival_memory, ""),
    ]
    seconds = 3 if quick else 10
    rows += lateness_rows(seconds)
    first: dict[bool, float] = {}
    for idle in (100, 10_000) if quick else (100, 10_000, 100_000):
        for kind in (False, True):
            cost = wakeup(idle, 30 if quick else 100, kind)
            flat = cost / first.setdefault(kind, cost)
            where = "SQLite" if kind else "memory"
            rows.append(
                _row(f"wake-up among {idle:,} idle jobs, {where} (CPU ms)", cost, None, flat, "flat: 1.1")
            )
    rows.append(_row("100,000 missed occurrences decided (s)", catch_up(100_000), None, None, ""))
    return {
        "title": "Dispatch and wake-up",
        "about": (
            "The engine with SQLite (WAL, synchronous=FULL, a row before each start) beside APScheduler 3.11 with its "
            "SQLAlchemyJobStore as shipped. The garbage collector is set as `runner serve` sets it, for both. For "
            "wake-ups the ratio is against the cost among 100 idle jobs."
        ),
        "rows": rows,
    }


def lateness_rows(seconds: int) -> list[dict[str, Any]]:
    theirs = apscheduler_lateness(1_000, seconds)
    rows, missed = [], 0
    for jobs, target in ((100, ""), (1_000, "p99 under 50 ms"), (3_000, "")):
        late = lateness(jobs, seconds)
        missed += jobs * seconds - len(late)
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            rival = percentile(theirs, share) if jobs == 1_000 else None
            ours = percentile(late, share)
            what = f"lateness {name}, {jobs:,} jobs each second, SQLite (ms)"
            rows.append(
                _row(what, ours, rival, rival / ours if rival else None, target if name == "p99" else "")
            )
    rival_missed = 1_000 * seconds - len(theirs)
    rows.append(_row(f"occurrences not handed over in {seconds} s", missed, rival_missed, None, "0"))
    return rows


def _row(what: str, ours: float, rival: float | None, ratio: float | None, target: str) -> dict[str, Any]:
    return {"what": what, "ours": ours, "APScheduler 3.11": rival, "ratio": ratio, "target": target}


if __name__ == "__main__":
    from benchmarks.__main__ import as_text

    print(as_text("engine", run("--quick" in sys.argv)))
