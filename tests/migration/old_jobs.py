"""Jobs as a program of APScheduler 3.11 had them: every trigger, zones of all kinds, arguments of all plain kinds."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.differential import work

FAR = datetime(2040, 1, 1, 12, 30)


def add_all(scheduler: Any) -> None:
    """Add them to a scheduler of APScheduler's."""
    from apscheduler.triggers.combining import AndTrigger, OrTrigger
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    add = scheduler.add_job
    add(work.add, "date", [1], {"c": 4}, run_date=FAR, id="date", name="once", misfire_grace_time=30)
    add(
        work.nothing,
        "interval",
        hours=3,
        minutes=7,
        start_date=FAR,
        end_date=FAR + timedelta(days=500),
        jitter=5,
        id="interval",
        coalesce=False,
        max_instances=4,
        executor="other",
    )
    add(
        work.nothing,
        "interval",
        weeks=1,
        timezone=ZoneInfo("Asia/Kolkata"),
        start_date="2040-05-01",
        id="weekly",
    )
    every: dict[str, dict[str, Any]] = {
        "plain": {"hour": 5, "minute": "*/10"},
        "names": {"month": "jan-mar", "day_of_week": "mon-fri,sun", "hour": "8-18/2"},
        "positions": {"day": "2nd fri,last sun", "hour": 1},
        "last": {"day": "last", "year": "2040-2050"},
        "start": {"second": "5/20", "start_date": "2040-02-01", "end_date": "2041-02-01", "jitter": 3},
        "week": {"week": "1,53", "day_of_week": 0},
    }
    for id, fields in every.items():
        fields = {"year": "2040-2060", **fields}
        add(work.nothing, "cron", id=f"cron {id}", timezone="Europe/Berlin", **fields)
    add(work.nothing, "calendarinterval", months=1, start_date=date(2040, 1, 31), hour=4, id="calendar")
    monday = CronTrigger(day_of_week="mon", hour=6, year="2040-2050", timezone="UTC")
    hourly = IntervalTrigger(hours=1, start_date=FAR, timezone="UTC")
    add(work.nothing, OrTrigger([monday, hourly]), id="or")
    add(work.nothing, AndTrigger([monday, CronTrigger(minute=0, timezone="UTC")], jitter=9), id="and")
    add(work.nothing, "cron", hour=5, id="paused", next_run_time=None)
    add(
        work.note,
        "date",
        [[1, "two", 3.5, None, True, b"bytes", {1, 2}, (4, 5), {"k": [6]}]],
        run_date=FAR,
        id="arguments",
    )
    add(
        "tests.differential.work:note",
        "date",
        [
            (
                Decimal("1.5"),
                date(2030, 1, 2),
                datetime(2030, 1, 2, 3, tzinfo=UTC),
                timedelta(5),
                uuid.UUID(int=7),
            )
        ],
        run_date=datetime(2041, 1, 1, 5, tzinfo=ZoneInfo("America/New_York")),
        id="more arguments",
        misfire_grace_time=None,
    )
