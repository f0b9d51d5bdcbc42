"""Every key of a configuration that APScheduler 3.11 documents has its meaning here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from runner.core.action import Change
from runner.errors import StoreError
from runner.events import EVENT_JOB_EXECUTED
from runner.executors.pool import ThreadPoolExecutor
from runner.jobstores.base import Fence
from runner.jobstores.memory import MemoryJobStore
from runner.jobstores.redis import RedisJobStore
from runner.schedulers.background import BackgroundScheduler
from tests.schedulers.moved import Moved
from tests.schedulers.targets import nothing
from tests.waiting import PATIENCE

Make = Callable[..., Moved]
LOGGER = logging.getLogger("a.program")


class Failing(MemoryJobStore):
    def __init__(self) -> None:
        super().__init__()
        self.failing = False
        self.tried = threading.Semaphore(0)

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        if self.failing:
            self.tried.release()
            raise StoreError("it is away")
        super().write(changes, fence)


@pytest.mark.parametrize("interval", [7, "7", 7.0])
def test_a_store_that_failed_is_asked_again_after_the_retry_interval(moved: Make, interval: Any) -> None:
    store = Failing()
    one = moved(jobstores={"default": store}, jobstore_retry_interval=interval)
    one.scheduler.add_job(nothing, "interval", seconds=1, id="each", misfire_grace_time=None)
    store.failing = True
    one.pass_(1)
    assert store.tried.acquire(timeout=PATIENCE)
    one.pass_(6)
    assert not store.tried.acquire(blocking=False), "not before its time"
    one.pass_(1)
    assert store.tried.acquire(timeout=PATIENCE)
    store.failing = False
    one.pass_(6)
    assert not one.ears.of(EVENT_JOB_EXECUTED)
    one.pass_(1)
    one.ears.wait(EVENT_JOB_EXECUTED)


def test_a_store_that_failed_is_asked_again_soon_where_nothing_is_said(moved: Make) -> None:
    store = Failing()
    one = moved(jobstores={"default": store})
    one.scheduler.add_job(nothing, "interval", seconds=1, id="each")
    store.failing = True
    for _ in range(4):
        one.pass_(1)
        assert store.tried.acquire(timeout=PATIENCE)


@pytest.mark.parametrize("interval", [0, -1, "inf", "nan", "soon"])
def test_an_interval_that_is_none(interval: Any) -> None:
    with pytest.raises(ValueError, match=r"jobstore_retry_interval|could not convert"):
        BackgroundScheduler(jobstore_retry_interval=interval)


def test_the_documented_dictionary() -> None:
    """The example of APScheduler's user guide, with its keys as they stand there."""
    scheduler = BackgroundScheduler(
        {
            "apscheduler.jobstores.mongo": {"type": "redis", "host": "localhost", "port": "6379"},
            "apscheduler.jobstores.default": {"type": "sqlalchemy", "url": "sqlite:///jobs.sqlite"},
            "apscheduler.executors.default": {
                "class": "apscheduler.executors.pool:ThreadPoolExecutor",
                "max_workers": "20",
            },
            "apscheduler.executors.processpool": {"type": "processpool", "max_workers": "5"},
            "apscheduler.job_defaults.coalesce": "false",
            "apscheduler.job_defaults.max_instances": "3",
            "apscheduler.job_defaults.misfire_grace_time": "15",
            "apscheduler.timezone": "UTC",
            "apscheduler.daemon": "off",
            "apscheduler.jobstore_retry_interval": "2.5",
            "apscheduler.logger": "a.program",
            "another.key": "nobody's",
        }
    )
    house, read = scheduler._house, scheduler._options
    assert isinstance(house.stores["mongo"], RedisJobStore)
    assert set(house.stores) == {"mongo", "default"}
    assert (house.hands.executors["default"].capacity, house.hands.executors["processpool"].capacity) == (
        20,
        5,
    )
    assert (read.defaults.coalesce, read.defaults.max_instances, read.defaults.misfire_grace_time) == (
        False,
        3,
        15,
    )
    assert (str(scheduler.timezone), read.daemon, read.retry_every) == ("UTC", False, 2_500_000)
    assert read.logger is LOGGER
    assert dict(read.rest) == {}


def test_a_logger_and_a_class_may_be_named_or_given() -> None:
    named = BackgroundScheduler(
        logger=f"{__name__}:LOGGER", jobstores={"default": {"class": f"{__name__}:Failing"}}
    )
    given = BackgroundScheduler(
        logger=LOGGER,
        jobstores={"default": {"class": Failing}},
        executors={"default": {"class": ThreadPoolExecutor, "max_workers": 2}},
    )
    for scheduler in (named, given):
        assert scheduler._options.logger is LOGGER
        assert type(scheduler._house.stores["default"]).__name__ == "Failing"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (
            {"executors": {"default": {"max_workers": 2}}},
            ValueError,
            'either "type" or "class" must be defined',
        ),
        ({"jobstores": {"default": {"url": "x"}}}, ValueError, 'either "type" or "class" must be defined'),
        (
            {"executors": {"default": {"type": "nobody"}}},
            LookupError,
            'No executor by the name "nobody" was found',
        ),
        (
            {"jobstores": {"default": {"type": "nobody"}}},
            LookupError,
            'No jobstore by the name "nobody" was found',
        ),
        ({"executors": {"default": 5}}, TypeError, "Expected executor instance or dict for executors"),
        ({"job_defaults": {"coalesce": "maybe"}}, ValueError, 'Unable to interpret value "maybe" as boolean'),
        ({"daemon": "perhaps"}, ValueError, 'Unable to interpret value "perhaps" as boolean'),
        ({"timezone": "Nowhere/Land"}, Exception, "Nowhere/Land"),
        ({"logger": "nobody:here"}, LookupError, "Error resolving reference nobody:here"),
    ],
)
def test_what_is_refused(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words.replace('"', ".")):
        BackgroundScheduler(**options)
