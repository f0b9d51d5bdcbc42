"""The times people give: datetimes, dates and ISO-like text, in a zone, and how triggers keep them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

from runner.errors import TriggerError
from runner.moment import SECOND, Moment, Span, from_datetime, iso, parse_iso, to_datetime
from runner.triggers.zones import zone

Time = datetime | date | str


def moment_of(when: Time | None, zone_name: str, what: str = "time") -> Moment | None:
    """The moment of what somebody wrote; without an offset it is on the zone's wall clock (in a gap: its end)."""
    if when is None:
        return None
    if isinstance(when, str):
        when = _read(when, what)
    if not isinstance(when, datetime):
        if not isinstance(when, date):
            raise TriggerError(f"{what} is {when!r}, not a time", hint="write 2026-12-24T08:00")
        when = datetime.combine(when, time())
    if when.tzinfo is not None:
        return from_datetime(when)
    wall = when.replace(microsecond=0)
    return zone(zone_name).moment_of(local_of(wall)) + when.microsecond


def _read(text: str, what: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        hint = "write 2026-12-24, 2026-12-24T08:00 or 2026-12-24T08:00+01:00"
        raise TriggerError(f'{what} "{text}" is not a date or time', hint=hint) from None


def local_of(wall: datetime) -> int:
    """A naive datetime as whole seconds of wall clock."""
    return from_datetime(wall.replace(tzinfo=UTC)) // SECOND


def wall_of(local: int) -> datetime:
    """Seconds of wall clock as a naive datetime."""
    return to_datetime(local * SECOND).replace(tzinfo=None)


def tz_of(zone_name: str) -> tzinfo:
    """The tzinfo of a trigger's zone."""
    return zone(zone_name).info


def options_to_json(
    zone_name: str | None, start: Moment | None, end: Moment | None, jitter: Span
) -> dict[str, Any]:
    """The keys most triggers share; absent where they say nothing."""
    data: dict[str, Any] = {}
    if zone_name is not None:
        data["timezone"] = zone_name
    if start is not None:
        data["start"] = iso(start)
    if end is not None:
        data["end"] = iso(end)
    if jitter:
        data["jitter"] = jitter / SECOND
    return data


def options_from_json(data: dict[str, Any]) -> dict[str, Any]:
    """The inverse: keyword arguments `zone`, `start`, `end`, `jitter`."""
    return {
        "zone": data.get("timezone", "UTC"),
        "start": parse_iso(data["start"]) if data.get("start") else None,
        "end": parse_iso(data["end"]) if data.get("end") else None,
        "jitter": round(data.get("jitter", 0) * SECOND),
    }
