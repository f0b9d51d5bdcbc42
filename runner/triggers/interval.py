"""Every so often: a grid of elapsed time from an anchor, which no clock change bends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from runner.errors import TriggerError
from runner.moment import DAY, SECOND, Moment, Span
from runner.triggers.base import BaseTrigger
from runner.triggers.times import (
    Time,
    aware,
    bounds,
    jitter_of,
    options_from_json,
    options_to_json,
    shown_options,
    spread_of,
    tz_of,
    zone_of_times,
)
from runner.triggers.zones import LAST, zone

_MICROSECOND = timedelta(microseconds=1)
_LONGEST: Span = 100 * 366 * DAY
_LONGEST_DELTA = timedelta(microseconds=_LONGEST)
_END: Moment = LAST * SECOND


def _too_long() -> TriggerError:
    return TriggerError("an interval is longer than a hundred years", hint="is the unit right?")


@dataclass(frozen=True, slots=True, init=False)
class IntervalTrigger(BaseTrigger):
    """Fires every `span`, counted from `start`, which is the first firing; nothing after `end`.

    Without a start the grid is anchored to midnight of 1970-01-01 in the zone, at its offset then, so that a restart
    never moves it; `anchored` gives it a start instead, as the Python interface does when a job is added.
    """

    span: Span
    zone: str
    start: Moment | None
    end: Moment | None
    spread: Span

    def __init__(
        self,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        start_date: Time | None = None,
        end_date: Time | None = None,
        timezone: str | tzinfo | None = None,
        jitter: float | None = None,
    ) -> None:
        try:
            length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        except (ValueError, OverflowError):
            raise TriggerError(
                "the interval is no length of time", hint="it may last a hundred years"
            ) from None
        if length > _LONGEST_DELTA:
            raise _too_long()
        name = zone_of_times(timezone, start_date, end_date)
        start, end = bounds(start_date, end_date, name)
        self._set(
            span=length // _MICROSECOND or SECOND,
            zone=name,
            start=start,
            end=end,
            spread=spread_of(jitter),
        )

    def _set(self, *, span: Span, zone: str, start: Moment | None, end: Moment | None, spread: Span) -> None:
        if span <= 0:
            raise TriggerError("an interval must be longer than nothing", hint="give seconds=1 or more")
        fill = object.__setattr__
        fill(self, "span", span)
        fill(self, "zone", zone)
        fill(self, "start", start)
        fill(self, "end", end)
        fill(self, "spread", spread)

    @classmethod
    def of(
        cls,
        span: Span,
        zone: str = "UTC",
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        jitter: Span = 0,
    ) -> IntervalTrigger:
        """The trigger in the house's own figures: microseconds and moments."""
        trigger = cls.__new__(cls)
        trigger._set(span=span, zone=zone, start=start, end=end, spread=jitter)
        return trigger

    def next_after(self, moment: Moment) -> Moment | None:
        anchor, span = self.anchor, self.span
        if self.start is not None and moment < anchor:
            moment = anchor - 1
        found = moment + span - (moment - anchor) % span
        return found if found <= (_END if self.end is None else self.end) else None

    @property
    def anchor(self) -> Moment:
        """A moment of the grid: the start, else midnight of 1970-01-01 in the zone at its offset then."""
        if self.start is not None:
            return self.start
        return 0 if self.zone == "UTC" else -zone(self.zone).offset_at(0) * SECOND

    @property
    def interval(self) -> timedelta:
        """The length between two firings."""
        return timedelta(microseconds=self.span)

    @property
    def interval_length(self) -> float:
        """The length between two firings, in seconds."""
        return self.span / SECOND

    @property
    def start_date(self) -> datetime | None:
        """The first firing."""
        return aware(self.start, self.zone)

    @property
    def end_date(self) -> datetime | None:
        """The last moment at which it may fire."""
        return aware(self.end, self.zone)

    @property
    def jitter(self) -> float | None:
        """In seconds."""
        return jitter_of(self.spread)

    @property
    def timezone(self) -> tzinfo:
        """The zone in which times are shown."""
        return tz_of(self.zone)

    @property
    def tzinfo(self) -> tzinfo:
        return tz_of(self.zone)

    def jitter_at(self, slot: Moment) -> Span:
        return self.spread

    @property
    def steady(self) -> bool:
        return type(self) is IntervalTrigger and not self.spread

    def anchored(self, moment: Moment) -> IntervalTrigger:
        """With a start one interval after `moment`, where it has none."""
        if self.start is not None:
            return self
        return IntervalTrigger.of(
            self.span, self.zone, start=moment + self.span, end=self.end, jitter=self.spread
        )

    def moved(self, moment: Moment) -> IntervalTrigger:
        return IntervalTrigger.of(self.span, self.zone, start=moment, end=self.end, jitter=self.spread)

    def to_json(self) -> dict[str, Any]:
        options = options_to_json(self.zone, self.start, self.end, self.spread)
        return {"type": "interval", "seconds": self.span / SECOND, **options}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> IntervalTrigger:
        span = round(data["seconds"] * SECOND)
        if span > _LONGEST:
            raise _too_long()
        return cls.of(span, **options_from_json(data))

    def __str__(self) -> str:
        return f"interval[{self.interval}]"

    def __repr__(self) -> str:
        options = shown_options(self.zone, self.start, self.end, self.spread)
        return f"<IntervalTrigger ({', '.join([f'interval={self.interval!r}', *options])})>"
