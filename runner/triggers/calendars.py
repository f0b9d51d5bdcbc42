"""Days off: a country's holidays, weekend days, added and removed dates, and dates of an ICS file.

A calendar is a value. `config` reads the files; what is here only answers "is this date a day off, and why".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from itertools import islice, takewhile
from typing import Any

from runner.errors import TriggerError
from runner.triggers.cron.fields import WEEKDAY


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days off. `weekend` has Python's weekday numbers (0 is Monday); `add` and `remove` win over the rest.

    `country` and `subdivision` are codes of the `holidays` library (`NO`, `US` with `CA`).
    """

    name: str
    country: str | None = None
    subdivision: str | None = None
    weekend: frozenset[int] = frozenset()
    add: tuple[tuple[date, str], ...] = ()
    remove: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if len(self.weekend) >= 7:
            raise TriggerError(f"calendar {self.name}: every day of the week is a day off", path=("weekend",))
        if self.country is not None:
            _known(self.country, self.subdivision)

    def day_off(self, day: date) -> str | None:
        """Why a date is a day off (`Christmas Day`, `Saturday`), or None where it is worked."""
        if day in self.remove:
            return None
        for added, why in self.add:
            if added == day:
                return why or "added day off"
        if self.country is not None:
            name = _holidays(self.country, self.subdivision, day.year).get(day)
            if name is not None:
                return name
        return day.strftime("%A") if day.weekday() in self.weekend else None

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"name": self.name}
        if self.country is not None:
            data["country"] = self.country
        if self.subdivision is not None:
            data["subdivision"] = self.subdivision
        if self.weekend:
            data["weekend"] = sorted(self.weekend)
        if self.add:
            data["add"] = [[day.isoformat(), why] for day, why in self.add]
        if self.remove:
            data["remove"] = sorted(day.isoformat() for day in self.remove)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calendar:
        return cls(
            data["name"],
            data.get("country"),
            data.get("subdivision"),
            frozenset(data.get("weekend", ())),
            tuple((date.fromisoformat(day), why) for day, why in data.get("add", ())),
            frozenset(date.fromisoformat(day) for day in data.get("remove", ())),
        )


def read(name: str, data: Mapping[str, Any], *, ics: str | None = None) -> Calendar:
    """A calendar as people write it: `{country, subdivision, weekend: [sat, sun], add: [...], remove: [...]}`.

    `ics` is the text of the file that the key `ics` names. TriggerError says what is wrong, its `path` where.
    """
    weekend: set[int] = set()
    for index, word in enumerate(_list(data, "weekend")):
        number = WEEKDAY.number_of(str(word))
        if number is None:
            hint = "write mon, tue, wed, thu, fri, sat or sun"
            raise TriggerError(f"{word!r} is not a day of the week", hint=hint, path=("weekend", index))
        weekend.add((number - 1) % 7)
    added = [(_date(day, ("add", index)), "") for index, day in enumerate(_list(data, "add"))]
    if ics is not None:
        try:
            added += dates_of_ics(ics)
        except TriggerError as error:
            raise error.under("ics") from None
    removed = frozenset(_date(day, ("remove", index)) for index, day in enumerate(_list(data, "remove")))
    country, subdivision = _code(data, "country"), _code(data, "subdivision")
    if country is None and subdivision is not None:
        raise TriggerError("a subdivision needs its country", hint="as in country: US", path=("subdivision",))
    return Calendar(name, country, subdivision, frozenset(weekend), tuple(sorted(added)), removed)


def _list(data: Mapping[str, Any], key: str) -> Sequence[Any]:
    found = data.get(key)
    if found is None or isinstance(found, list | tuple):
        return found or ()
    raise TriggerError(f"{key} is {found!r}, not a list", hint=f"write {key}: [...]", path=(key,))


def _code(data: Mapping[str, Any], key: str) -> str | None:
    found = data.get(key)
    if found is None or isinstance(found, str):
        return found
    hint = "NO is a text here; put other codes in quotes"
    raise TriggerError(f"{key} is {found!r}, not a code", hint=hint, path=(key,))


def _date(value: Any, path: tuple[str | int, ...]) -> date:
    try:
        return value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise TriggerError(f"{value!r} is not a date", hint="write 2026-12-24", path=path) from None


@lru_cache(maxsize=1024)
def _holidays(country: str, subdivision: str | None, year: int) -> dict[date, str]:
    import holidays

    found = holidays.country_holidays(country, subdiv=subdivision, years=year, language="en_US")
    return {day: str(name) for day, name in found.items()}


