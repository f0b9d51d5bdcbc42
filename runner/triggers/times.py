"""The times people give: datetimes, dates and ISO-like text, in a zone, and how triggers keep them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

from runner.errors import TriggerError
from runner.moment import SECOND, Moment, Span, from_datetime, iso, parse_iso, to_datetime
from runner.triggers.zones import FIRST, LAST, local_name, name_of, zone

Time = datetime | date | str

_MOST_SPREAD = 366 * 86_400


def moment_of(when: Time | None, zone_name: str, what: str = "time") -> Moment | None:
    """The moment of what somebody wrote; without an offset it is on the zone's wall clock (in a gap: its end)."""
    if when is None:
        return None
    if isinstance(when, str):
        when = read(when, what)
    if not isinstance(when, datetime):
        if not isinstance(when, date):
            raise TypeError(f"Unsupported type for {what}: {type(when).__name__}")
        when = datetime.combine(when, time())
    if when.tzinfo is not None:
        found = from_datetime(when)
    elif zone_name == "UTC":
        found = from_datetime(when.replace(tzinfo=UTC))
    else:
        wall = when.replace(microsecond=0)
        found = zone(zone_name).moment_of(local_of(wall)) + when.microsecond
    if not FIRST * SECOND <= found < LAST * SECOND:
        raise TriggerError(
            f"{what} {when} is at the end of time", hint="years 1 to 9999 can be reckoned with"
        )
    return found


def spread_of(jitter: float | None) -> Span:
    """Jitter given in seconds as a span; TriggerError where it is none."""
    if jitter is None:
        return 0
    try:
        fits = 0 <= jitter <= _MOST_SPREAD
    except TypeError:
        fits = False
    if not fits:
        raise TriggerError(f"jitter is {jitter!r}", hint="give seconds, 0 or more, at most a year")
    return round(jitter * SECOND)


def jitter_of(spread: Span) -> float | None:
    """The jitter as it was given: seconds, a whole number where it is one; None where there is none."""
    seconds, rest = divmod(spread, SECOND)
    return (spread / SECOND if rest else seconds) or None


_SHORT = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2}):(\d{1,2})(.*))?")
"""A time whose figures lack a nought, as APScheduler 3 takes it."""


def read(text: str, what: str) -> datetime:
    """The time of an ISO-like text, naive where it has no offset; TriggerError names `what` is wrong."""
    try:
        return datetime.fromisoformat(_SHORT.sub(_filled, text.strip(), 1))
    except ValueError:
        hint = "write 2026-12-24, 2026-12-24T08:00 or 2026-12-24T08:00+01:00"
        raise TriggerError(f'{what} "{text}" is not a date or time', hint=hint) from None


def _filled(short: re.Match[str]) -> str:
    year, month, day, hour, minute, second, rest = short.groups()
    date = f"{year}-{month:0>2}-{day:0>2}"
    return date if hour is None else f"{date}T{hour:0>2}:{minute:0>2}:{second:0>2}{rest}"


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
        "zone": zone(data.get("timezone", "UTC")).name,
        "start": parse_iso(data["start"]) if data.get("start") else None,
        "end": parse_iso(data["end"]) if data.get("end") else None,
        "jitter": spread_of(data.get("jitter")),
    }


def zone_of_times(zone_or_name: str | tzinfo | None, *times: Time | None) -> str:
    """The zone somebody gave, else that of the first time that has one, else the machine's."""
    if zone_or_name is None:
        zone_or_name = next((found for time in times if (found := getattr(time, "tzinfo", None))), None)
    return local_name() if zone_or_name is None else name_of(zone_or_name)


def bounds(start: Time | None, end: Time | None, zone_name: str) -> tuple[Moment | None, Moment | None]:
    """start_date and end_date as moments; TriggerError where the end comes first."""
    first, last = moment_of(start, zone_name, "start_date"), moment_of(end, zone_name, "end_date")
    if first is not None and last is not None and last < first:
        raise TriggerError("end_date is earlier than start_date", hint="swap them")
    return first, last


def aware(moment: Moment | None, zone_name: str) -> datetime | None:
    """A moment as people read it in a zone."""
    return None if moment is None else to_datetime(moment, tz_of(zone_name))


def shown(moment: Moment, zone_name: str) -> str:
    """A moment as it stands in a `repr`."""
    return to_datetime(moment, tz_of(zone_name)).strftime("%Y-%m-%d %H:%M:%S %Z")


def shown_options(zone_name: str, start: Moment | None, end: Moment | None, jitter: Span) -> list[str]:
    """What a `repr` says of the options most triggers share."""
    options = []
    if start is not None:
        options.append(f"start_date='{shown(start, zone_name)}'")
    if end is not None:
        options.append(f"end_date='{shown(end, zone_name)}'")
    if jitter:
        options.append(f"jitter={jitter / SECOND:g}")
    return [*options, f"timezone='{zone_name}'"]
