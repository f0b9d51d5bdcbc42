"""Crontab text: five fields with the meaning Vixie cron gave them, or six with seconds first.

- A day matches where day of month *or* day of week does, if both are restricted; a field that begins with `*` is not.
- 0 and 7 are Sunday; names, lists, ranges (also wrapping: `fri-mon`) and steps anywhere.
- `L` `L-2` `15W` `LW` (days of month), `tue#2` `friL` (weekdays), `?` as `*`, `H` a number that is the job's own.
- `@hourly` `@daily` `@midnight` `@weekly` `@monthly` `@yearly` `@annually`.

Source of the rules: crontab(5) of Debian's cron; `L W #` as in Quartz; `H` as in Jenkins.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from runner.errors import TriggerError
from runner.moment import Moment, Span
from runner.triggers.cron import fields
from runner.triggers.cron.days import EVERY_DAY, EVERY_WEEKDAY, DayRule, days
from runner.triggers.cron.fields import Field
from runner.triggers.cron.walk import Walk, walk
from runner.triggers.cron.wall import WallTrigger
from runner.triggers.times import options_from_json, options_to_json

NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What a crontab line means: bits of seconds, minutes and hours, and the days.

    `fixed` where neither minute nor hour begins with `*`: then a clock change neither loses nor repeats a firing.
    """

    seconds: int
    minutes: int
    hours: int
    rule: DayRule
    fixed: bool
    text: str = field(compare=False)

    def walk(self, zone_name: str) -> Walk:
        return walk(self.hours, self.minutes, self.seconds, self.rule, self.fixed, zone_name)


def parse(text: str, job_id: str = "") -> Line:
    """The meaning of a line; TriggerError says which field, which part, what was expected."""
    return _parse(" ".join(text.split()), job_id if "H" in text.upper() else "")


@lru_cache(maxsize=4096)
def _parse(text: str, job_id: str) -> Line:
    read = split(text, job_id)
    second, minute, hour, day, month, weekday = read
    line = Line(
        seconds=second.mask,
        minutes=minute.mask,
        hours=hour.mask,
        rule=_rule(day, month, weekday),
        fixed=not (minute.star or hour.star),
        text=" ".join(part.text for part in (read if len(text.split()) == 6 else read[1:])),
    )
    if not days(line.rule).ever:
        raise TriggerError(
            f'"{text}" can never fire: {_why_never(day, month, weekday)}', hint="L is the last day of a month"
        )
    return line


def _rule(day: Field, month: Field, weekday: Field) -> DayRule:
    """Bits that a `*` field leaves open are all set, so that only crontab's `or` needs a word."""
    return DayRule(
        months=month.mask,
        days=day.mask,
        special_days=day.special if day.mask != EVERY_DAY else (),
        weekdays=weekday.mask,
        special_weekdays=weekday.special if weekday.mask != EVERY_WEEKDAY else (),
        either=not (day.star or weekday.star),
    )


def split(text: str, job_id: str = "") -> list[Field]:
    """The six fields of a line, seconds first; a nickname is read as what it stands for."""
    parts = text.split()
    if text.startswith("@"):
        parts = _nickname(text).split()
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise TriggerError(_count(text, len(parts)), hint=_count_hint(parts))
    return [fields.read(kind, part, job_id) for kind, part in zip(fields.KINDS, parts, strict=True)]


def _nickname(text: str) -> str:
    known = NICKNAMES.get(text.lower())
    if known is not None:
        return known
    if text.lower().startswith("@every"):
        raise TriggerError(f'"{text}" is not a nickname of a line', hint=f"write `{text[1:].strip()}`")
    if text.lower() == "@reboot":
        raise TriggerError(
            '"@reboot" is no time, so it is not a schedule', hint="a service manager starts things at boot"
        )
    near = difflib.get_close_matches(text.lower(), NICKNAMES, 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else "there are " + " ".join(NICKNAMES)
    raise TriggerError(f'"{text}" is not a nickname of a line', hint=hint)


def _count(text: str, count: int) -> str:
    return (
        f'"{text}" has {count} field{"" if count == 1 else "s"}, a crontab line has 5 (or 6, seconds first)'
    )


def _count_hint(parts: list[str]) -> str:
    if len(parts) == 7:
        return "a seventh field, the year of Quartz, is not known here: use start and end"
    if len(parts) < 5:
        return "minute hour day-of-month month day-of-week, as in 0 2 * * mon-fri"
    return "only the schedule stands here, the command goes under `run`"


def _why_never(day: Field, month: Field, weekday: Field) -> str:
    if weekday.text in ("*", "?"):
        return f'no month of "{month.text}" has a day "{day.text}"'
    return f'no month of "{month.text}" has a day "{day.text}" that is a "{weekday.text}"'


@dataclass(frozen=True, slots=True)
class CrontabTrigger(WallTrigger):
    """A crontab line on the wall clock of a zone, from `start` to `end` (both inclusive)."""

    line: Line
    zone: str = "UTC"
    start: Moment | None = None
    end: Moment | None = None
    jitter: Span = 0
    _walk: Walk = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_walk", self.line.walk(self.zone))

    @classmethod
    def of(
        cls,
        text: str,
        zone: str = "UTC",
        *,
        job_id: str = "",
        start: Moment | None = None,
        end: Moment | None = None,
        jitter: Span = 0,
    ) -> CrontabTrigger:
        """The trigger of a line; TriggerError where it is malformed or can never fire."""
        return cls(parse(text, job_id), zone, start, end, jitter)

    def jitter_at(self, slot: Moment) -> Span:
        return self.jitter

    @property
    def steady(self) -> bool:
        return type(self) is CrontabTrigger and not self.jitter

    def to_json(self) -> dict[str, Any]:
        options = options_to_json(self.zone, self.start, self.end, self.jitter)
        return {"type": "crontab", "cron": self.line.text, **options}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CrontabTrigger:
        return cls(parse(data["cron"]), **options_from_json(data))

    def __str__(self) -> str:
        return f"crontab[{self.line.text}]"
