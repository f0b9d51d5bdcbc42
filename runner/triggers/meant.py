"""What somebody meant whose schedule is none: the words of a phrase in another order, or without their beginning."""

from __future__ import annotations

import difflib
import re

from runner.errors import TriggerError
from runner.triggers import phrase
from runner.triggers.cron.fields import WEEKDAY
from runner.triggers.times import moment_of

_TIME = re.compile(r"\b(?:\d{1,2}:\d{2}(?::\d{2})?(?:\s*[ap]m)?|\d{1,2}\s*[ap]m|noon|midnight)\b", re.ASCII)
_FILLERS = ("every", "each", "at", "on", "the")
_OF_A_MONTH = re.compile(r"\s*(?:(?:of|in)?\s*(?:the|a|each|every)?\s*\bmonth\b|\bmonthly\b)\s*(?:on)?\s*")
_DAY_NUMBER = re.compile(r"(\d{1,2})(?:st|nd|rd|th)", re.ASCII)
_EACH_OTHER = re.compile(r"(?:every|each) (?:second|2nd|third|3rd|fourth|4th) (?!.*\bmonth)")
"""Each other week, or the second of a month? Nobody can tell."""
_ORDINALS = {
    "first": "#1", "1st": "#1", "second": "#2", "2nd": "#2", "third": "#3", "3rd": "#3", "fourth": "#4", "4th": "#4",
    "last": "L",
}  # fmt: skip
_DAYS_OF_A_MONTH = {
    "last": "L",
    "last day": "L",
    "last weekday": "LW",
    "last working day": "LW",
    "first day": "1",
}


def hint_for(text: str) -> str | None:
    """What to write instead of a text that is no schedule: `15m`, `daily`, `evry 5m`, `at 02:00 on weekdays`."""
    words = " ".join(text.lower().split())
    if f"@{words}" in ("@hourly", "@daily", "@weekly", "@monthly", "@yearly"):
        return f"write @{words}"
    words = re.sub(r"\b(day|weekday|weekend)s\b", r"\1", words)
    first, _, rest = words.partition(" ")
    likely = [f"every {words}", f"at {words}"]
    if difflib.get_close_matches(first.removeprefix("@"), ("every",), 1, 0.7):
        likely.append(f"every {rest}")
    found = next((one for one in likely if _is_good(one)), None) or _in_order(words)
    return f"did you mean `{found}`?" if found else None


def _is_good(words: str) -> bool:
    try:
        said = phrase.read(words)
        if said.date is not None:
            moment_of(said.date, "UTC")
    except TriggerError:
        return False
    return True


def _in_order(words: str) -> str | None:
    """Days and times of day, wherever they stand: `every DAYS at TIMES`, or a line where they are days of a month."""
    times = _TIME.findall(words)
    if not times or _EACH_OTHER.match(words):
        return None
    rest = " ".join(word for word in _TIME.sub(" ", words).split() if word not in _FILLERS)
    rest = rest.strip(" ,").removesuffix(" and").removeprefix("and ")
    line = _line(_OF_A_MONTH.sub(" ", rest).strip(), times)
    if line is not None:
        return line
    days = re.sub(r"^daily\b", "day", rest)
    likely = f"every {days} at {' and '.join(times)}" if days else f"at {' and '.join(times)}"
    return likely if _is_good(likely) else None


def _line(day: str, times: list[str]) -> str | None:
    """The crontab line for a day of each month: `last friday`, `1st`, `last day`."""
    ordinal, _, name = day.partition(" ")
    weekday = WEEKDAY.number_of(name)
    numbers = [_DAY_NUMBER.fullmatch(one) for one in re.split(r"\s*,\s*(?:and )?| and ", day)]
    if ordinal in _ORDINALS and weekday is not None:
        fields = ("*", f"{WEEKDAY.names[weekday][:3]}{_ORDINALS[ordinal]}")
    elif all(number and 1 <= int(number[1]) <= 31 for number in numbers):
        fields = (",".join(str(int(number[1])) for number in numbers if number), "*")
    elif day in _DAYS_OF_A_MONTH:
        fields = (_DAYS_OF_A_MONTH[day], "*")
    else:
        return None
    try:
        lines = phrase.lines_at(" and ".join(times), "*")
    except TriggerError:
        return None
    if len(lines) > 1:
        return None
    *clock, _, _, _ = lines[0].split()
    return " ".join([*clock, fields[0], "*", fields[1]])