@lru_cache(maxsize=256)
def _known(country: str, subdivision: str | None) -> None:
    try:
        _holidays(country, subdivision, 2026)
    except ImportError as error:
        hint = "install it with: pip install 'runner[calendars]'"
        raise TriggerError("holidays of a country need the `holidays` library", hint=hint) from error
    except NotImplementedError as error:
        key = "country" if subdivision is None else "subdivision"
        hint = "use a two-letter code such as NO, DE or US, and its own codes for subdivisions"
        what = country if subdivision is None else f"{country} / {subdivision}"
        raise TriggerError(f"there are no holidays known for {what}", hint=hint, path=(key,)) from error


def dates_of_ics(text: str) -> tuple[tuple[date, str], ...]:
    """The dates of an ICS file's events with their summaries, for `Calendar.add`.

    All-day and timed events count as the dates they begin and last, those that recur up to the end of 2050, without
    what was cancelled and with a moved instance where it was moved to (RFC 5545, RECURRENCE-ID and STATUS);
    TriggerError where the text is no calendar.
    """
    try:
        import icalendar
    except ImportError as error:
        hint = "install it with: pip install 'runner[calendars]'"
        raise TriggerError("ICS files need the `icalendar` library", hint=hint) from error
    try:
        events: Iterable[Any] = icalendar.Calendar.from_ical(text).walk("VEVENT")
    except ValueError as error:
        raise TriggerError(
            f"this is not an ICS calendar: {error}", hint="it begins with BEGIN:VCALENDAR"
        ) from error
    listed = list(events)
    replaced: dict[str, set[date]] = {}
    for event in listed:
        if (instance := event.decoded("RECURRENCE-ID", None)) is not None:
            replaced.setdefault(str(event.get("UID", "")), set()).add(_day(instance))
    found: set[tuple[date, str]] = set()
    for event in listed:
        if str(event.get("STATUS", "")).upper() != "CANCELLED":
            found.update(_dates_of_event(event, replaced))
    return tuple(sorted(found))


def _dates_of_event(event: Any, replaced: Mapping[str, set[date]]) -> Iterable[tuple[date, str]]:
    """`replaced`: by the UID of events that recur, the days of which another event stands in the file."""
    start = event.decoded("DTSTART", None)
    if start is None:
        return
    first = _day(start)
    end = event.decoded("DTEND", None)
    if end is None and (length := event.decoded("DURATION", None)) is not None:
        end = start + length
    last = first.toordinal()
    if end is not None:
        ends_at_midnight = not hasattr(end, "hour") or (end.hour, end.minute, end.second) == (0, 0, 0)
        last = max(last, _day(end).toordinal() - (1 if ends_at_midnight else 0))
    summary = str(event.get("SUMMARY", ""))
    begins = {first}
    if "RECURRENCE-ID" not in event:
        begins = _begins(event, first) - replaced.get(str(event.get("UID", "")), set())
    for begin in begins:
        for number in range(begin.toordinal(), begin.toordinal() + last - first.toordinal() + 1):
            yield date.fromordinal(number), summary


def _day(when: date) -> date:
    """The date of a date or a datetime."""
    return date(when.year, when.month, when.day)


_UNTIL = re.compile(r"UNTIL=(\d{8})[^;]*")
_LAST_YEAR = 2050
_MOST_DATES = 20_000


def _begins(event: Any, first: date) -> set[date]:
    """The days on which an event begins: one, or those of its rule without its exceptions."""
    from dateutil.rrule import rrulestr

    begins = {first}
    for rule in _listed(event.get("RRULE")):
        # Days are all that counts, so an end in UTC is the whole of its day.
        text = _UNTIL.sub(r"UNTIL=\1T235959", rule.to_ical().decode())
        try:
            found = rrulestr(text, dtstart=datetime.combine(first, time()))
            near = takewhile(lambda each: each.year <= _LAST_YEAR, islice(found, _MOST_DATES))
            begins |= {each.date() for each in near}
        except (ValueError, TypeError) as error:
            hint = "what recurs has an RRULE such as FREQ=YEARLY"
            raise TriggerError(
                f"an event recurs by {text!r}, which cannot be read: {error}", hint=hint
            ) from None
    begins |= _dates(event, "RDATE")
    return begins - _dates(event, "EXDATE")


def _dates(event: Any, name: str) -> set[date]:
    found = set()
    for listed in _listed(event.get(name)):
        for each in listed.dts:
            when = each.dt[0] if isinstance(each.dt, tuple) else each.dt
            found.add(_day(when))
    return found


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
