"""The kinds of values people write: durations, sizes, names, text, and short forms beside long ones.

A short form (`retry: 3`) is turned into its long one (`{max: 3}`) before validation, so that there is one path
through the models and one place for an error; the JSON Schema offers both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, Strict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from runner.duration import parse_duration
from runner.errors import SpecError
from runner.moment import SECOND, Span

EXPRESSION = "\\$\\{\\{"
NAME = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
ID = r"^[a-z0-9][a-z0-9_.-]{0,199}$"


class Model(BaseModel):
    """A mapping of known keys; any other is an error."""

    # Built when first used: what a model holds is built with it, and few are read on their own.
    model_config = ConfigDict(
        extra="forbid", coerce_numbers_to_str=True, frozen=True, populate_by_name=False, defer_build=True
    )


def one_of(*keys: str) -> dict[str, Any]:
    """The JSON Schema of: exactly one of these keys."""
    return {"oneOf": [{"required": [key]} for key in keys]}


def at_most_one_of(*keys: str) -> dict[str, Any]:
    """The JSON Schema of: no two of these keys."""
    pairs = [[one, other] for number, one in enumerate(keys) for other in keys[number + 1 :]]
    return {"not": {"anyOf": [{"required": pair} for pair in pairs]}}


def any_of(*keys: str) -> dict[str, Any]:
    """The JSON Schema of: at least one of these keys."""
    return {"anyOf": [{"required": [key]} for key in keys]}


OPEN: dict[str, Any] = {"patternProperties": {"^x-": {}}}


class Open(Model):
    """A mapping in which keys that begin with `x-` are notes of their writer."""

    model_config = ConfigDict(json_schema_extra=dict(OPEN))


class Also:
    """The short forms people may write instead, for the JSON Schema."""

    def __init__(self, *forms: dict[str, Any]) -> None:
        self.forms = forms

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [*self.forms, handler(schema)]}


class OrOne:
    """A list, or one of its items alone, for the JSON Schema."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        many = handler(schema)
        one = handler.resolve_ref_schema(many)["items"]
        return {"anyOf": [one, many]}


class Instead:
    """The JSON Schema of a value whose Python type says nothing about how people write it."""

    def __init__(self, form: dict[str, Any]) -> None:
        self.form = form

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(self.form)


TEXT = {"type": "string"}
WHOLE = {"type": "integer", "minimum": 0}
LATER = {"type": "string", "pattern": EXPRESSION}
"""An expression over vars and matrix, read when the file is loaded."""


def short(key: str, *kinds: type) -> Callable[[Any], Any]:
    """Make a before-validator: a bare value of these kinds means `{key: value}`."""

    def lengthen(value: Any) -> Any:
        if isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds):
            return {key: value}
        return value

    return lengthen


def listed(value: Any) -> Any:
    """A single value where a list of them is meant."""
    return value if isinstance(value, list) or value is None else [value]


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise SpecError("has no value", hint='write "" for empty text')
    return value


def duration(value: Any) -> Span:
    """A span in microseconds from text with units."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SpecError("must be a length of time", hint="write a number and a unit: 90s, 15m, 1h30m, 2d")
    return _parsed(str(value))


def _some(value: Any) -> Span:
    """A duration that is not nothing: where 0 would mean at once, always or never, nobody means it."""
    found = duration(value)
    if not found:
        hint = "write a number above 0 and a unit: 90s, 15m; without the key there is none"
        raise SpecError("must be longer than nothing", hint=hint)
    return found


def _seconds(value: Any) -> Span:
    """At least one second."""
    found = _some(value)
    if found < SECOND:
        raise SpecError("must be a second at least", hint="write a number and a unit: 1s, 30s, 5m")
    return found


_parsed = lru_cache(maxsize=1024)(parse_duration)


_SIZES = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?|(b?))", re.ASCII | re.IGNORECASE)


def size(value: Any) -> int:
    """Bytes from text such as 512M; units are powers of 1024, as in compose."""
    match = _SIZE.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if match is None:
        raise SpecError(f"{value!r} is not a size", hint="write a number and a unit: 64K, 512M, 2G")
    if not match[2] and not match[3] and float(match[1]):
        n = match[1]
        raise SpecError(f"{n!r} is not a size", hint=f"say the unit: {n}K, {n}M, {n}G, or {n}B for bytes")
    return int(float(match[1]) * _SIZES[(match[2] or "").lower()])


def time_of_day(value: Any) -> int:
    """Minutes after midnight from `05:00`."""
    match = re.fullmatch(r"([01]?\d|2[0-4]):([0-5]\d)", str(value), re.ASCII)
    if match is None or (match[1] == "24" and match[2] != "00"):
        raise SpecError(f"{value!r} is not a time of day", hint='write it as "05:00"')
    return int(match[1]) * 60 + int(match[2])


def share(value: Any) -> float:
    """A part of a whole, from `20%` or 0.2."""
    text = str(value)
    try:
        number = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        number = -1.0
    if isinstance(value, bool) or not 0 <= number <= 1:
        raise SpecError(f"{text!r} is not a share", hint="write it as 20% (or 0.2)")
    return number


_DURATION = {
    "type": "string",
    "pattern": rf"^\s*(\d+(\.\d+)?\s*(ms|[wdhms])\s*)+$|^[Pp][0-9A-Za-z.]+$|{EXPRESSION}",
    "examples": ["90s", "15m", "1h30m", "2d"],
}
Duration = Annotated[Span, BeforeValidator(duration), Instead(_DURATION)]
_SOME = {**_DURATION, "pattern": rf"^(?=.*([1-9]|{EXPRESSION}))({_DURATION['pattern']})"}
SomeTime = Annotated[Span, BeforeValidator(_some), Instead(_SOME)]
Seconds = Annotated[Span, BeforeValidator(_seconds), Instead(_SOME)]
Truth = Annotated[bool, Strict()]
"""`no` and `off` are texts in YAML 1.2: nobody guesses what they mean."""
Size = Annotated[
    int,
    BeforeValidator(size),
    Instead(
        {
            "type": ["string", "integer"],
            "pattern": r"^\s*(0|\d+(\.\d+)?\s*([kmgtKMGT]([iI]?[bB])?|[bB]))\s*$",
            "minimum": 0,
            "maximum": 0,
            "examples": ["512M", "2G"],
        }
    ),
]
TimeOfDay = Annotated[
    int,
    BeforeValidator(time_of_day),
    Instead({**TEXT, "pattern": r"^(([01]?\d|2[0-3]):[0-5]\d|24:00)$", "examples": ["05:00"]}),
]
Share = Annotated[
    float,
    BeforeValidator(share),
    Instead(
        {
            "type": ["string", "number"],
            "pattern": r"^(100|\d?\d)(\.\d+)?%$|^(0?\.\d+|[01](\.0+)?)$",
            "minimum": 0,
            "maximum": 1,
            "examples": ["20%"],
        }
    ),
]
Text = Annotated[str, BeforeValidator(_text), Instead({"type": ["string", "number", "boolean"]})]
Name = Annotated[str, Field(pattern=NAME)]
Texts = Annotated[list[str], BeforeValidator(listed), OrOne()]
Names = dict[str, Text]
