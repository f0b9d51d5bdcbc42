"""What `runner.testing` gives to programs' own tests, used as they would use it."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from runner.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from runner.moment import SECOND, from_datetime
from runner.schedulers.background import BackgroundScheduler
from runner.testing import ScriptedExecutor, VirtualClock
from runner.testing.trigger_suite import TriggerSuite
from runner.triggers.base import BaseTrigger
from runner.triggers.calendarinterval import CalendarIntervalTrigger
from runner.triggers.combining import AndTrigger, OrTrigger
from runner.triggers.cron import CronTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger

OURS = {
    "cron": CronTrigger(day_of_week="mon-fri", hour="9-17/2", timezone="Europe/Berlin"),
    "cron with jitter": CronTrigger(day="last", hour=2, jitter=30, timezone="America/New_York"),
    "cron that ends": CronTrigger(hour=5, end_date="2028-01-01", timezone="UTC"),
    "interval": IntervalTrigger(hours=7, start_date="2026-02-03", timezone="UTC"),
    "date": DateTrigger("2027-05-06", "UTC"),
    "calendar": CalendarIntervalTrigger(months=1, start_date=date(2026, 1, 31), timezone="Europe/London"),
    "or": OrTrigger([CronTrigger(hour=5, timezone="UTC"), DateTrigger("2027-05-06", "UTC")]),
    "and": AndTrigger(
        [CronTrigger(hour=5, timezone="UTC"), CronTrigger(day_of_week="mon", hour="*", timezone="UTC")]
    ),
}


class TestOurTriggers(TriggerSuite):
    @pytest.fixture(params=OURS)
    def trigger(self, request: pytest.FixtureRequest) -> Any:
        return OURS[request.param]


class FullHours(BaseTrigger):
    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        full = now.replace(minute=0, second=0, microsecond=0)
        return full if full == now else full + timedelta(hours=1)


class TestAProgramsTrigger(TriggerSuite):
    stored = False

    @pytest.fixture
    def trigger(self) -> Any:
        return FullHours()


class Forgetful(BaseTrigger):
    """Breaks the law: its answer depends on how often it was asked."""

    asked = 0

    def next_after(self, moment: int) -> int:
        self.asked += 1
        return moment + self.asked


def test_the_suite_finds_a_trigger_that_breaks_the_law() -> None:
    with pytest.raises(AssertionError):
        TriggerSuite().test_the_answer_depends_on_the_moment_alone(Forgetful())
    with pytest.raises(AssertionError):
        TriggerSuite().test_nothing_lies_between_a_moment_and_its_firing(Forgetful())


def test_a_program_is_tested_with_a_script_and_a_clock_that_is_moved() -> None:
    clock = VirtualClock(from_datetime(datetime(2030, 1, 1, tzinfo=UTC)))
    executor = ScriptedExecutor({"good": 5, "bad": [ValueError("first"), 7]}, held=["slow"], clock=clock)
    scheduler = BackgroundScheduler(clock=clock, timezone="UTC", executors={"default": executor})
    heard: dict[str, Any] = {}
    came = threading.Condition()

    def listener(event: Any) -> None:
        with came:
            heard[event.job_id] = event.exception or event.retval
            came.notify_all()

    def wait(job: str) -> Any:
        with came:
            assert came.wait_for(lambda: job in heard, 10)
        return heard.pop(job)

    scheduler.add_listener(listener, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.start()
    for name in ("good", "bad", "slow"):
        scheduler.add_job(print, "interval", hours=1, id=name, misfire_grace_time=None)
    clock.advance(3600 * SECOND)
    scheduler.wakeup()
    assert wait("good") == 5
    assert str(wait("bad")) == "first"
    assert "slow" not in heard
    executor.release("slow")
    assert wait("slow") is None
    clock.advance(3600 * SECOND)
    scheduler.wakeup()
    assert wait("bad") == 7
    scheduler.shutdown()
    assert sorted(executor.started) == ["bad", "bad", "good", "good", "slow", "slow"]
