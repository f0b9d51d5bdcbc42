"""A moment is a whole number of microseconds since 1970-01-01 UTC; a span is a whole number of microseconds.

Inside the house time is an integer: it compares, hashes, adds and stores in one machine word, it has no
zone to forget, and it is what the database keeps. Zones exist in two places only: in triggers, which turn
wall-clock rules into moments, and at the faces, where people read and write aware datetimes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

Moment = int
Span = int

MICROSECOND: Span = 1
MILLISECOND: Span = 1_000
SECOND: Span = 1_000_000
MINUTE: Span = 60 * SECOND
HOUR: Span = 60 * MINUTE
DAY: Span = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = timedelta(microseconds=1)


def from_datetime(when: datetime) -> Moment:
    """The moment of an aware datetime; a naive one is a ValueError, because nobody can say when it is."""
    if when.tzinfo is None:
        raise ValueError(f"{when.isoformat()} has no time zone")
    return (when - _EPOCH) // _ONE


def to_datetime(moment: Moment, zone: tzinfo = UTC) -> datetime:
    """The aware datetime of a moment, in a zone (UTC unless said)."""
    second, rest = divmod(moment, SECOND)
    # Four times as fast as adding to an epoch; a datetime's own `replace` keeps `fold`.
    found = datetime.fromtimestamp(second, zone)
    return found.replace(microsecond=rest) if rest else found


def iso(moment: Moment, zone: tzinfo = UTC) -> str:
    """ISO 8601 with offset, as people and JSON read it: `2026-03-29T03:00:00+02:00`."""
    return to_datetime(moment, zone).isoformat()


def parse_iso(text: str) -> Moment:
    """The moment of an ISO 8601 text with offset; ValueError where it has none."""
    return from_datetime(datetime.fromisoformat(text))


def seconds(span: Span) -> float:
    """A span in seconds, as JSON and people read it."""
    return span / SECOND
