"""Regular expressions people write: whether they are any, and whether one can take for ever.

A repeat inside a repeat (`(a+)+$`) lets a text that does not match be cut up in more ways than anybody can try. It is
refused, unless something between the inner ones keeps them apart, as the `-` in `([a-z]+-)*`.
"""

from __future__ import annotations

import re
from re import _constants, _parser  # type: ignore[attr-defined]  # the only reader of patterns there is
from typing import Any

_REPEATS = {_constants.MAX_REPEAT, _constants.MIN_REPEAT}


def trouble(pattern: str) -> tuple[str, str] | None:
    """What is wrong with it (fact, help), or None."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        position = getattr(error, "pos", None)
        where = f" (character {position + 1})" if position is not None else ""
        fact = f"is not a regular expression: {getattr(error, 'msg', error)}{where}"
        return fact, "a backslash makes a character stand for itself, as in \\("
    if _endless(_parser.parse(pattern)):
        return (
            "has a repeat inside a repeat, which can take for ever",
            "write it with one of the two, as a+ for (a+)+",
        )
    return None


def _endless(items: Any, *, repeated: bool = False) -> bool:
    apart = repeated and any(kind is _constants.LITERAL for kind, _ in items)
    for kind, value in items:
        if kind in _REPEATS:
            _, most, inner = value
            many = most > 16
            if many and repeated and not apart:
                return True
            if _endless(inner, repeated=many or (repeated and not apart)):
                return True
        elif kind is _constants.SUBPATTERN:
            if _endless(value[-1], repeated=repeated and not apart):
                return True
        elif kind is _constants.BRANCH and any(
            _endless(each, repeated=repeated and not apart) for each in value[1]
        ):
            return True
    return False
