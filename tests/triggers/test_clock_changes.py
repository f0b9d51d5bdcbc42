"""Every clock change, minute by minute, against zoneinfo alone: none skipped, none doubled, all in order."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from runner.moment import SECOND
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.zones import zone

ZONES = {
    "Africa/Cairo": "changes at midnight, and for Ramadan",
    "Africa/Casablanca": "in Ramadan an hour back",
    "America/New_York": "the usual hour",
    "America/Sao_Paulo": "days without midnight",
    "America/St_Johns": "changes at 00:01",
    "Asia/Gaza": "changes by decree",
    "Asia/Tehran": "changes at midnight, half-hour offset",
    "Australia/Lord_Howe": "changes by half an hour",
    "Europe/Berlin": "the usual hour",
    "Europe/Dublin": "winter is the change",
    "Pacific/Apia": "skipped a whole day",
    "Antarctica/Troll": "changes by two hours",
}
LONG = bool(os.environ.get("RUNNER_LONG_TESTS"))
FROM, UNTIL = (0 if LONG else 1_262_304_000), 2_114_380_800
AROUND = 5 * 3600

FIXED = {
    "30 2 * * *": lambda at: (at.hour, at.minute) == (2, 30),
    "0 0 * * *": lambda at: (at.hour, at.minute) == (0, 0),
    "0,15,45 0-3,23 * * *": lambda at: at.minute in (0, 15, 45) and at.hour in (0, 1, 2, 3, 23),
    "10 1 * * sun": lambda at: (at.hour, at.minute, at.weekday()) == (1, 10, 6),
}
WILDCARD = {
    "*/20 * * * *": lambda at: at.minute % 20 == 0,
    "15 * * * *": lambda at: at.minute == 15,
    "30 */2 * * *": lambda at: at.minute == 30 and at.hour % 2 == 0,
    "*/10 2 * * *": lambda at: at.minute % 10 == 0 and at.hour == 2,
}


def fired(text: str, name: str, begin: int, end: int) -> list[int]:
    trigger = CrontabTrigger.of(text, name)
    found = []
    at = trigger.next_after(begin * SECOND - 1)
    while at is not None and at < end * SECOND:
        found.append(at // SECOND)
        at = trigger.next_after(at)
    return found


def changes(name: str) -> list[int]:
    return [second for second, _, _ in zone(name).changes(FROM, UNTIL) if second % 60 == 0]


def walls(info: ZoneInfo, begin: int, end: int) -> list[tuple[int, datetime]]:
    return [
        (second, datetime.fromtimestamp(second, UTC).astimezone(info).replace(tzinfo=None))
        for second in range(begin, end, 60)
    ]


@pytest.mark.parametrize("name", ZONES)
def test_a_wildcard_line_matches_every_minute_that_exists(name: str) -> None:
    info = ZoneInfo(name)
    for change in changes(name):
        begin, end = change - AROUND, change + AROUND
        shown = walls(info, begin, end)
        for text, matches in WILDCARD.items():
            assert fired(text, name, begin, end) == [second for second, at in shown if matches(at)], (
                text,
                change,
            )


@pytest.mark.parametrize("name", ZONES)
def test_a_fixed_line_fires_once_for_each_of_its_times(name: str) -> None:
    info = ZoneInfo(name)
    for change in changes(name):
        begin, end = change - AROUND, change + AROUND
        shown = walls(info, begin, end)
        for text, matches in FIXED.items():
            assert fired(text, name, begin, end) == sorted(expected(shown, matches, info)), (text, change)


def expected(shown, matches, info):  # type: ignore[no-untyped-def]
    """Each wall-clock minute once, at its first pass; what a gap of up to three hours leaves out, at its end."""
    found = {second for second, at in shown if matches(at) and first_pass(at, second, info)}
    for (_, before), (second, after) in pairwise(shown):
        skipped = after - before - timedelta(minutes=1)
        if timedelta(0) < skipped <= timedelta(hours=3):
            missing = [before + timedelta(minutes=n + 1) for n in range(skipped // timedelta(minutes=1))]
            if any(matches(at) for at in missing):
                found.add(second)
    return found


def first_pass(at: datetime, second: int, info: ZoneInfo) -> bool:
    return int(at.replace(tzinfo=info, fold=0).timestamp()) == second


@pytest.mark.parametrize("name", ZONES)
def test_a_daily_line_fires_once_on_every_day_there_is(name: str) -> None:
    """And none of the answers stands before, or on, the one before it."""
    info = ZoneInfo(name)
    trigger = CrontabTrigger.of("30 2 * * *", name)
    at = trigger.next_after(1_262_304_000 * SECOND)
    days = []
    while at is not None and at < 1_893_456_000 * SECOND:
        days.append(datetime.fromtimestamp(at // SECOND, info).date())
        later = trigger.next_after(at)
        assert later is not None
        assert later > at
        at = later
    steps = {later - earlier for earlier, later in pairwise(days)}
    assert steps == ({timedelta(1), timedelta(2)} if name == "Pacific/Apia" else {timedelta(1)})
    assert len(set(days)) == len(days)
