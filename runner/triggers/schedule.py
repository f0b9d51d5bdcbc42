"""From a schedule as people write it in a file to a trigger.

    build("every weekday at 09:00", timezone="Europe/Oslo", job_id="etl", calendars={})

A schedule is a text (a crontab line, a nickname, a phrase), a mapping (`cron`, `every` or `at`, and options), or a list
of those, any of which fires. What is wrong is a TriggerError whose `path` are the keys to the place.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from runner.duration import parse_duration
from runner.errors import DurationError, TriggerError
from runner.moment import SECOND, Moment, Span
from runner.triggers import phrase
from runner.triggers.base import Trigger
from runner.triggers.calendars import Calendar
from runner.triggers.combining import OrTrigger
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.meant import hint_for
from runner.triggers.times import moment_of
from runner.triggers.windows import BetweenTrigger, Window
from runner.triggers.workdays import Roll, WorkdayTrigger, roll_of
from runner.triggers.zones import zone

Schedule = str | Mapping[str, Any] | list[Any]

_RULES = ("cron", "every", "at")
_OPTIONS = ("timezone", "start", "end", "jitter", "between", "calendar", "roll")

_NO_START: Moment = 1_577_836_800 * SECOND
"""2020-01-01: from here a rule without start or end is asked once whether it ever fires."""


def build(schedule: Schedule, *, timezone: str, job_id: str, calendars: Mapping[str, Calendar]) -> Trigger:
    """The trigger of a schedule. `timezone` holds where the schedule names none; `job_id` decides what `H` is.

    TriggerError says what is wrong and where (`path`); a schedule that can never fire is wrong too.
    """
    if isinstance(schedule, str):
        return _text(schedule, _Options(timezone, job_id, calendars))
    if isinstance(schedule, Mapping):
        return _mapping(schedule, _Options(timezone, job_id, calendars))
    if isinstance(schedule, list):
        if not schedule:
            raise TriggerError(
                "the schedule is an empty list", hint="leave it out where nothing is scheduled"
            )
        triggers = []
        for index, one in enumerate(schedule):
            try:
                triggers.append(build(one, timezone=timezone, job_id=job_id, calendars=calendars))
            except TriggerError as error:
                raise error.under(index) from None
        return triggers[0] if len(triggers) == 1 else OrTrigger(triggers)
    raise TriggerError(f"{schedule!r} is not a schedule", hint=_EXAMPLES)


_EXAMPLES = 'write "0 2 * * mon-fri", "every 15m", "at 02:00", or a mapping with cron, every or at'


@dataclass(slots=True)
class _Options:
    """What holds for one rule: the zone, the bounds, the days."""

    timezone: str
    job_id: str
    calendars: Mapping[str, Calendar]
    start: Moment | None = None
    end: Moment | None = None
    jitter: Span = 0
    windows: tuple[Window, ...] = ()
    calendar: Calendar | None = None
    roll: Roll = "skip"


_CURLY = "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb"
"""What word processors make of quotes."""


def _text(text: str, options: _Options) -> Trigger:
    if not text.strip():
        raise TriggerError("the schedule is empty", hint=_EXAMPLES)
    zone(options.timezone)
    if text.strip()[0] in _CURLY:
        inner = text.strip(_CURLY + " ")
        hint = f'write "{inner}", with plain quotes or none' if inner else _EXAMPLES
        raise TriggerError(f"{text.strip()} is in quotes that are none for YAML", hint=hint)
    try:
        return _phrase(phrase.read(text), options) if phrase.is_phrase(text) else _cron(text, options)
    except TriggerError as error:
        near = hint_for(text)
        raise (TriggerError(error.fact, hint=near) if near else error) from None


def _phrase(said: phrase.Phrase, options: _Options) -> Trigger:
    if said.every is not None:
        return _interval(said.every, options)
    if said.date is not None:
        return _once(said.date, options)
    triggers = [_cron(line, options) for line in said.lines]
    return triggers[0] if len(triggers) == 1 else OrTrigger(triggers)


def _cron(text: str, options: _Options) -> Trigger:
    return CrontabTrigger.of(
        text,
        options.timezone,
        job_id=options.job_id,
        start=options.start,
        end=options.end,
        jitter=options.jitter,
    )


def _interval(span: Span, options: _Options) -> Trigger:
    return IntervalTrigger.of(
        span, options.timezone, start=options.start, end=options.end, jitter=options.jitter
    )


def _once(when: str | date, options: _Options) -> Trigger:
    moment = moment_of(when, options.timezone, "at")
    return DateTrigger.of(moment, options.timezone, jitter=options.jitter)


def _mapping(schedule: Mapping[str, Any], options: _Options) -> Trigger:
    rules = [key for key in _RULES if key in schedule]
    _check_keys(schedule)
    if len(rules) != 1:
        fact = (
            "a schedule needs one of cron, every and at"
            if not rules
            else f"{' and '.join(rules)} stand together"
        )
        hint = "for several schedules write a list" if rules else 'as in {cron: "0 2 * * *", jitter: 30s}'
        raise TriggerError(fact, hint=hint, path=(rules[1],) if rules else ())
    _read_options(schedule, options)
    rule = rules[0]
    try:
        trigger = _rule(rule, schedule[rule], options)
    except TriggerError as error:
        raise error.under(rule) from None
    return _restricted(trigger, options)


def _check_keys(schedule: Mapping[str, Any]) -> None:
    known = (*_RULES, *_OPTIONS)
    for key in schedule:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(known)
            raise TriggerError(f"a schedule has no key {key!r}", hint=hint, path=(key,))


def _read_options(schedule: Mapping[str, Any], options: _Options) -> None:
    for key in _OPTIONS:
        if schedule.get(key) is None:
            continue
        try:
            _read_option(key, schedule[key], options)
        except (TriggerError, DurationError) as error:
            inner = error.path if isinstance(error, TriggerError) else ()
            raise TriggerError(error.fact, hint=error.hint, path=(key, *inner)) from None
    if options.start is not None and options.end is not None and options.end < options.start:
        raise TriggerError(
            "the end is before the start, so it can never fire", hint="swap them", path=("end",)
        )
    if schedule.get("roll") is not None and options.calendar is None:
        raise TriggerError("roll says nothing without a calendar", hint="add calendar: NAME", path=("roll",))


def _read_option(key: str, value: Any, options: _Options) -> None:
    match key:
        case "timezone":
            options.timezone = zone(_string(value, "a time zone is an IANA name such as Europe/Oslo")).name
        case "jitter":
            options.jitter = parse_duration(value if isinstance(value, str) else str(value))
        case "start":
            options.start = moment_of(_time(value, "start"), options.timezone, "start")
        case "end":
            options.end = _end(value, options.timezone)
        case "between":
            texts = value if isinstance(value, list) else [value]
            options.windows = tuple(Window.of(_string(text, "write 10:00-16:00")) for text in texts)
        case "calendar":
            options.calendar = _calendar(_string(value, "a name under calendars"), options.calendars)
        case "roll":
            options.roll = roll_of(value)


def _calendar(name: str, calendars: Mapping[str, Calendar]) -> Calendar:
    if name not in calendars:
        near = difflib.get_close_matches(name, calendars, 1, 0.6)
        known = f"known are {', '.join(sorted(calendars))}" if calendars else f"add {name} under calendars"
        raise TriggerError(
            f"there is no calendar {name!r}", hint=f"did you mean {near[0]}?" if near else known
        )
    return calendars[name]


def _string(value: Any, expected: str) -> str:
    if not isinstance(value, str):
        raise TriggerError(f"{value!r} is not a text", hint=f"{expected}; put it in quotes")
    return value


def _end(value: Any, timezone: str) -> Moment | None:
    """A date alone means the whole of it."""
    given = _time(value, "end")
    text = given.isoformat() if isinstance(given, date) else given.strip()
    return moment_of(f"{text}T23:59:59.999999" if len(text) == 10 else text, timezone, "end")


def _time(value: Any, key: str) -> str | date:
    if isinstance(value, str | date):
        return value
    raise TriggerError(f"{key} is {value!r}, not a time", hint="write 2026-12-24 or 2026-12-24T08:00")


def _rule(rule: str, value: Any, options: _Options) -> Trigger:
    if rule == "at" and isinstance(value, date):
        return _once(value, options)
    if rule == "at" and isinstance(value, list) and value:
        return _each(value, options)
    if not isinstance(value, str):
        example = {"cron": '"0 2 * * mon-fri"', "every": "15m", "at": '"02:00" or 2026-12-24T08:00'}[rule]
        raise TriggerError(f"{rule} is {value!r}, not a text", hint=f"write {rule}: {example}")
    if rule == "cron":
        return _cron(value, options)
    return _phrase(phrase.read(f"{rule} {value}"), options)


def _each(times: list[Any], options: _Options) -> Trigger:
    """`at: ["02:00", "14:00"]`: any of them."""
    triggers = []
    for index, time in enumerate(times):
        try:
            triggers.append(_rule("at", time, options))
        except TriggerError as error:
            raise error.under(index) from None
    return triggers[0] if len(triggers) == 1 else OrTrigger(triggers)


def _restricted(trigger: Trigger, options: _Options) -> Trigger:
    """The rule with its windows and its calendar; one that has nothing left between start and end can never fire."""
    begin = options.start if options.start is not None else (_NO_START if options.end is None else 0)
    once = isinstance(trigger, DateTrigger)
    if options.end is not None and not once and trigger.next_after(begin - 1) is None:
        raise TriggerError("it can never fire: nothing falls between start and end", path=("end",))
    if options.windows:
        trigger = BetweenTrigger(trigger, options.windows, options.timezone)
        if trigger.next_after(0 if once else begin - 1) is None:
            said = " or ".join(map(str, options.windows))
            raise TriggerError(f"it can never fire: nothing falls between {said}", path=("between",))
    if options.calendar is not None:
        trigger = WorkdayTrigger(trigger, options.calendar, options.roll, options.timezone)
        if trigger.next_after(0 if once else begin - 1) is None:
            fact = f"it can never fire: it has nothing but days off of {options.calendar.name}"
            raise TriggerError(fact, hint="roll: forward moves it to a working day", path=("calendar",))
    return trigger
