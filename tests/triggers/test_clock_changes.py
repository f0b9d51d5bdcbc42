"""Every clock change, minute by minute, against zoneinfo alone: none skipped, none doubled, all in order.

In the suite every change from 1970 to 2037 of a dozen zones that do it differently; in the long form (`make long`) of
every zone there is. What is expected is worked out here from the wall clock that zoneinfo shows each minute, without a
look at the tables under test.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from runner.moment import SECOND
from runner.triggers.cron.crontab import CrontabTrigger
from tests.triggers.test_zones import compiled, listed

ZONES = {
    "Antarctica/Casey": "changes by three hours",
    "Africa/Cairo": "changes at midnight, and for Ramadan",
    "Africa/Casablanca": "in Ramadan an hour back",
    "Africa/Monrovia": "changed by 44 minutes and 30 seconds",
    "America/New_York": "the usual hour",
    "America/Sao_Paulo": "days without midnight",
    "America/St_Johns": "changes at 00:01, once by two hours",
    "Asia/Gaza": "changes by decree",
    "Asia/Tehran": "changes at midnight, half-hour offset",
    "Australia/Lord_Howe": "changes by half an hour",
    "Europe/Berlin": "the usual hour",
    "Europe/Dublin": "winter is the change",
    "Pacific/Apia": "skipped a whole day",
    "Antarctica/Troll": "changes by two hours",
}
LONG = bool(os.environ.get("RUNNER_LONG"))
FROM, UNTIL = 0, 2_145_916_800  # 1970 to the end of 2037
AROUND = 5 * 3600
LONGEST = timedelta(hours=3)

Matches = Callable[[datetime], bool]

FIXED: dict[str, Matches] = {
    "30 2 * * *": lambda at: (at.hour, at.minute) == (2, 30),
    "0 0 * * *": lambda at: (at.hour, at.minute) == (0, 0),
    "0,15,45 0-3,23 * * *": lambda at: at.minute in (0, 15, 45) and at.hour in (0, 1, 2, 3, 23),
    "10 1 * * sun": lambda at: (at.hour, at.minute, at.weekday()) == (1, 10, 6),
}
WILDCARD: dict[str, Matches] = {
    "* * * * *": lambda at: True,
    "*/20 * * * *": lambda at: at.minute % 20 == 0,
    "15 * * * *": lambda at: at.minute == 15,
    "30 */2 * * *": lambda at: at.minute == 30 and at.hour % 2 == 0,
    "*/10 2 * * *": lambda at: at.minute % 10 == 0 and at.hour == 2,
}


def zones() -> list[str]:
    """Names of which each has a history of its own: links to another one are left out."""
    if not LONG:
        return sorted(ZONES)
    names = sorted(name for name in available_timezones() if name not in ("localtime", "Factory"))
    return sorted({compiled(name): name for name in reversed(names)}.values())


Shown = list[tuple[int, datetime]]


def walls(info: ZoneInfo, begin: int, end: int, step: int) -> Shown:
    """(second, what the clock shows)."""
    return [
        (second, datetime.fromtimestamp(second, info).replace(tzinfo=None))
        for second in range(begin, end, step)
    ]


def fired(text: str, name: str, begin: int, end: int) -> list[int]:
    trigger = CrontabTrigger.of(text, name)
    found = []
    at = trigger.next_after(begin * SECOND - 1)
    while at is not None and at < end * SECOND:
        found.append(at // SECOND)
        at = trigger.next_after(at)
    return found


@cache
def changes(name: str) -> list[int]:
    """The seconds of the changes, from the compiled file, and from 2037 on where it says only a rule."""
    found = [second for second, _ in listed(name)]
    info = ZoneInfo(name)
    for day in range((found[-1] if found else FROM) // 86_400 + 1, UNTIL // 86_400):
        low, high = day * 86_400, (day + 1) * 86_400
        if offset(info, low) != offset(info, high):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(info, middle) == offset(info, low) else (low, middle)
            found.append(high)
    return [second for second in found if FROM <= second < UNTIL]


def offset(info: ZoneInfo, second: int) -> timedelta | None:
    return datetime.fromtimestamp(second, info).utcoffset()


@pytest.mark.parametrize("name", zones())
def test_around_every_change(name: str) -> None:
    """A wildcard line on every wall-clock minute there is, a fixed one once for each of its local times."""
    info = ZoneInfo(name)
    for change in changes(name):
        begin, end = change - AROUND, change + AROUND
        whole = all(at.second == 0 for at in (wall(info, begin), wall(info, end)))
        shown = walls(info, begin, end, 60 if whole else 30)
        for text, matches in WILDCARD.items():
            expected = [second for second, at in shown if at.second == 0 and matches(at)]
            assert fired(text, name, begin, end) == expected, (text, change)
        first = [(second, at) for second, at in shown if at.second == 0 and first_pass(at, second, info)]
        gaps = left_out(shown)
        for text, matches in FIXED.items():
            times = {second for second, at in first if matches(at)}
            times |= {second for second, missing in gaps if any(map(matches, missing))}
            assert fired(text, name, begin, end) == sorted(times), (text, change)


def wall(info: ZoneInfo, second: int) -> datetime:
    return datetime.fromtimestamp(second, info)


def left_out(shown: Shown) -> list[tuple[int, list[datetime]]]:
    """The ends of gaps of up to three hours, and the wall-clock minutes that did not exist."""
    found = []
    for (earlier, before), (second, after) in pairwise(shown):
        if timedelta(0) < after - before - timedelta(seconds=second - earlier) <= LONGEST:
            first = before.replace(second=0) + timedelta(minutes=1)
            missing = [
                first + timedelta(minutes=n) for n in range((after - first) // timedelta(minutes=1) + 1)
            ]
            found.append((second, [at for at in missing if at < after]))
    return found


def first_pass(at: datetime, second: int, info: ZoneInfo) -> bool:
    return int(at.replace(tzinfo=info, fold=0).timestamp()) == second


@pytest.mark.parametrize("name", zones())
def test_a_daily_line_fires_once_on_every_day_there_is(name: str) -> None:
    """And none of the answers stands before, or on, the one before it. (In 1994 Vostok left out seven hours.)"""
    info = ZoneInfo(name)
    trigger = CrontabTrigger.of("30 2 * * *", name)
    at = trigger.next_after(FROM * SECOND + 86_400 * SECOND)
    days: list[date] = []
    while at is not None and at < UNTIL * SECOND:
        days.append(datetime.fromtimestamp(at // SECOND, info).date())
        later = trigger.next_after(at)
        assert later is not None
        assert later > at
        at = later
    for earlier, day in pairwise(days):
        lost = [earlier + timedelta(n) for n in range(1, (day - earlier).days)]
        assert day > earlier
        assert not any(exists(info, each) for each in lost), (earlier, day)


def exists(info: ZoneInfo, day: date) -> bool:
    """Whether 02:30 of a date was there, or left out by a gap of up to three hours only."""
    first = datetime(day.year, day.month, day.day, 2, 30, tzinfo=info)
    back = datetime.fromtimestamp(first.timestamp(), info)
    if (back.date(), back.hour, back.minute) == (day, 2, 30):
        return True
    later, earlier = first.replace(fold=0).utcoffset(), first.replace(fold=1).utcoffset()
    assert later is not None
    assert earlier is not None
    return abs(later - earlier) <= LONGEST


def test_apia_had_no_30_december_2011() -> None:
    info = ZoneInfo("Pacific/Apia")
    assert not exists(info, date(2011, 12, 30))
    begin = int(datetime(2011, 12, 29, tzinfo=info).timestamp())
    days = [wall(info, at).date() for at in fired("30 2 * * *", "Pacific/Apia", begin, begin + 4 * 86_400)]
    assert days == [date(2011, 12, 29), date(2011, 12, 31), date(2012, 1, 1), date(2012, 1, 2)]
