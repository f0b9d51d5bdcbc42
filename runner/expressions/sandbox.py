"""The sandbox: no way to Python's internals, and bounds on work, length and number.

Jinja2's sandbox stops escapes but neither loops nor memory, so that what multiplies, repeats or counts is bounded
here. Expressions have no loops of their own.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable, Mapping
from datetime import date, datetime, tzinfo
from pathlib import PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import StrictUndefined
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runner import duration
from runner.moment import SECOND, from_datetime, to_datetime

MOST_TEXT = 1024 * 1024
MOST_NUMBER_BITS = 4096
MOST_RANGE = 100_000


class TooMuch(SecurityError):
    """An expression that asks for more than it may have."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Only plain values have attributes; arithmetic is bounded."""

    intercepted_binops = frozenset(["+", "*", "**", "%", "//", "/"])

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if attr.startswith("_") or attr in ("format", "format_map", "mro"):
            return False
        if isinstance(obj, str) and attr in (
            "join",
            "replace",
            "ljust",
            "rjust",
            "center",
            "zfill",
            "expandtabs",
        ):
            return attr in ("replace",)
        return super().is_safe_attribute(obj, attr, value)

    def is_safe_callable(self, obj: Any) -> bool:
        return not isinstance(obj, type) and super().is_safe_callable(obj)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            _check_repeat(left, right)
            _check_repeat(right, left)
        elif operator == "**":
            _check_power(left, right)
        elif operator == "%" and isinstance(left, str):
            raise TooMuch("% does not format text here; write a ~ b to join texts")
        elif (
            operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple)
        ):
            _check_length(len(left) + len(right))
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        if getattr(obj, "__name__", "") == "replace" and isinstance(getattr(obj, "__self__", None), str):
            text = obj.__self__
            if len(args) > 1 and args[0] is not None:
                _check_length(len(text) + text.count(str(args[0])) * len(str(args[1])))
        return super().call(context, obj, *args, **kwargs)


def _check_repeat(value: Any, times: Any) -> None:
    if isinstance(value, str | bytes | list | tuple) and isinstance(times, int):
        _check_length(len(value) * max(0, times))
    if isinstance(value, int) and isinstance(times, int):
        _check_bits(value.bit_length() + times.bit_length())


def _check_power(base: Any, exponent: Any) -> None:
    if isinstance(base, int) and isinstance(exponent, int):
        _check_bits(base.bit_length() * abs(exponent))


def _check_bits(bits: int) -> None:
    if bits > MOST_NUMBER_BITS:
        raise TooMuch(f"a number of {bits} bits is more than the {MOST_NUMBER_BITS} that are allowed")


def _check_length(length: int) -> None:
    if length > MOST_TEXT:
        raise TooMuch(f"a value of length {length} is more than the {MOST_TEXT} that is allowed")


def _range(*args: int) -> list[int]:
    found = range(*args)
    if len(found) > MOST_RANGE:
        raise TooMuch(f"a range of {len(found)} is more than the {MOST_RANGE} that is allowed")
    return list(found)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.fromisoformat(value.isoformat())
    return datetime.fromisoformat(str(value))


def _date(value: Any, form: str = "%Y-%m-%d") -> str:
    """The day of a moment, or the moment in a strftime form."""
    return _moment(value).strftime(form)


def _datetime(value: Any, form: str | None = None) -> str:
    when = _moment(value)
    return when.strftime(form) if form is not None else when.isoformat()


def _shift(value: Any, by: str) -> Any:
    """A moment moved by a length of time such as `-1d` or `2h`; days keep the time of day."""
    sign, text = (-1, by[1:]) if by.startswith("-") else (1, by.removeprefix("+"))
    span = sign * duration.parse_duration(text)
    when = _moment(value)
    day = 86_400 * SECOND
    if span % day == 0 or when.tzinfo is None:
        from datetime import timedelta

        moved: datetime = when + timedelta(microseconds=span)
    else:
        moved = to_datetime(from_datetime(when) + span, when.tzinfo)
    if isinstance(value, date) and not isinstance(value, datetime):
        return moved.date() if span % day == 0 else moved
    return moved


def _tz(value: Any, name: str) -> datetime:
    try:
        zone: tzinfo = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise TooMuch(f"there is no time zone {name!r}") from None
    return _moment(value).astimezone(zone)


def _plain(value: Any) -> Any:
    """JSON's idea of a value that JSON does not know."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=min(indent, 8) if indent else None, default=_plain)


def _fromjson(value: Any) -> Any:
    return json.loads(str(value))


def _sh(value: Any) -> str:
    """One word of a shell; needed only where a script is built by hand."""
    return shlex.quote(str(value))


def _path(value: Any) -> str:
    """A value that is safe as one part of a path: no separators, no dots alone, no control characters."""
    text = "".join(char if char.isalnum() or char in "-_.@+=, " else "_" for char in str(value))
    return "_" if text.strip(". ") == "" else str(PurePosixPath(text).name)[:200]


def _b64(value: Any) -> str:
    return base64.b64encode(str(value).encode()).decode()


class Raw(str):
    """Text that its author wants inserted as it is."""


KEPT_FILTERS = (
    "abs capitalize count d default dictsort e escape first float int items join last length list lower map max min "
    "reject rejectattr replace reverse round select selectattr sort string sum title trim truncate unique upper "
    "urlencode wordcount"
).split(" ")

KEPT_TESTS = (
    "boolean defined divisibleby eq equalto even false float ge gt greaterthan in integer iterable le lessthan lower "
    "lt mapping ne none number odd sequence string true undefined upper"
).split(" ")

FILTERS: dict[str, Callable[..., Any]] = {
    "date": _date,
    "datetime": _datetime,
    "shift": _shift,
    "tz": _tz,
    "json": _json,
    "tojson": _json,
    "fromjson": _fromjson,
    "sh": _sh,
    "path": _path,
    "b64encode": _b64,
    "raw": Raw,
}


def make() -> Sandbox:
    """A sandbox for single expressions: filters and tests that are bounded, and nothing global but `range`."""
    sandbox = Sandbox(undefined=StrictUndefined, cache_size=0, autoescape=False)
    sandbox.filters = {
        name: sandbox.filters[name] for name in KEPT_FILTERS if name in sandbox.filters
    } | FILTERS
    sandbox.tests = {name: sandbox.tests[name] for name in KEPT_TESTS if name in sandbox.tests}
    sandbox.globals = {"range": _range}
    return sandbox
