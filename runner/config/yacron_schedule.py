"""The schedules of yacron and cronstable in our words: a year at the end, and days that must meet."""

from __future__ import annotations

from typing import Any

from runner.config.taken import Taken
from runner.errors import TriggerError
from runner.triggers.cron.crontab import parse, split

_FIELDS = ("minute", "hour", "dayOfMonth", "month", "dayOfWeek")
_SECOND = "second"
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKS = {"1-7": 1, "8-14": 2, "15-21": 3, "22-28": 4}


def schedule(given: Any, taken: Taken, notes: list[str]) -> str | dict[str, str] | None:
    """The value of `schedule`; None where there is no such time here, with a note that says why."""
    if isinstance(given, dict):
        known = {*_FIELDS, _SECOND, "year"}
        if odd := set(given) - known:
            notes.append(f"its schedule names {', '.join(sorted(odd))}, which yacron ignores")
        texts = [str(given.get(key) or "*") for key in (*_FIELDS, "year")]
        given = " ".join([str(given[_SECOND]), *texts] if given.get(_SECOND) else texts)
    when = " ".join(str(given or "").split())
    if when == "@reboot":
        notes.append("@reboot is no time: let the service manager start it")
        return None
    fields = when.split(" ")
    if len(fields) in (6, 7):
        # Theirs ends with a year; of seven the first is the second, as of our six.
        if fields[-1] != "*":
            notes.append(
                f"its schedule {when!r} names a year: write `schedule: {{cron: ..., start: ..., end: ...}}`"
            )
            return None
        when = " ".join(fields[:-1])
    try:
        made = _meeting(when, taken)
        parse(made if isinstance(made, str) else made["cron"])
        return made
    except TriggerError as error:
        notes.append(f"its schedule is not understood: {error.fact}")
        return None


def _meeting(when: str, taken: Taken) -> str | dict[str, str]:
    """Where both day fields say something yacron wants both, and a crontab either. TriggerError."""
    *_, day, _, weekday = split(when)
    if day.star or weekday.star:
        return when
    if weekday.special:
        raise TriggerError(
            f"{when!r} wants days of the month that are {weekday.text}", hint="write `schedule`"
        )
    parts = when.split(" ")
    names = [name for bit, name in enumerate(_WEEKDAYS) if weekday.mask >> bit & 1]
    week = _WEEKS.get(parts[-3])
    if week is not None and len(names) == 1:
        return " ".join([*parts[:-3], "*", parts[-2], f"{names[0]}#{week}"])
    parts[-1] = "*"
    if len(names) == len(_WEEKDAYS):
        return " ".join(parts)
    calendar = "only_" + "_".join(names)
    taken.calendars[calendar] = {"weekend": [name for name in _WEEKDAYS if name not in names]}
    return {"cron": " ".join(parts), "calendar": calendar}
