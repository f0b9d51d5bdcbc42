"""What stands in the log, and in which order, with no listener that would put things in order."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from tests.schedulers.moved import Moved
from tests.schedulers.targets import nothing

Make = Callable[..., Moved]


def test_what_becomes_of_a_job_is_said_after_it_was_added(
    moved: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runner")
    one = moved()
    one.scheduler.remove_listener(one.ears)
    for number in range(20):
        one.scheduler.add_job(nothing, id=str(number), name=f"job{number}")
    one.scheduler.shutdown()
    lines = [record.getMessage() for record in caplog.records]
    for number in range(20):
        added = lines.index(f'Added job "job{number}" to job store "default"')
        removed = lines.index(f"Removed job {number}")
        begun = next(i for i, line in enumerate(lines) if line.startswith(f'Running job "job{number} '))
        assert added < min(removed, begun)


def test_at_level_debug_it_says_what_the_clock_waits_for(
    moved: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "runner")
    one = moved()
    one.turn()
    one.scheduler.add_job(nothing, "interval", minutes=5)
    one.turn()
    one.scheduler.pause()
    one.turn()
    one.scheduler.shutdown()
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert "No jobs; waiting until a job is added" in lines
    assert any(line.startswith("Next wakeup is due at 2030-01-01 12:0") for line in lines)
    assert "Scheduler is paused; waiting until resume() is called" in lines
