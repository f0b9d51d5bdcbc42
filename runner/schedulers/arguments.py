"""Whether a function can be called with what a job gives it: said when the job is added, not when it is due."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from types import BuiltinFunctionType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary

_KINDS = (
    Parameter.POSITIONAL_ONLY,
    Parameter.POSITIONAL_OR_KEYWORD,
    Parameter.VAR_POSITIONAL,
    Parameter.KEYWORD_ONLY,
    Parameter.VAR_KEYWORD,
)


def check(function: Callable[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any]) -> None:
    """ValueError names every argument that is missing, too many or given twice."""
    parameters = _parameters(function)
    if not parameters and (parameters is None or not (args or kwargs)):
        return
    count = len(list(args))
    kinds = {kind: [each for each in parameters if each.kind is kind] for kind in _KINDS}
    by_place = kinds[Parameter.POSITIONAL_ONLY] + kinds[Parameter.POSITIONAL_OR_KEYWORD]
    filled, rest = by_place[:count], by_place[count:]
    only_place = {each.name for each in kinds[Parameter.POSITIONAL_ONLY]}
    spare_keywords = bool(kinds[Parameter.VAR_KEYWORD])
    _complain(
        "The following arguments are supplied in both args and kwargs",
        [each.name for each in filled if each.name in kwargs and each.name not in only_place],
    )
    _complain(
        "The following arguments cannot be given as keyword arguments",
        []
        if spare_keywords
        else [each.name for each in rest if each.name in only_place and each.name in kwargs],
    )
    _complain(
        "The following arguments have not been supplied",
        [each.name for each in rest if each.default is Parameter.empty and each.name not in kwargs],
    )
    _complain(
        "The following keyword-only arguments have not been supplied in kwargs",
        [
            each.name
            for each in kinds[Parameter.KEYWORD_ONLY]
            if each.default is Parameter.empty and each.name not in kwargs
        ],
    )
    if count > len(by_place) and not kinds[Parameter.VAR_POSITIONAL]:
        raise ValueError(
            "The list of positional arguments is longer than the target callable can handle "
            f"(allowed: {len(by_place)}, given in args: {count})"
        )
    known = {each.name for each in parameters}
    _complain(
        "The target callable does not accept the following keyword arguments",
        [] if spare_keywords else [name for name in kwargs if name not in known],
    )


_NEW: list[Parameter] = []
_known: WeakKeyDictionary[Any, list[Parameter] | None] = WeakKeyDictionary()
"""Parameters of plain functions, each looked at once: that is half the work of adding a job."""


def _parameters(function: Callable[..., Any]) -> list[Parameter] | None:
    """None where there is no signature to look at, as with some builtins."""
    plain = isinstance(function, FunctionType | BuiltinFunctionType)
    found: list[Parameter] | None
    if plain and (known := _known.get(function, _NEW)) is not _NEW:
        return known
    try:
        found = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        found = None
    if plain:
        _known[function] = found
    return found


def _complain(fact: str, names: list[str]) -> None:
    if names:
        raise ValueError(f"{fact}: {', '.join(names)}")
