"""Records as JSON: readable, diffable, and reading them never executes anything.

A value of the house is an object with its class under `~` and the fields that differ from their defaults. Python
values that JSON does not know (dates, decimals, bytes, uuids, sets, tuples ...) are objects with their kind under `~`.
Only the classes named here can come out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from operator import attrgetter, is_
from types import NoneType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from runner import spec as specs
from runner.core.run import (
    Delivery,
    Incident,
    News,
    Occurrence,
    Outcome,
    Request,
    RunKey,
    Status,
    StepRun,
)
from runner.errors import StoreError
from runner.spec import JobKey
from runner.triggers import load as load_trigger
from runner.triggers.cron import CronTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger

KIND = "~"


@dataclass(frozen=True, slots=True)
class Pickled:
    """A pickle, as it is stored: nobody looks inside here."""

    data: bytes


_CLASSES: Mapping[str, type] = {
    each.__name__: each
    for each in (
        specs.After,
        specs.Call,
        specs.Catchup,
        specs.Command,
        specs.Concurrency,
        specs.Foreach,
        specs.Http,
        specs.JobSpec,
        specs.Limits,
        specs.Notify,
        specs.OnlyAfter,
        specs.Param,
        specs.Policy,
        specs.Retention,
        specs.Retry,
        specs.Rule,
        specs.Sla,
        specs.Step,
        specs.Success,
        Delivery,
        Incident,
        News,
        Occurrence,
        Outcome,
        Request,
        StepRun,
    )
}
_OURS = frozenset(_CLASSES.values())
_FORGOTTEN = {("Outcome", "value"), ("Outcome", "exception")}
"""What lives in this process only."""


def dumps(value: Any) -> str:
    """The value as JSON text; StoreError names what cannot be stored."""
    text = _spec_text(value) if type(value) is specs.JobSpec else _text(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, as undecodable bytes leave it, is no UTF-8: written as an escape it comes back.
        return json.dumps(encode(value), ensure_ascii=True, separators=(",", ":"))
    return text


_quoted = json.encoder.encode_basestring


def _encoder() -> Callable[[Any], str]:
    whole = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return whole.encode
    # `encode` makes one for each call, which takes as long as most values take to write.
    once = make(None, whole.default, _quoted, None, ":", ",", False, False, True)
    return lambda value: "".join(once(value, 0))


_plainly = _encoder()


def _text(value: Any) -> str:
    """What `encode` gives, as text. Most fields of a run's records are plain, and are written straight away."""
    kind: type = type(value)
    if kind is str:
        return _quoted(value)
    if kind is list:
        return f"[{','.join(map(_text, value))}]"
    if kind is specs.JobSpec:
        return _spec_text(value)
    if kind in _SHARED:
        return _shared_text(kind, value)
    return _object_text(kind, value) if kind in _OURS else _plainly(encode(value))


def _object_text(kind: type, value: Any) -> str:
    start, fields_of, values_of = _written(kind)
    return f"{start}{_members(fields_of, values_of(value))}}}"


@cache
def _written(
    kind: type, leaving_out: int = 0
) -> tuple[str, tuple[tuple[str, Any], ...], Callable[[Any], tuple[Any, ...]]]:
    """How the text of a class's value begins; each field, as it stands in the text, with its default; their values.

    The first fields may be left out.
    """
    name, names, defaults, values_of = _shape(kind)
    keys = tuple((f',"{each}":', default) for each, default in zip(names, defaults, strict=True))
    if leaving_out:
        values_of = attrgetter(*names[leaving_out:])
    return f'{{"{KIND}":"{name}"', keys[leaving_out:], values_of


def _members(fields_of: Sequence[tuple[str, Any]], values: Sequence[Any]) -> str:
    """What differs from its default, each after a comma."""
    text = ""
    # By identity first: most fields say what nobody said.
    for (key, default), item in zip(fields_of, values):  # noqa: B905  # as long as each other, and this is hot
        if item is default:
            continue
        form = type(item)
        if form is int:
            if item != default:
                text = f"{text}{key}{item}"
        elif form is str or form is Status:
            if item != default:
                text = f"{text}{key}{_quoted(item)}"
        elif form is not type(default) or item != default:
            # A field's own tuple is an array; one inside people's arguments keeps its kind.
            text = f"{text}{key}{_text(list(item) if form is tuple else item)}"
    return text


