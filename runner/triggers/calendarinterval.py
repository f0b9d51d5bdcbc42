"""Every so many days, weeks, months or years, at a time of day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from runner.errors import TriggerError
from runner.moment import SECOND, Moment, Span
from runner.triggers.base import BaseTrigger
from runner.triggers.cron.days import EPOCH
from runner.triggers.times import jitter_of, spread_of, tz_of, zone_of_times
from runner.triggers.zones import name_of, zone

_DAY = 86_400
_EPOCH = date(1970, 1, 1)
_MOST = 100_000


@dataclass(frozen=True, slots=True, init=False)
class CalendarIntervalTrigger(BaseTrigger):
    """Fires at one time of day on `start_date` and then every so many calendar days, weeks, months or years.

    A month that lacks the day is left out (the 31st: seven times a year). A time inside a gap fires at its end, of a
    repeated hour the first pass. Without a start date the count begins on 1970-01-01; `anchored` gives it a start,
    as the Python interface does when a job is added.
    """

    years: int
    months: int
    weeks: int
    days: int
    time: time
    start_date: date | None
    end_date: date | None
    zone: str
    spread: Span

    def __init__(
        self,
        *,
        years: int = 0,
        months: int = 0,
        weeks: int = 0,
        days: int = 0,
        hour: int = 0,
        minute: int = 0,
        second: int = 0,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        timezone: str | tzinfo | None = None,
        jitter: float | None = None,
    ) -> None:
        years, months, weeks, days = (_whole(amount) for amount in (years, months, weeks, days))
        if min(years, months, weeks, days) < 0 or not years + months + weeks + days:
            raise TriggerError(
                "interval must be at least 1 day long", hint="give years, months, weeks or days"
            )
        if max(years, months, weeks, days) > _MOST:
            raise TriggerError("an interval is longer than the calendar", hint="is the unit right?")
        zone_name = name_of(timezone) if timezone is not None else zone_of_times(None, start_date, end_date)
        start, end = _date(start_date, "start_date"), _date(end_date, "end_date")
        if start is not None and end is not None and end < start:
            raise TriggerError("end_date is earlier than start_date", hint="swap them")
        values = {
            "years": years,
            "months": months,
            "weeks": weeks,
            "days": days,
            "time": _time(hour, minute, second),
            "start_date": start,
            "end_date": end,
            "zone": zone_name,
            "spread": spread_of(jitter),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def next_after(self, moment: Moment) -> Moment | None:
        clocks = zone(self.zone)
        day = clocks.local(moment) // _DAY
        of_day = (self.time.hour * 60 + self.time.minute) * 60 + self.time.second
        for number in self._days(day - 1):
            found = clocks.moment_of(number * _DAY + of_day)
            if found > moment:
                return found
        return None

    def _days(self, earliest: int) -> Iterator[int]:
        """The days it names from a day on, numbered from 1970-01-01."""
        last = (self.end_date or date.max).toordinal() - EPOCH
        at = self.start_date or _EPOCH
        months, days = self.years * 12 + self.months, self.weeks * 7 + self.days
        if not months:
            first = at.toordinal() - EPOCH
            ahead = max(0, -((first - earliest) // days))
            yield from range(first + ahead * days, last + 1, days)
            return
        if not days:
            month = at.year * 12 + at.month - 1
            goal = date.fromordinal(min(max(earliest + EPOCH, 1), date.max.toordinal()))
            ahead = max(0, (goal.year * 12 + goal.month - 1 - month) // months - 1)
            yield from self._by_months(at, month + ahead * months, months, earliest, last)
            return
        stepped: date | None = at
        while stepped is not None and stepped.toordinal() - EPOCH <= last:
            if stepped.toordinal() - EPOCH >= earliest:
                yield stepped.toordinal() - EPOCH
            stepped = _step(stepped, months, days)

    def _by_months(self, at: date, month: int, months: int, earliest: int, last: int) -> Iterator[int]:
        while month // 12 <= 9999:
            found = _exists(month, at.day)
            if found is not None:
                number = found.toordinal() - EPOCH
                if number > last:
                    return
                if number >= earliest:
                    yield number
            month += months

    @property
    def timezone(self) -> tzinfo:
        """The zone whose wall clock counts."""
        return tz_of(self.zone)

    @property
    def tzinfo(self) -> tzinfo:
        return tz_of(self.zone)

    @property
    def jitter(self) -> float | None:
        """In seconds."""
        return jitter_of(self.spread)

    def jitter_at(self, slot: Moment) -> Span:
        return self.spread

    @property
    def steady(self) -> bool:
        return type(self) is CalendarIntervalTrigger and not self.spread

    def anchored(self, moment: Moment) -> CalendarIntervalTrigger:
        """With the date of `moment` as its start, where it has none."""
        if self.start_date is not None:
            return self
        return self._begun(zone(self.zone).local(moment) // _DAY)

    def moved(self, moment: Moment) -> CalendarIntervalTrigger:
        """The date of `moment` counts, not its time: the next firing is some days, weeks or months later."""
        day = zone(self.zone).local(moment) // _DAY
        from_day = self._begun(day)
        following = from_day.next_after(moment)
        if following is not None and zone(self.zone).local(following) // _DAY == day:
            following = from_day.next_after(following)
        return self if following is None else self._begun(zone(self.zone).local(following) // _DAY)

    def _begun(self, day: int) -> CalendarIntervalTrigger:
        """With that day as its start; as it is where that is after its end, for then nothing is left to count."""
        start = date.fromordinal(day + EPOCH)
        if self.end_date is not None and self.end_date < start:
            return self
        return CalendarIntervalTrigger.from_json({**self.to_json(), "start_date": start.isoformat()})

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "type": "calendarinterval",
            "timezone": self.zone,
            "time": self.time.isoformat(),
        }
        data |= {key: amount for key, amount in self._amounts() if amount}
        if self.start_date is not None:
            data["start_date"] = self.start_date.isoformat()
        if self.end_date is not None:
            data["end_date"] = self.end_date.isoformat()
        if self.spread:
            data["jitter"] = self.spread / SECOND
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CalendarIntervalTrigger:
        at = time.fromisoformat(data["time"])
        keys = ("years", "months", "weeks", "days", "start_date", "end_date", "timezone", "jitter")
        given = {key: data[key] for key in keys if key in data}
        return cls(hour=at.hour, minute=at.minute, second=at.second, **given)

    def _amounts(self) -> list[tuple[str, int]]:
        return [(key, getattr(self, key)) for key in ("years", "months", "weeks", "days")]

    def __repr__(self) -> str:
        options = [f"{key}={amount}" for key, amount in self._amounts() if amount]
        options.append(f"time='{self.time.isoformat()}'")
        for key in ("start_date", "end_date"):
            if getattr(self, key) is not None:
                options.append(f"{key}='{getattr(self, key)}'")
        return f"CalendarIntervalTrigger({', '.join(options)}, timezone='{self.zone}')"

    def __str__(self) -> str:
        return repr(self)


def _date(value: date | str | None, what: str) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise TriggerError(f"{what} is {value!r}, not a date", hint="write 2026-12-24") from None


def _whole(amount: int) -> int:
    try:
        whole = int(amount)
    except (ValueError, OverflowError):
        whole = -1
    if whole != amount:
        raise TriggerError(f"{amount!r} is no whole number", hint="count whole years, months, weeks and days")
    return whole


def _time(hour: int, minute: int, second: int) -> time:
    try:
        return time(hour, minute, second)
    except (ValueError, OverflowError):
        hint = "hours run from 0 to 23, minutes and seconds from 0 to 59"
        raise TriggerError(f"there is no time {hour}:{minute}:{second}", hint=hint) from None


def _exists(month: int, day: int) -> date | None:
    try:
        return date(month // 12, month % 12 + 1, day)
    except ValueError:
        return None


def _step(at: date, months: int, days: int) -> date | None:
    """Some months on, over those that lack the day, and then some days."""
    month = at.year * 12 + at.month - 1
    while month // 12 <= 9999:
        month += months
        found = _exists(month, at.day)
        if found is not None:
            try:
                return found + timedelta(days=days)
            except OverflowError:
                return None
    return None
