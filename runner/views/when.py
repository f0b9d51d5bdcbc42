"""Times as people say them: `today 02:00`, `in 5m`, `3h ago`; and as machines read them."""

from __future__ import annotations

from datetime import UTC, date, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from runner.duration import say_duration
from runner.moment import MINUTE, SECOND, Moment, Span, to_datetime
from runner.moment import iso as _iso


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo:
    """The zone of this name, UTC where this machine knows none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def iso(moment: Moment | None, zone: tzinfo) -> str | None:
    """ISO 8601 with offset, or None: JSON's way."""
    return None if moment is None else _iso(moment, zone)


def day(of: date, today: date) -> str:
    """`today`, `tomorrow`, `yesterday`, `Thu 26 Nov`, and with the year where it is another one."""
    near = {0: "today", 1: "tomorrow", -1: "yesterday"}.get((of - today).days)
    return near or of.strftime("%a %d %b" if of.year == today.year else "%a %d %b %Y")


def when(moment: Moment, now: Moment, zone: tzinfo) -> str:
    """`today 02:00`, `Thu 26 Nov 07:30:15`: seconds only where there are some."""
    there = to_datetime(moment, zone)
    clock = there.strftime("%H:%M:%S" if there.second else "%H:%M")
    return f"{day(there.date(), to_datetime(now, zone).date())} {clock}"


def away(moment: Moment, now: Moment) -> str:
    """`in 5m`, `3h 10m ago`, `now`: rounded down, for it is a help and no figure."""
    span = moment - now
    if abs(span) < SECOND:
        return "now"
    return f"in {rough(span)}" if span > 0 else f"{rough(-span)} ago"


def rough(span: Span) -> str:
    """A length rounded down to whole seconds, from a minute on to whole minutes: `42s`, `1h 5m`."""
    unit = SECOND if span < MINUTE else MINUTE
    return say_duration(span // unit * unit) if span >= SECOND else "0s"


def took(span: Span) -> str:
    return say_duration(span)