_SHARED = frozenset({specs.Policy, CronTrigger, DateTrigger, IntervalTrigger})
"""Values that cannot change and that jobs of one program share: the last text of each class is kept."""
_last: dict[type, tuple[Any, str]] = {}


def _shared_text(kind: type, value: Any) -> str:
    known = _last.get(kind)
    if known is not None and known[0] is value:
        return known[1]
    text = _object_text(kind, value) if kind in _OURS else _plainly(encode(value))
    _last[kind] = (value, text)
    return text


_last_rest: tuple[tuple[Any, ...], str] | None = None
"""What the last spec held besides its id and its steps, and the text of that."""
_last_steps: tuple[tuple[specs.Step, ...], str] | None = None


def _spec_text(spec: specs.JobSpec) -> str:
    """Ten thousand jobs of one program may differ in their ids alone, or in these and their arguments.

    What is the very same as in the spec before is not written anew: not what is equal, for 1 and True are equal.
    """
    global _last_rest
    start, fields_of, values_of = _written(specs.JobSpec, 2)
    rest, known = values_of(spec), _last_rest
    if known is not None and all(map(is_, rest, known[0])):
        text = known[1]
    else:
        text = _members(fields_of, rest)
        _last_rest = (rest, text)
    return f'{start},"id":{_text(spec.id)},"steps":{_steps_text(spec.steps)}{text}}}'


def _steps_text(steps: tuple[specs.Step, ...]) -> str:
    global _last_steps
    known = _last_steps
    if known is not None and len(known[0]) == len(steps) and all(map(is_, steps, known[0])):
        return known[1]
    text = _text(list(steps))
    _last_steps = (steps, text)
    return text


def loads(text: str) -> Any:
    """The value back; StoreError where the text is not one of ours."""
    try:
        return decode(json.loads(text))
    except (ValueError, TypeError, KeyError, LookupError, RecursionError) as error:
        raise StoreError(f"a stored value cannot be read: {type(error).__name__}: {error}") from None


# ── out ─────────────────────────────────────────────────────────────────────────────────────


def encode(value: Any) -> Any:
    """JSON-able values for a value."""
    kind = type(value)
    if kind is str or kind is int or kind is float or kind is bool or value is None:
        return value
    if kind is list:
        return [encode(item) for item in value]
    if kind is dict:
        return _encode_dict(value)
    if kind in _OURS:
        return _encode_object(value)
    found = _PLAIN.get(kind)
    if found is not None:
        return {KIND: found[0], "value": found[1](value)}
    if kind is Status:
        return str(value)
    if kind in (tuple, set, frozenset):
        items = list(value) if kind is tuple else sorted(value, key=repr)
        return {KIND: kind.__name__, "items": [encode(item) for item in items]}
    if kind is JobKey or kind is RunKey:
        return {KIND: kind.__name__, "items": [encode(item) for item in value]}
    to_json = getattr(value, "to_json", None)
    if to_json is not None and hasattr(value, "next_after"):
        return {KIND: "trigger", "value": to_json()}
    if isinstance(value, Mapping):
        return _encode_dict(dict(value))
    if isinstance(value, str | int | float):
        return _base(value)
    raise StoreError(f"a value of type {_name(kind)} cannot be stored", hint=_hint(value))


def _encode_dict(value: dict[Any, Any]) -> Any:
    if all(type(key) is str for key in value) and KIND not in value:
        return {key: encode(item) for key, item in value.items()}
    return {KIND: "dict", "items": [[encode(key), encode(item)] for key, item in value.items()]}


def _encode_object(value: Any) -> dict[str, Any]:
    kind = type(value)
    name, names, defaults, values_of = _shape(kind)  # type: ignore[arg-type]
    data: dict[str, Any] = {KIND: name}
    for field, default, item in zip(names, defaults, values_of(value), strict=True):
        if item is default:
            continue
        form = type(item)
        if form is str or form is int:
            if item != default:
                data[field] = item
        elif form is not type(default) or item != default:
            # A field's own tuple is an array; one inside people's arguments keeps its kind.
            data[field] = [encode(each) for each in item] if form is tuple else encode(item)
    return data


