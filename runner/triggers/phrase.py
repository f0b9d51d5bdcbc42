"""Schedules in words: `every 15m`, `at 02:00`, `every weekday at 09:00`, `every mon, wed at 7:30 and 19:30`.

A phrase about the wall clock is a crontab line in other words, and follows the same rules; `every 15m` is an interval.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from runner.duration import parse_duration
from runner.errors import DurationError, TriggerError
from runner.moment import Span
from runner.triggers.cron.fields import WEEKDAY

_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*(am|pm)?", re.I | re.ASCII)
_HOUR_ONLY = re.compile(r"(\d{1,2})\s*(am|pm)", re.I | re.ASCII)
_WORDS = {"day": "*", "weekday": "mon-fri", "weekend": "sat,sun"}
_UNITS = {
    "week": "w", "weeks": "w", "day": "d", "days": "d", "hour": "h", "hours": "h", "minute": "m", "minutes": "m",
    "min": "m", "mins": "m", "second": "s", "seconds": "s", "sec": "s", "secs": "s",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Phrase:
    """What a phrase says: a length of time, or crontab lines, or neither and then a date (`at 2026-12-24T08:00`)."""

    every: Span | None = None
    lines: tuple[str, ...] = ()
    date: str | None = None


def is_phrase(text: str) -> bool:
    """Whether a text is meant as a phrase and not as a crontab line."""
    return text.strip().lower().split(" ")[0] in ("every", "at")


def read(text: str) -> Phrase:
    """The meaning of a phrase; TriggerError with a hint where it has none."""
    words = " ".join(text.split())
    first, _, rest = words.partition(" ")
    if first.lower() == "at":
        if re.match(r"\d{4}-", rest):
            return Phrase(date=rest)
        return Phrase(lines=lines_at(rest, "*"))
    days, found, times = (
        re.split(r"(?:^| )(at)(?: |$)", rest, maxsplit=1, flags=re.I) if _has_at(rest) else (rest, "", "")
    )
    if found:
        return Phrase(lines=lines_at(times, weekdays(days)))
    return Phrase(every=length(rest))


def _has_at(text: str) -> bool:
    return "at" in text.lower().split()


def length(text: str) -> Span:
    """`15m`, `1h30m`, `5 minutes`, `hour`; TriggerError else."""
    words = " ".join(_UNITS.get(word, word) for word in text.lower().split())
    if words in ("w", "d", "h", "m", "s"):
        words = f"1{words}"
    try:
        span = parse_duration(words)
    except DurationError as error:
        if _names_days(text):
            hint = f"at what time? every {text} at 09:00"
            raise TriggerError(f'"every {text}" does not say a time', hint=hint) from None
        nickname = {"month": "@monthly", "year": "@yearly"}.get(text.strip().lower())
        hint = error.hint if nickname is None else f"write {nickname}, which is the first of it at midnight"
        raise TriggerError(f'"every {text}": {error.fact}', hint=hint) from None
    if span <= 0:
        raise TriggerError(
            f'"every {text}" is no time at all', hint="every 1s is the shortest that makes sense"
        )
    return span


def _names_days(text: str) -> bool:
    try:
        weekdays(text)
    except TriggerError:
        return False
    return True


def weekdays(text: str) -> str:
    """`monday`, `mon, wed and fri`, `mon-fri`, `weekday`, `day` as a crontab field."""
    found: list[str] = []
    for word in re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", text.strip().lower()):
        if word in _WORDS or word.removesuffix("s") in _WORDS:
            found.append(_WORDS[word if word in _WORDS else word.removesuffix("s")])
            continue
        ends = [_weekday(end) for end in re.split(r"\s*-\s*|\s+to\s+", word)]
        if len(ends) > 2 or None in ends:
            names = ["day", "weekday", "weekend", *WEEKDAY.names]
            near = difflib.get_close_matches(word, names, 1, 0.6)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else "write day, weekday, weekend, or days such as mon, wed"
            )
            raise TriggerError(f'"{word}" is not a day', hint=hint)
        found.append("-".join(end for end in ends if end))
    return ",".join(found) if "*" not in found else "*"


def _weekday(word: str) -> str | None:
    number = WEEKDAY.number_of(word)
    if number is None:
        number = WEEKDAY.number_of(word.removesuffix("s"))
    return None if number is None else WEEKDAY.names[number][:3]


def lines_at(times: str, days: str) -> tuple[str, ...]:
    """The crontab lines for times of day on some weekdays; one line for all times that share minute and second."""
    hours: dict[tuple[int, int], list[int]] = {}
    for text in re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", times.strip()):
        hour, minute, second = clock(text)
        hours.setdefault((minute, second), []).append(hour)
    return tuple(
        (f"{second} " if second else "") + f"{minute} {','.join(map(str, sorted(set(which))))} * * {days}"
        for (minute, second), which in sorted(hours.items())
    )


def clock(text: str) -> tuple[int, int, int]:
    """A time of day: `02:00`, `7:30`, `19:30:15`, `7:30 pm`, `7pm`, `noon`, `midnight`."""
    text = text.strip()
    if text.lower() in ("noon", "midnight"):
        return (12 if text.lower() == "noon" else 0, 0, 0)
    match = _TIME.fullmatch(text)
    if match:
        hour, minute, second, half = int(match[1]), int(match[2]), int(match[3] or 0), match[4]
    elif match := _HOUR_ONLY.fullmatch(text):
        hour, minute, second, half = int(match[1]), 0, 0, match[2]
    else:
        hint = (
            f"write {int(text):02}:00"
            if text.isascii() and text.isdigit() and len(text) < 3 and int(text) < 24
            else "write 02:00 or 19:30"
        )
        raise TriggerError(f'"{text}" is not a time of day', hint=hint)
    if half:
        if not 1 <= hour <= 12:
            raise TriggerError(f'"{text}" is not a time of day', hint="hours run from 1 to 12 with am and pm")
        hour = hour % 12 + (12 if half.lower() == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        hint = "midnight is 00:00" if hour == 24 else "hours run from 00 to 23, minutes from 00 to 59"
        raise TriggerError(f'"{text}" is not a time of day', hint=hint)
    return hour, minute, second
