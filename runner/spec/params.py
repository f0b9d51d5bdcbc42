"""The values a run is given: typed, checked against what the job asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from difflib import get_close_matches
from math import isfinite
from typing import Any

from runner.errors import SpecError
from runner.spec.job import Param

_YES = {"true", "yes", "on", "1"}
_NO = {"false", "no", "off", "0"}


def check(params: tuple[Param, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values in their types. Defaults are not filled in: those are made with the run.

    SpecError names the parameter, what is wrong, and what is right.
    """
    known = {param.name: param for param in params}
    for name in given:
        if name not in known:
            raise SpecError(f"there is no parameter {name!r}", hint=_known(name, params))
    found = {name: value_of(known[name], value) for name, value in given.items()}
    for param in params:
        if param.required and param.default is None and param.name not in found:
            raise SpecError(
                f"the parameter {param.name!r} is needed", hint=f"give it with -p {param.name}=VALUE"
            )
    return found


def value_of(param: Param, value: Any) -> Any:
    """One value in its parameter's type; SpecError where it is not one."""
    match param.type:
        case "string":
            return _string(param, str(value))
        case "integer" | "number":
            return _number(param, value)
        case "boolean":
            return _boolean(param, value)
        case "date" | "datetime":
            return _date(param, value)
        case "choice":
            for option in param.options:
                if option == value or str(option) == str(value):
                    return option
            options = ", ".join(map(str, param.options))
            near = get_close_matches(str(value), [str(option) for option in param.options], 1)
            hint = f"did you mean {near[0]}? There are: {options}" if near else f"one of: {options}"
            raise _wrong(param, value, "not one of its options", hint)


def _string(param: Param, text: str) -> str:
    if "\0" in text:
        raise SpecError(f"{param.name}: a text cannot hold NUL")
    if param.pattern is not None and re.fullmatch(param.pattern, text) is None:
        raise _wrong(param, text, "not of its form", f"it must match {param.pattern}")
    return text


def _number(param: Param, value: Any) -> int | float:
    number: int | float
    try:
        if isinstance(value, bool):
            raise ValueError
        number = int(str(value)) if param.type == "integer" else float(str(value))
        if isinstance(number, float) and not isfinite(number):
            raise ValueError
    except ValueError:
        wanted = "a whole number" if param.type == "integer" else "a number"
        raise _wrong(param, value, f"not {wanted}", f"it is {_range(param, wanted)}") from None
    if param.min is not None and number < param.min:
        raise _wrong(param, value, f"less than {param.min:g}", f"it is {_range(param, 'a number')}")
    if param.max is not None and number > param.max:
        raise _wrong(param, value, f"more than {param.max:g}", f"it is {_range(param, 'a number')}")
    return number


def _range(param: Param, kind: str) -> str:
    bounds = [(param.min, "from"), (param.max, "to")]
    said = " ".join(f"{word} {bound:g}" for bound, word in bounds if bound is not None)
    return f"{kind} {said}" if said else f"{kind}, such as 3"


def _boolean(param: Param, value: Any) -> bool:
    word = str(value).lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise _wrong(param, value, "neither true nor false", "write true or false")


def _date(param: Param, value: Any) -> str:
    """ISO text: what a run keeps is JSON."""
    try:
        if param.type == "date":
            return (value if isinstance(value, date) else date.fromisoformat(str(value))).isoformat()[:10]
        return (value if isinstance(value, datetime) else datetime.fromisoformat(str(value))).isoformat()
    except ValueError:
        form = "2026-12-24" if param.type == "date" else "2026-12-24T08:00"
        raise _wrong(param, value, f"not a {param.type}", f"write {form}") from None


def _wrong(param: Param, value: Any, why: str, hint: str = "") -> SpecError:
    return SpecError(f"{param.name}: {str(value)[:80]!r} is {why}", hint=hint)


def _known(name: str, params: tuple[Param, ...]) -> str:
    if not params:
        return "the job has no parameters"
    names = [param.name for param in params]
    near = get_close_matches(name, names, 1)
    listed = ", ".join(f"{param.name} ({param.type})" for param in params)
    return f"did you mean {near[0]}? There are: {listed}" if near else f"there are: {listed}"