@cache
def _shape(kind: type) -> tuple[str, tuple[str, ...], tuple[Any, ...], Callable[[Any], tuple[Any, ...]]]:
    """A class's name, the fields that are written, their defaults, and what reads them all at once."""
    written = [each for each in _fields(kind) if (kind.__name__, each[0]) not in _FORGOTTEN]
    names = tuple(name for name, _, _ in written)
    defaults = tuple(default for _, default, _ in written)
    if len(names) < 2:  # of one field attrgetter gives the value itself, of none nothing
        return kind.__name__, names, defaults, lambda value: tuple(getattr(value, name) for name in names)
    return kind.__name__, names, defaults, attrgetter(*names)


def _base(value: str | int | float) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    return int(value) if isinstance(value, int) else float(value)


# ── in ──────────────────────────────────────────────────────────────────────────────────────


def decode(value: Any) -> Any:
    """The value of what `encode` made."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(KIND)
    if kind is None:
        return {key: decode(item) for key, item in value.items()}
    if kind in _CLASSES:
        return _decode_object(_CLASSES[kind], value)
    if kind == "trigger":
        return load_trigger(value["value"])
    if kind == "dict":
        return {decode(key): decode(item) for key, item in value["items"]}
    if kind in _COLLECTIONS:
        return _COLLECTIONS[kind]([decode(item) for item in value["items"]])
    if kind in _READ:
        return _READ[kind](value["value"])
    raise StoreError(
        f"a stored value is of an unknown kind, {kind!r}", hint="was it written by a newer version?"
    )


def _decode_object(kind: type, data: dict[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for name, _, form in _fields(kind):
        if name not in data:
            continue
        item = decode(data[name])
        if "tuple[" in form and isinstance(item, list):
            item = tuple(item)
        elif form == "Status" or form.startswith("Status "):
            item = Status(item) if item is not None else None
        values[name] = item
    # A field that a newer version wrote is left alone: rolling upgrades read each other's rows.
    return kind(**values)


@cache
def _fields(kind: type) -> tuple[tuple[str, Any, str], ...]:
    found = []
    for each in fields(kind):
        if not each.init:  # derived from the others
            continue
        default = each.default
        if default is MISSING and each.default_factory is not MISSING:
            default = each.default_factory()
        found.append((each.name, default, str(each.type)))
    return tuple(found)


# ── kinds ───────────────────────────────────────────────────────────────────────────────────


def _zone(value: ZoneInfo) -> str:
    return str(value.key)


_PLAIN: Mapping[type, tuple[str, Callable[[Any], Any]]] = {
    datetime: ("datetime", lambda value: [value.isoformat(), getattr(value.tzinfo, "key", None)]),
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("decimal", str),
    bytes: ("bytes", lambda value: base64.b64encode(value).decode()),
    UUID: ("uuid", str),
    complex: ("complex", lambda value: [value.real, value.imag]),
    ZoneInfo: ("zone", _zone),
    NoneType: ("none", str),
    Pickled: ("pickle", lambda value: base64.b64encode(value.data).decode()),
}


def _datetime(value: list[Any]) -> datetime:
    when = datetime.fromisoformat(value[0])
    return when.astimezone(ZoneInfo(value[1])) if value[1] else when


_READ: Mapping[str, Callable[[Any], Any]] = {
    "datetime": _datetime,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda value: timedelta(*value),
    "decimal": Decimal,
    "bytes": lambda value: base64.b64decode(value),
    "uuid": UUID,
    "complex": lambda value: complex(*value),
    "zone": ZoneInfo,
    "pickle": lambda value: Pickled(base64.b64decode(value)),
}

_COLLECTIONS: Mapping[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "JobKey": lambda items: JobKey(*items),
    "RunKey": lambda items: RunKey(*items),
}


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _hint(value: Any) -> str:
    if callable(value):
        return "name the function as text, 'package.module:function', or keep the job in the memory store"
    return "arguments are JSON values, dates, decimals, bytes, uuids, sets and tuples; keep others in the memory store"
