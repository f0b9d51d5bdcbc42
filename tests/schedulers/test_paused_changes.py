"""While the scheduler is paused nothing begins, whatever a program does: what has come waits, or is given up by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runner.core.action import Announce
from runner.core.run import Occurrence
from runner.events import EVENT_JOB_EXECUTED, EVENT_JOB_SUBMITTED
from runner.executors.pool import ThreadPoolExecutor
from runner.schedulers.background import BackgroundScheduler
from tests.schedulers.moved import START, Moved
from tests.schedulers.targets import nothing

Make = Callable[..., Moved]
DUE = START + timedelta(seconds=5)
LATER = START + timedelta(seconds=60)


def late(moved: Make) -> Moved:
    """A paused scheduler whose only job was due two seconds ago."""
    one = moved(start=False)
    one.scheduler.start(paused=True)
    one.scheduler.add_job(
        nothing, "interval", hours=5, next_run_time=DUE, id="j", max_instances=3, misfire_grace_time=30
    )
    one.jump(7)
    return one


def slots(one: Moved) -> list[datetime]:
    return [event.scheduled_run_times[0].astimezone(UTC) for event in one.ears.of(EVENT_JOB_SUBMITTED)]


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.modify_job("j", next_run_time=LATER),
        lambda it: it.reschedule_job("j", trigger="date", run_date=LATER),
        lambda it: it.add_job(nothing, "date", run_date=LATER, id="j", replace_existing=True),
        lambda it: it.modify_job("j", trigger=it._trigger("date", {"run_date": LATER})),
    ],
    ids=["modify", "reschedule", "replace", "trigger"],
)
def test_a_job_that_is_moved_runs_at_its_new_time_only(
    moved: Make, change: Callable[[BackgroundScheduler], Any]
) -> None:
    one = late(moved)
    given_up: list[Occurrence] = []
    hear = one.scheduler._house._tell

    def listen(announce: Announce) -> None:
        if announce.name.startswith("occurrence."):
            given_up.append(announce.value)
        hear(announce)

    one.scheduler._house._tell = listen
    change(one.scheduler)
    one.turn()
    assert slots(one) == []
    assert [(each.state, each.reason) for each in given_up] == [("skipped", "paused")]
    one.scheduler.resume()
    one.turn()
    assert slots(one) == []
    one.jump(53)
    one.ears.wait(EVENT_JOB_EXECUTED)
    assert slots(one) == [LATER]


def test_a_job_that_is_paused_or_removed_does_not_run(moved: Make) -> None:
    for stop in ("pause_job", "remove_job"):
        one = late(moved)
        getattr(one.scheduler, stop)("j")
        one.scheduler.resume()
        one.turn()
        assert slots(one) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.modify_job("j", next_run_time=DUE),
        lambda it: it.modify_job("j", name="another"),
        lambda it: it.reschedule_job("j", trigger="date", run_date=DUE),
        lambda it: it.add_executor(ThreadPoolExecutor(1), "more"),
        lambda it: it.remove_executor("other"),
    ],
    ids=["where it is", "name", "date", "executor", "no executor"],
)
def test_what_leaves_a_job_at_its_time_lets_it_wait_and_run_once(
    moved: Make, change: Callable[[BackgroundScheduler], Any]
) -> None:
    one = late(moved)
    one.scheduler.add_executor(ThreadPoolExecutor(1), "other")
    change(one.scheduler)
    one.turn()
    assert slots(one) == []
    one.scheduler.resume()
    one.turn()
    one.ears.wait(EVENT_JOB_EXECUTED)
    one.turn()
    assert slots(one) == [DUE]
