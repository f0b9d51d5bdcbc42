"""The filters of expressions: those people expect, each bounded, none of them random or reading a clock."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import Undefined
from jinja2.exceptions import FilterArgumentError
from jinja2.filters import FILTERS as JINJA

from runner.duration import parse_duration
from runner.errors import ExpressionError
from runner.expressions.bounds import TooMuch, length_within, plain
from runner.moment import DAY, from_datetime, to_datetime

_MOST_FORM = 200


class Raw(str):
    """Text that its author wants inserted into a script as it is."""

    __slots__ = ()


def as_text(value: Any) -> str:
    """A value as it stands inside a text: `true`, `3`, ISO 8601, JSON for lists and mappings, nothing for null."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Undefined):
        return str(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return to_json(value)
    return str(value)


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON in one line, or indented by up to 8."""
    return json.dumps(
        value, ensure_ascii=False, indent=min(indent, 8) if indent else None, default=plain, allow_nan=False
    )


def _when(value: Any) -> datetime:
    """The moment a value means: a datetime, a date (its midnight), or ISO 8601 text."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a day has no zone
    if isinstance(value, Undefined):
        str(value)
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise ExpressionError(
            f"{str(value)[:80]!r} is not a date or time",
            hint="write ISO 8601, as in 2026-03-29T02:00:00+01:00",
        ) from None


def _formed(when: datetime, form: str) -> str:
    if len(form) > _MOST_FORM:
        raise TooMuch(f"a form of {len(form)} characters is longer than {_MOST_FORM}")
    return when.strftime(form)


def _date(value: Any, form: str = "%Y-%m-%d") -> str:
    return _formed(_when(value), form)


def _datetime(value: Any, form: str = "") -> str:
    when = _when(value)
    return _formed(when, form) if form else when.isoformat()


def _shift(value: Any, by: str) -> Any:
    """A moment moved by a length of time. Whole days keep the time of day, and a day stays a day."""
    by = by.strip()
    span = parse_duration(by.lstrip("+-")) * (-1 if by.startswith("-") else 1)
    when = _when(value)
    try:
        if when.tzinfo is None or span % DAY == 0:
            moved = when + timedelta(microseconds=span)
        else:
            moved = to_datetime(from_datetime(when) + span, when.tzinfo)
    except OverflowError:
        raise ExpressionError(f"{when.isoformat()} shifted by {by} is outside the calendar") from None
    if span % DAY == 0 and not isinstance(value, datetime):
        if isinstance(value, date):
            return moved.date()
        if isinstance(value, str) and len(value) == len("2026-03-29"):
            return moved.date().isoformat()
    return moved


def _tz(value: Any, name: str) -> datetime:
    """The same moment on the clocks of a zone; a value without a zone is refused."""
    when = _when(value)
    if when.tzinfo is None:
        raise ExpressionError(
            f"{when.isoformat()} has no time zone", hint="shift and tz need a moment with an offset"
        )
    try:
        zone = UTC if name == "UTC" else ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ExpressionError(
            f"there is no time zone {name!r}", hint="write it as in Europe/Berlin"
        ) from None
    return when.astimezone(zone)


def _from_json(value: Any) -> Any:
    try:
        return json.loads(as_text(value))
    except ValueError as error:
        raise ExpressionError(f"it is not JSON: {error}") from None


def _sh(value: Any) -> str:
    """One word of a POSIX shell."""
    return shlex.quote(as_text(value))


def _path(value: Any) -> str:
    """One safe part of a path: no separators, not `..`, no control characters, at most 200 characters."""
    text = "".join(char if char.isalnum() or char in "-_.@+=, " else "_" for char in as_text(value))
    return text[:200] if text.strip(". ") else "_" * max(1, len(text))


def _urlencode(value: Any) -> str:
    """A value as one part of a URL, or a mapping as a query."""
    if isinstance(value, Mapping):
        return "&".join(f"{_urlencode(key)}={_urlencode(item)}" for key, item in value.items())
    return quote(as_text(value), safe="")


def _join(value: Any, separator: str = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        raise ExpressionError("join takes no attribute", hint="write | map(attribute='name') | join(', ')")
    pieces = [as_text(item) for item in value]
    length_within(sum(map(len, pieces)) + len(separator) * max(0, len(pieces) - 1))
    return separator.join(pieces)


def _replace(value: Any, old: str, new: str, count: int = -1) -> str:
    text = as_text(value)
    found = text.count(old) if count < 0 else min(count, text.count(old))
    length_within(len(text) + found * max(0, len(new) - len(old)))
    return text.replace(old, new, count)


def _round(value: Any, precision: int = 0, method: str = "common") -> float | int:
    if abs(precision) > 15:
        raise TooMuch(f"a precision of {precision} digits is more than 15")
    rounded = JINJA["round"](value, precision, method)
    assert isinstance(rounded, float | int)
    return rounded


def _sum(value: Any, attribute: str | None = None, start: int | float = 0) -> Any:
    if attribute is not None:
        raise ExpressionError("sum takes no attribute", hint="write | map(attribute='rows') | sum")
    numbers = list(value)
    for number in [*numbers, start]:
        if not isinstance(number, int | float):
            raise ExpressionError(f"sum adds numbers, and {str(number)[:40]!r} is none")
    return sum(numbers, start)


def _indent(value: Any, width: int = 4, first: bool = False) -> str:
    """Every line (not the first unless said) moved to the right by up to 40 columns."""
    margin = " " * max(0, min(int(width), 40))
    text = as_text(value)
    length_within(len(text) + len(margin) * (text.count("\n") + 1))
    moved = text.replace("\n", "\n" + margin)
    return margin + moved if first else moved


def _b64encode(value: Any) -> str:
    return base64.b64encode(as_text(value).encode()).decode()


def _b64decode(value: Any) -> str:
    try:
        return base64.b64decode(as_text(value), validate=True).decode()
    except ValueError:
        raise ExpressionError("it is not base64 of a text") from None


def _basename(value: Any) -> str:
    return as_text(value).rstrip("/").rpartition("/")[2]


def _dirname(value: Any) -> str:
    head = as_text(value).rstrip("/").rpartition("/")[0]
    return head or ("/" if as_text(value).startswith("/") else ".")


# What Jinja2 brings and what is bounded by the size of its input.
_KEPT = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "last"),
    *("length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select"),
    *("selectattr", "sort", "title", "trim", "truncate", "unique", "upper", "wordcount"),
)

FILTERS: Mapping[str, Callable[..., Any]] = {
    **{name: JINJA[name] for name in _KEPT},
    "b64decode": _b64decode,
    "b64encode": _b64encode,
    "basename": _basename,
    "date": _date,
    "datetime": _datetime,
    "dirname": _dirname,
    "fromjson": _from_json,
    "indent": _indent,
    "join": _join,
    "json": to_json,
    "path": _path,
    "raw": lambda value: Raw(as_text(value)),
    "replace": _replace,
    "round": _round,
    "sh": _sh,
    "shift": _shift,
    "string": as_text,
    "sum": _sum,
    "tojson": to_json,
    "tz": _tz,
    "urlencode": _urlencode,
}

REFUSED = (FilterArgumentError,)
"""What filters raise about their arguments."""
