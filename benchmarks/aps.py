"""APScheduler 3.11 as it is shipped, doing what the tables measure. Not a table itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import check

_called: list[int] = []
_more = threading.Event()


def called() -> None:
    _called.append(1)


@contextmanager
def scheduler(directory: Path | None, executor: Any = None) -> Iterator[Any]:
    """A background scheduler with its SQL store in the directory, or in memory; paused, closed afterwards."""
    from apscheduler.jobstores.memory import MemoryJobStore
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    store = SQLAlchemyJobStore(url=f"sqlite:///{directory / 'aps.db'}") if directory else MemoryJobStore()
    made = BackgroundScheduler(
        jobstores={"default": store},
        executors={"default": executor} if executor is not None else {},
        job_defaults={"misfire_grace_time": None, "coalesce": True},
        timezone="UTC",
    )
    made.start(paused=True)
    try:
        yield made
    finally:
        made.shutdown()


def dispatch(jobs: int, directory: Path | None, executor: Any = None) -> float:
    """Occurrences per second: jobs due at one instant, from the wake-up to the last call."""
    _called.clear()
    with scheduler(directory, executor) as made:
        now = datetime.now(UTC)
        for number in range(jobs):
            made.add_job(called, "interval", hours=1, id=str(number), next_run_time=now)
        began = time.perf_counter()
        made.resume()
        while len(_called) < jobs:
            _more.wait(0.005)
        took = time.perf_counter() - began
    check(len(_called) == jobs, f"APScheduler made {len(_called)} of {jobs} calls")
    return jobs / took


def lateness(jobs: int, seconds: int, directory: Path) -> list[float]:
    """Milliseconds from the planned second to the executor; what it leaves out altogether is said by the length."""
    from apscheduler.events import EVENT_JOB_SUBMITTED

    late: list[float] = []

    def submitted(event: Any) -> None:
        planned = event.scheduled_run_times[-1].timestamp()
        late.append((time.time() - planned) * 1000)

    with scheduler(directory) as made:
        made.add_listener(submitted, EVENT_JOB_SUBMITTED)
        first = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1 + jobs // 400)
        for number in range(jobs):
            made.add_job(called, "interval", seconds=1, id=str(number), start_date=first)
        made.resume()
        time.sleep(max(0, first.timestamp() - time.time()) + seconds - 0.5)
    return late


@contextmanager
def sleeper(idle: int, directory: Path | None) -> Iterator[tuple[Callable[[], None], Callable[[], float]]]:
    """A scheduler that is turned by hand, with one job among idle ones: what makes it due, and what wakes it up.

    The latter gives the CPU milliseconds of the wake-up; the job's call is made at once.
    """
    from apscheduler.executors.debug import DebugExecutor
    from apscheduler.jobstores.memory import MemoryJobStore
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.base import BaseScheduler

    class ByHand(BaseScheduler):  # type: ignore[misc]
        def wakeup(self) -> None:
            return None

        def shutdown(self, wait: bool = True) -> None:
            super().shutdown(wait)

    store = SQLAlchemyJobStore(url=f"sqlite:///{directory / 'aps.db'}") if directory else MemoryJobStore()
    made = ByHand(
        jobstores={"default": store},
        executors={"default": DebugExecutor()},
        job_defaults={"misfire_grace_time": None, "coalesce": True},
        timezone="UTC",
    )
    made.start()
    now = datetime.now(UTC)
    for number in range(idle):
        made.add_job(called, "interval", days=365, id=str(number))
    made.add_job(called, "interval", hours=1, id="due")

    def wake() -> float:
        _called.clear()
        began = time.process_time()
        made._process_jobs()
        took = (time.process_time() - began) * 1000
        check(len(_called) == 1, f"APScheduler made {len(_called)} of 1 calls")
        return took

    try:
        yield lambda: made.modify_job("due", next_run_time=now), wake
    finally:
        made.shutdown()
