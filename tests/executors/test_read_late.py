"""Ends that are read long after they came: the runner stood still meanwhile, as one that is stopped does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runner.core.run import Status
from runner.executors.watching import LATE_OUTPUT, READ_LATE
from runner.moment import SECOND
from tests.executors.rig import Open, marks, sh, task
from tests.waiting import PATIENCE, wait_until


@contextmanager
def nobody_reads(local: Open) -> Iterator[None]:
    processes = local.executor._processes
    assert processes is not None
    goes_on = threading.Event()
    processes._loop.call(goes_on.wait)  # type: ignore[arg-type]
    try:
        yield
    finally:
        goes_on.set()


@pytest.mark.parametrize(
    ("script", "late"),
    [("echo said", READ_LATE), ("sleep 5 & echo said", LATE_OUTPUT)],
    ids=["it was alone", "something it left behind may write still"],
)
def test_an_end_that_is_read_late_has_the_time_it_came_at_and_is_told_first(
    local: Open, script: str, late: int
) -> None:
    late_one = task(sh(script))
    with nobody_reads(local):
        local.executor.start(late_one)
        left = marks(local.state_dir, late_one)
        wait_until(lambda: left.exit_code() is not None)
        ended_at = left.changed_at()
        assert ended_at is not None
        time.sleep((late + READ_LATE) / SECOND)
    local.executor.catch_up(PATIENCE)
    _, outcome = local.told.get_nowait()
    assert (outcome.status, outcome.tail) == (Status.SUCCEEDED, "said")
    assert outcome.started_at is not None
    assert outcome.ended_at == max(ended_at, outcome.started_at)


def test_where_a_full_disk_took_the_end_it_is_as_late_as_it_is_read(local: Open) -> None:
    full = task(sh("while [ ! -e go ]; do sleep 0.02; done"))
    local.executor.start(full)
    left = marks(local.state_dir, full)
    wait_until(lambda: left.pid() is not None)
    time.sleep(READ_LATE / SECOND)
    begun_at = left.changed_at()
    assert begun_at is not None
    with nobody_reads(local):
        (local.state_dir / "go").touch()
        wait_until(lambda: left.exit_code() is not None)
        with open(left.marker, "w") as file:
            file.write("1\n")
        os.utime(left.marker, ns=(begun_at * 1000, begun_at * 1000))
        time.sleep(READ_LATE / SECOND)
    outcome = local.next()
    assert outcome.ended_at is not None
    assert outcome.ended_at >= begun_at + READ_LATE


def test_to_catch_up_does_not_wait_for_what_still_runs(local: Open) -> None:
    local.executor.start(task(sh("sleep 300", grace=0)))
    began = time.monotonic()
    local.executor.catch_up(2 * PATIENCE)
    assert time.monotonic() - began < PATIENCE
    assert local.told.empty()
