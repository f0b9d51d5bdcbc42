"""Pickles of APScheduler 3 as plain values: known classes become stand-ins, everything else is refused.

A pickle is a program. This one may name only what is listed here; each name is answered with a value made for this
one pickle, so that nothing a pickle does to it outlives the pickle.
"""

from __future__ import annotations

import io
import pickle
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from runner.errors import RunnerError

MOST_BYTES = 16 << 20
"""A job is no longer than this."""

_TRIGGERS = "apscheduler.triggers."
_STAND_INS = {
    "cron": ("CronTrigger",),
    "interval": ("IntervalTrigger",),
    "date": ("DateTrigger",),
    "calendarinterval": ("CalendarIntervalTrigger",),
    "combining": ("AndTrigger", "OrTrigger"),
    "cron.fields": ("BaseField", "WeekField", "DayOfMonthField", "DayOfWeekField", "MonthField"),
    "cron.expressions": (
        "AllExpression",
        "RangeExpression",
        "MonthRangeExpression",
        "WeekdayRangeExpression",
        "WeekdayPositionExpression",
        "LastDayOfMonthExpression",
    ),
}
_KNOWN = {f"{_TRIGGERS}{module}:{name}" for module, names in _STAND_INS.items() for name in names}

_BUILTIN = {
    "datetime:datetime": datetime,
    "datetime:date": date,
    "datetime:time": time,
    "datetime:timedelta": timedelta,
    "datetime:timezone": timezone,
    "decimal:Decimal": Decimal,
    "builtins:set": set,
    "builtins:frozenset": frozenset,
    "builtins:complex": complex,
    "builtins:bytes": bytes,
    "builtins:bytearray": bytearray,
}
"""Types of the interpreter that nobody can change."""


class Refused(RunnerError):
    """What was read is not one of the things APScheduler writes, or holds something that is not read."""


class Old:
    """A stand-in: the class by name, what it was made of, and its state."""

    kind = ""

    def __new__(cls, *args: Any) -> Old:
        made = super().__new__(cls)
        made.args = args
        made.state = None
        return made

    args: tuple[Any, ...]
    state: Any

    def __setstate__(self, state: Any) -> None:
        # Objects with slots give a pair: what stood in __dict__, and what stood in the slots.
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
            state = {**(state[0] or {}), **state[1]}
        object.__setattr__(self, "state", state)


def loads(data: bytes) -> Any:
    """The value of a pickle, with stand-ins; Refused names what it asked for and does not get."""
    if len(data) > MOST_BYTES:
        raise Refused(f"it is {len(data)} bytes long, which no job is")
    try:
        return plain(_Reader(io.BytesIO(data)).load())
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"it is no pickle of a job: {type(error).__name__}: {error}") from None


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="latin1")
        self._made: dict[str, Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        key = f"{module}:{name}"
        if key not in self._made:
            self._made[key] = self._make(key)
        return self._made[key]

    def persistent_load(self, pid: Any) -> Any:
        raise Refused("it refers to something outside of itself")

    def _make(self, key: str) -> Any:
        if key in _KNOWN or key == "uuid:UUID":
            return type("Stand_in", (Old,), {"kind": key})
        if key in _BUILTIN:
            return _BUILTIN[key]
        maker = _MAKERS.get(key)
        if maker is None:
            raise Refused(f"it asks for {key.replace(':', '.')}", hint=_HINT)
        return maker()


_HINT = (
    "only APScheduler's own triggers, dates and plain values are read; add this job from the program again"
)


# ── functions, made anew for each pickle ────────────────────────────────────────────────────


def _zone_maker() -> Callable[..., Any]:
    def zone(key: str, *rest: Any) -> Any:
        return ZoneInfo(str(key))

    return zone


def _getattr_maker() -> Callable[..., Any]:
    def getattr_(thing: Any, name: str) -> Any:
        # A ZoneInfo is pickled as getattr(ZoneInfo, "_unpickle")(key, ...).
        if name == "_unpickle" and getattr(thing, "__name__", "") == "zone":
            return thing
        raise Refused(f"it asks for the attribute {name!r}", hint=_HINT)

    return getattr_


def _pytz_maker() -> Callable[..., Any]:
    def zone(name: str, *rest: Any) -> Any:
        return ZoneInfo(str(name))

    return zone


def _utc_maker() -> Callable[..., Any]:
    def utc(*rest: Any) -> Any:
        return timezone.utc  # noqa: UP017 - as what was pickled

    return utc


def _fixed_maker() -> Callable[..., Any]:
    def fixed(minutes: int, *rest: Any) -> Any:
        return timezone(timedelta(minutes=minutes))

    return fixed


def _encode_maker() -> Callable[..., Any]:
    def encode(text: str, encoding: str = "latin1") -> bytes:
        if encoding not in ("latin1", "latin-1"):
            raise Refused(f"it asks for the encoding {encoding!r}", hint=_HINT)
        return text.encode("latin1")

    return encode


def _dict_maker() -> Callable[..., Any]:
    def ordered(pairs: Any = ()) -> dict[Any, Any]:
        return dict(pairs)

    return ordered


def _object_maker() -> Callable[..., Any]:
    def reconstructed(kind: Any, base: Any, state: Any) -> Any:
        if isinstance(kind, type) and issubclass(kind, Old):
            return kind()
        raise Refused(f"it asks for an object of {kind!r}", hint=_HINT)

    return reconstructed


def _nothing_maker() -> Callable[..., Any]:
    def nothing(*rest: Any) -> None:
        return None

    return nothing


_MAKERS: dict[str, Callable[[], Any]] = {
    "zoneinfo:ZoneInfo": _zone_maker,
    "zoneinfo:ZoneInfo._unpickle": _zone_maker,
    "backports.zoneinfo:ZoneInfo": _zone_maker,
    "builtins:getattr": _getattr_maker,
    "builtins:object": lambda: type("Stand_in", (), {}),
    "pytz:_p": _pytz_maker,
    "pytz:_UTC": _utc_maker,
    "pytz:_FixedOffset": _fixed_maker,
    "dateutil.tz.tz:tzutc": _utc_maker,
    "_codecs:encode": _encode_maker,
    "collections:OrderedDict": _dict_maker,
    "copyreg:_reconstructor": _object_maker,
    "uuid:SafeUUID": _nothing_maker,
}


# ── afterwards ──────────────────────────────────────────────────────────────────────────────


def plain(value: Any) -> Any:
    """The value with stand-ins of plain kinds made real; those of triggers stay."""
    if isinstance(value, Old):
        if value.kind == "uuid:UUID":
            return uuid.UUID(int=int(value.state["int"]))
        value.__dict__["state"] = plain(value.state)
        return value
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(plain(item) for item in value)
    return value
