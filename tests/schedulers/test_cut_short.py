"""What listeners hear of what still runs when its scheduler is shut down without waiting for it."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from runner.events import EVENT_ALL, EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_SCHEDULER_SHUTDOWN
from runner.schedulers.asyncio import AsyncIOScheduler
from runner.schedulers.background import BackgroundScheduler
from tests.waiting import PATIENCE

LAST = (EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_SCHEDULER_SHUTDOWN)


def test_a_coroutine_is_stopped_and_its_end_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """As APScheduler has it, but before `shutdown` returns."""
    heard: list[Any] = []

    async def main() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def long() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.add_listener(heard.append, EVENT_ALL)
        scheduler.add_job(long, id="long")
        scheduler.start()
        await asyncio.wait_for(begun.wait(), PATIENCE)
        scheduler.shutdown(wait=False)
        await asyncio.wait_for(ended.wait(), PATIENCE)

    with caplog.at_level(logging.WARNING, "runner"):
        asyncio.run(main())
    error, end = (event for event in heard if event.code in LAST)
    assert (error.code, error.job_id, end.code) == (EVENT_JOB_ERROR, "long", EVENT_SCHEDULER_SHUTDOWN)
    assert isinstance(error.exception, asyncio.CancelledError)
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.endswith("was still running when the scheduler was shut down")


def test_a_function_in_a_thread_goes_on_and_nothing_is_told_of_it() -> None:
    heard: list[Any] = []
    begun, leave = threading.Event(), threading.Event()

    def long() -> None:
        begun.set()
        leave.wait(PATIENCE)

    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_listener(heard.append, EVENT_ALL)
    scheduler.add_job(long, id="long")
    scheduler.start()
    try:
        assert begun.wait(PATIENCE)
        scheduler.shutdown(wait=False)
        assert [event.code for event in heard if event.code in LAST] == [EVENT_SCHEDULER_SHUTDOWN]
    finally:
        leave.set()
