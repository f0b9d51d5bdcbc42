"""Triggers that a program wrote for APScheduler 3: what their `get_next_fire_time` says holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from runner.events import EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.schedulers.background import BackgroundScheduler
from runner.triggers.base import BaseTrigger
from runner.triggers.combining import OrTrigger
from runner.triggers.counting import count, last
from runner.triggers.cron import CronTrigger
from runner.triggers.interval import IntervalTrigger
from tests.schedulers.moved import START, Moved
from tests.schedulers.targets import nothing

Make = Callable[..., Moved]


class FromFiringToFiring(BaseTrigger):
    """At once, then seven seconds after the firing before."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        return now if previous is None else previous + timedelta(seconds=7)


class AtNine(BaseTrigger):
    """Each day at nine by the clock it is shown; a firing itself is not before it."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        nine = now.replace(hour=9, minute=0, second=0, microsecond=0)
        return nine if nine >= now else nine + timedelta(days=1)


class EvenDays(CronTrigger):
    """A trigger of the library, with days off."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        found = super().get_next_fire_time(previous, now)
        while found is not None and found.day % 2:
            found = super().get_next_fire_time(found, found)
        return found


class EverySecondHour(IntervalTrigger):
    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        found = super().get_next_fire_time(previous, now)
        return found if found is None or found.hour % 2 == 0 else super().get_next_fire_time(found, found)


class Fails(BaseTrigger):
    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        if previous is not None:
            raise ValueError("a fault")
        return now


def test_one_that_counts_from_firing_to_firing_does(moved: Make) -> None:
    one = moved(job_defaults={"misfire_grace_time": None, "coalesce": False, "max_instances": 9})
    one.scheduler.add_job(nothing, FromFiringToFiring(), id="j")
    one.ears.wait(EVENT_JOB_EXECUTED)
    one.pass_(14)
    one.ears.wait(EVENT_JOB_EXECUTED, 3)
    one.jump(100)  # late: those that came together are its own times, too
    found = one.ears.wait(EVENT_JOB_EXECUTED, 17)
    assert sorted({event.scheduled_run_time for event in found}) == [
        START + timedelta(seconds=7 * n) for n in range(17)
    ]


def test_it_is_asked_on_the_clock_of_its_scheduler(moved: Make) -> None:
    one = moved(timezone="Asia/Tokyo", job_defaults={"misfire_grace_time": None})
    job = one.scheduler.add_job(nothing, OrTrigger([AtNine(), AtNine()]), id="two")
    assert job.next_run_time is not None
    assert (job.next_run_time - START) == timedelta(hours=12)
    job = one.scheduler.add_job(nothing, AtNine(), id="j")
    assert str(job.next_run_time) == "2030-01-02 09:00:00+09:00"
    one.jump(12 * 3600)
    one.ears.wait(EVENT_JOB_EXECUTED, job_id="j")
    assert str(job.next_run_time) == "2030-01-03 09:00:00+09:00"


def test_what_a_subclass_of_ours_says_holds_for_every_time(moved: Make) -> None:
    one = moved(job_defaults={"misfire_grace_time": None, "coalesce": False, "max_instances": 9})
    one.scheduler.add_job(nothing, EvenDays(hour=5, timezone="UTC"), id="j")
    one.jump(10 * 86_400)
    found = one.ears.wait(EVENT_JOB_EXECUTED, 5)
    assert sorted(event.scheduled_run_time.day for event in found) == [2, 4, 6, 8, 10]
    assert not one.ears.of(EVENT_JOB_MISSED)
    job = one.scheduler.get_job("j")
    assert job is not None
    assert str(job.trigger) == "cron[hour='5']"


def test_what_is_reckoned_of_ours_is_walked_of_theirs() -> None:
    trigger = EverySecondHour(hours=1, start_date=START, timezone="UTC")
    hour, start = 3_600_000_000, 1_893_499_200_000_000
    assert count(trigger, start - 1, start + 9 * hour) == 5
    assert last(trigger, start, start + 9 * hour) == start + 8 * hour
    both = OrTrigger([trigger, EverySecondHour(hours=1, start_date=START, timezone="UTC")])
    assert count(both, start - 1, start + 9 * hour) == 5


def test_one_that_fails_is_set_aside_and_may_be_removed_or_given_another(moved: Make) -> None:
    one = moved()
    for id in ("a", "b"):
        one.scheduler.add_job(nothing, Fails(), id=id)
        one.turn()
        job = one.scheduler.get_job(id)
        assert job is not None
        assert job.broken == "its trigger failed: ValueError: a fault"
    one.scheduler.remove_job("a")
    job = one.scheduler.reschedule_job("b", trigger="interval", seconds=5)
    assert job.broken == ""
    one.pass_(5)
    one.ears.wait(EVENT_JOB_EXECUTED, job_id="b")
    one.scheduler.remove_all_jobs()
    assert one.scheduler.get_jobs() == []


def test_a_store_does_not_keep_a_subclass_as_what_it_derives_from(tmp_path: Path) -> None:
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    with pytest.raises(TypeError, match="EvenDays has no JSON form, so it cannot be stored: define to_json"):
        scheduler.add_job(nothing, EvenDays(hour=5), id="j")
    scheduler.shutdown()
