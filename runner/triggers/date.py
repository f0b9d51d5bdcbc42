"""Once, at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from runner.moment import Moment, Span, from_datetime, to_datetime
from runner.triggers.base import BaseTrigger
from runner.triggers.times import (
    Time,
    moment_of,
    options_from_json,
    options_to_json,
    read,
    shown,
    tz_of,
    zone_of_times,
)


@dataclass(frozen=True, slots=True, init=False)
class DateTrigger(BaseTrigger):
    """Fires once at `run_date`. Without one it means now: the moment `anchored` gives it when its job is added."""

    at: Moment | None
    zone: str
    jitter: Span

    def __init__(self, run_date: Time | None = None, timezone: str | tzinfo | None = None) -> None:
        if isinstance(run_date, str):
            run_date = read(run_date, "run_date")
        # A date that brings its own zone is shown in it; a naive one is on the wall clock of `timezone`.
        name = zone_of_times(getattr(run_date, "tzinfo", None) or timezone)
        self._set(moment_of(run_date, name, "run_date"), name, 0)

    def _set(self, at: Moment | None, zone: str, jitter: Span) -> None:
        for key, value in {"at": at, "zone": zone, "jitter": jitter}.items():
            object.__setattr__(self, key, value)

    @classmethod
    def of(cls, at: Moment | None, zone: str = "UTC", *, jitter: Span = 0) -> DateTrigger:
        """The trigger in the house's own figures."""
        trigger = cls.__new__(cls)
        trigger._set(at, zone, jitter)
        return trigger

    def next_after(self, moment: Moment) -> Moment | None:
        return self.at if self.at is not None and self.at > moment else None

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The date, past or not, where it has not fired yet."""
        if previous_fire_time is not None:
            return None
        return to_datetime(from_datetime(now) if self.at is None else self.at, self.tzinfo)

    @property
    def run_date(self) -> datetime | None:
        """The date, in the trigger's zone."""
        return None if self.at is None else to_datetime(self.at, self.tzinfo)

    @property
    def timezone(self) -> tzinfo:
        """The zone in which the date is shown."""
        return tz_of(self.zone)

    @property
    def tzinfo(self) -> tzinfo:
        return tz_of(self.zone)

    def jitter_at(self, slot: Moment) -> Span:
        return self.jitter

    @property
    def steady(self) -> bool:
        return type(self) is DateTrigger and not self.jitter

    def anchored(self, moment: Moment) -> DateTrigger:
        """At `moment`, where it has no date."""
        return self if self.at is not None else DateTrigger.of(moment, self.zone, jitter=self.jitter)

    def to_json(self) -> dict[str, Any]:
        options = options_to_json(self.zone, self.at, None, self.jitter)
        return {"type": "date", **options}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DateTrigger:
        options = options_from_json(data)
        return cls.of(options["start"], options["zone"], jitter=options["jitter"])

    def _shown(self) -> str:
        return "now" if self.at is None else shown(self.at, self.zone)

    def __str__(self) -> str:
        return f"date[{self._shown()}]"

    def __repr__(self) -> str:
        return f"<DateTrigger (run_date='{self._shown()}')>"
