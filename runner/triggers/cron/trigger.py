"""The Python interface's cron trigger: eight fields that must all match."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Literal, overload

from runner.errors import TriggerError
from runner.moment import SECOND, Moment, Span
from runner.triggers.cron import expressions
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.cron.days import DayRule
from runner.triggers.cron.expressions import KINDS, Expression
from runner.triggers.cron.walk import Walk, bits, walk
from runner.triggers.cron.wall import WallTrigger
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

_MINIMUM = {"month": "1", "day": "1", "hour": "0", "minute": "0", "second": "0"}


@dataclass(frozen=True, slots=True)
class CronField:
    """A field as programs look at it: its `str` is the expression."""

    name: str
    text: str
    is_default: bool

    @property
    def expressions(self) -> list[str]:
        """The parts of its list."""
        return self.text.split(",")

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, init=False)
class CronTrigger(WallTrigger):
    """Fires when all eight fields match the wall clock of the zone, from `start_date` to `end_date` (inclusive).

    Fields that stand below the last one given take their minimum (week and day_of_week: `*`), those above `*`. A
    clock change neither loses nor repeats a time that `hour` and `minute` fix; see docs/triggers.md. A trigger whose
    day never comes has no next time.
    """

    seconds: int
    minutes: int
    hours: int
    rule: DayRule
    fixed: bool
    zone: str
    start: Moment | None
    end: Moment | None
    spread: Span
    fields: tuple[CronField, ...] = field(compare=False)
    _walk: Walk = field(compare=False, repr=False)

    FIELD_NAMES = tuple(KINDS)

    def __init__(
        self,
        year: int | str | None = None,
        month: int | str | None = None,
        day: int | str | None = None,
        week: int | str | None = None,
        day_of_week: int | str | None = None,
        hour: int | str | None = None,
        minute: int | str | None = None,
        second: int | str | None = None,
        start_date: Time | None = None,
        end_date: Time | None = None,
        timezone: str | tzinfo | None = None,
        jitter: float | None = None,
    ) -> None:
        given = dict(zip(KINDS, (year, month, day, week, day_of_week, hour, minute, second), strict=True))
        name = zone_of_times(timezone, start_date, end_date)
        start, end = bounds(start_date, end_date, name)
        self._set(
            {key: str(value) for key, value in given.items() if value is not None}, name, start, end, jitter
        )

    def _set(
        self, given: dict[str, str], zone: str, start: Moment | None, end: Moment | None, jitter: float | None
    ) -> None:
        fields = _all_fields(given)
        read = {one.name: expressions.read(KINDS[one.name], one.text) for one in fields}
        shown = tuple(CronField(one.name, read[one.name].text, one.is_default) for one in fields)
        seconds, minutes, hours = (read[key].mask for key in ("second", "minute", "hour"))
        fixed = not (read["minute"].star or read["hour"].star)
        rule = _rule(read)
        steps = walk(hours, minutes, seconds, rule, fixed, zone)
        values = {
            "seconds": seconds,
            "minutes": minutes,
            "hours": hours,
            "rule": rule,
            "fixed": fixed,
            "zone": zone,
            "start": start,
            "end": end,
            "spread": spread_of(jitter),
            "fields": shown,
            "_walk": steps,
        }
        steps.ever()  # what never comes is found out here, once
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @overload
    @classmethod
    def from_crontab(
        cls, expr: str, timezone: str | tzinfo | None = ..., dialect: Literal["apscheduler"] = ...
    ) -> CronTrigger: ...
    @overload
    @classmethod
    def from_crontab(
        cls, expr: str, timezone: str | tzinfo | None = ..., *, dialect: Literal["vixie"]
    ) -> CrontabTrigger: ...
    @classmethod
    def from_crontab(
        cls, expr: str, timezone: str | tzinfo | None = None, dialect: str = "apscheduler"
    ) -> CronTrigger | CrontabTrigger:
        """A trigger from crontab text.

        As in APScheduler 3, Monday is 0, all five fields must match and there are no nicknames; `dialect="vixie"`
        reads the text as cron does, and as YAML files do. TriggerError (a ValueError) where it is malformed.
        """
        name = zone_of_times(timezone)
        if dialect == "vixie":
            return CrontabTrigger.of(expr, name)
        if dialect != "apscheduler":
            raise TriggerError(f"there is no dialect {dialect!r}", hint="there are apscheduler and vixie")
        parts = expr.split()
        if len(parts) != 5:
            hint = "minute hour day month day_of_week"
            raise TriggerError(f"Wrong number of fields; got {len(parts)}, expected 5", hint=hint)
        minute, hour, day, month, weekday = parts
        return cls(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=name)

    @property
    def start_date(self) -> datetime | None:
        """The first moment at which it may fire."""
        return aware(self.start, self.zone)

    @property
    def end_date(self) -> datetime | None:
        """The last moment at which it may fire."""
        return aware(self.end, self.zone)

    @property
    def timezone(self) -> tzinfo:
        """The zone whose wall clock counts."""
        return tz_of(self.zone)

    @property
    def jitter(self) -> float | None:
        """In seconds."""
        return jitter_of(self.spread)

    def jitter_at(self, slot: Moment) -> Span:
        return self.spread

    @property
    def steady(self) -> bool:
        return type(self) is CronTrigger and not self.spread

    def to_json(self) -> dict[str, Any]:
        options = options_to_json(self.zone, self.start, self.end, self.spread)
        given = {one.name: one.text for one in self.fields if not one.is_default}
        return {"type": "cron", "fields": given, **options}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CronTrigger:
        options = options_from_json(data)
        trigger = cls.__new__(cls)
        trigger._set(
            data["fields"], options["zone"], options["start"], options["end"], options["jitter"] / SECOND
        )
        return trigger

    def __str__(self) -> str:
        return f"cron[{', '.join(self._shown())}]"

    def __repr__(self) -> str:
        options = shown_options(self.zone, self.start, self.end, self.spread)
        return f"<CronTrigger ({', '.join([*self._shown(), *options])})>"

    def _shown(self) -> list[str]:
        return [f"{one.name}='{one.text}'" for one in self.fields if not one.is_default]


def _all_fields(given: dict[str, str]) -> list[CronField]:
    last = max((list(KINDS).index(name) for name in given), default=len(KINDS))
    fields = []
    for index, name in enumerate(KINDS):
        default = _MINIMUM.get(name, "*") if index > last else "*"
        fields.append(CronField(name, given.get(name, default), name not in given))
    return fields


def _rule(read: dict[str, Expression]) -> DayRule:
    year, week = read["year"].mask, read["week"].mask
    return DayRule(
        months=read["month"].mask,
        days=read["day"].mask,
        special_days=read["day"].special,
        weekdays=read["day_of_week"].mask,
        special_weekdays=(),
        weeks=0 if read["week"].text == "*" else week,
        years=None if read["year"].text == "*" else bits(year),
    )
