"""What a memory store remembers of runs that are over holds nothing of the program's own."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from runner.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_REMOVED
from tests.schedulers.moved import Moved
from tests.waiting import wait_until

OVER = EVENT_JOB_EXECUTED | EVENT_JOB_ERROR


class Large:
    """Something that a program would not have kept."""

    def method(self) -> None:
        return None

    def give(self) -> Large:
        return Large()


HELD: list[weakref.ref[Large]] = []


def take(large: Large) -> None:
    assert isinstance(large, Large)


def give() -> Large:
    large = Large()
    HELD.append(weakref.ref(large))
    return large


def fail() -> None:
    large = give()
    raise ValueError(f"with {large} in its frame")


def closed(large: Large) -> Callable[[], Any]:
    return lambda: take(large)


def by_argument(one: Moved) -> None:
    one.scheduler.add_job(take, args=[give()], id="j")


def by_keyword(one: Moved) -> None:
    one.scheduler.add_job(take, kwargs={"large": give()}, id="j")


def by_method(one: Moved) -> None:
    one.scheduler.add_job(give().method, id="j")


def by_closure(one: Moved) -> None:
    one.scheduler.add_job(closed(give()), id="j")


def by_value(one: Moved) -> None:
    one.scheduler.add_job(give, "interval", seconds=5, id="j")
    one.pass_(5)


def by_exception(one: Moved) -> None:
    one.scheduler.add_job(fail, "interval", seconds=5, id="j")
    one.pass_(5)


def by_a_job_that_was_removed(one: Moved) -> None:
    one.scheduler.add_job(take, "interval", args=[give()], seconds=5, id="j")
    one.pass_(5)
    one.ears.wait(OVER)
    one.scheduler.remove_job("j")
    one.ears.wait(EVENT_JOB_REMOVED)


@pytest.mark.parametrize(
    "hold",
    [by_argument, by_keyword, by_method, by_closure, by_value, by_exception, by_a_job_that_was_removed],
)
def test_nothing_is_held_that_the_program_has_let_go(
    hold: Callable[[Moved], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(
        logging.CRITICAL, "runner.executors.default"
    )  # pytest keeps what is logged, frames and all
    HELD.clear()
    one = Moved(job_defaults={"misfire_grace_time": None})
    one.scheduler.start()
    try:
        hold(one)
        (over,) = one.ears.wait(OVER)
        one.ears.events.clear()
        del over
        # Another run, so that no thread has the first one at hand; then a turn.
        one.scheduler.add_job(gc.collect, id="other")
        one.ears.wait(OVER, job_id="other")
        one.turn()
        one.ears.events.clear()
        # A thread that is slow to go on has its last frame a little longer.
        wait_until(lambda: gc.collect() >= 0 and [each() for each in HELD] == [None], "nothing is held")
        (past,) = one.scheduler.history("j")
        assert past.status == ("failed" if hold is by_exception else "succeeded")
        assert ("large = give()" in past.traceback or "in fail" in past.traceback) == (hold is by_exception)
    finally:
        one.scheduler.shutdown()
