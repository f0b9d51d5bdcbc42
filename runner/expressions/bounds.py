"""What an expression may use up: a meter that every operation charges, so that work and memory end early.

Jinja2's sandbox keeps templates away from Python's internals but lets them multiply, repeat and loop for ever.
Here whatever makes a value is charged with the size of that value, before it is made where it could be huge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import SecurityError

MOST_TEXT = 1024 * 1024
"""Characters in one text."""
MOST_BITS = 4096
"""Bits in one whole number."""
MOST_RANGE = 100_000
"""Numbers in one range."""
MOST_WORK = 1024 * 1024
"""Units of one evaluation: 16 characters or half an element each, about half a microsecond."""

_ELEMENT = 2


class TooMuch(SecurityError):
    """An expression asks for more than it may have."""


class Meter:
    """What one evaluation has used up so far."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0

    def charge(self, units: int) -> None:
        self.used += units
        if self.used > MOST_WORK:
            raise TooMuch("it takes more work than an expression may")

    def made(self, value: Any) -> Any:
        """Charge for a value and everything inside it; it is handed back.

        A missing value may be asked for its default, so it is let through; one inside a list says so here.
        """
        if isinstance(value, Undefined):
            self.charge(1)
            return value
        waiting = [value]
        while waiting:
            found = waiting.pop()
            if isinstance(found, str | bytes):
                self.charge(1 + len(text_within(found)) // 16)
            elif isinstance(found, dict | MappingProxyType):
                self.charge(1 + _ELEMENT * len(found))
                waiting.extend(found)
                waiting.extend(found.values())
            elif isinstance(found, list | tuple | set | frozenset):
                self.charge(1 + _ELEMENT * len(found))
                waiting.extend(found)
            elif isinstance(found, int):
                number_within(found.bit_length())
                self.charge(1)
            elif isinstance(found, Undefined):
                str(found)  # raises, with the name that is missing
            elif callable(found):
                raise SecurityError("it is a function, and no value: write ( ) behind it")
            else:
                self.charge(1)
        return value

    def collected(self, values: Iterable[Any]) -> list[Any]:
        """The values of an iterator in a list, charged one by one."""
        found = []
        for value in values:
            self.made(value)
            found.append(value)
        return found


def text_within(text: Any) -> Any:
    """The text, where it is not too long."""
    length_within(len(text))
    return text


def length_within(length: int) -> None:
    """Refuse a length before anything of that length is made."""
    if length > MOST_TEXT:
        raise TooMuch(f"a text of {length} characters is longer than the {MOST_TEXT} that are allowed")


def number_within(bits: int) -> None:
    """Refuse a whole number of so many bits."""
    if bits > MOST_BITS:
        raise TooMuch(f"a number of {bits} bits is larger than the {MOST_BITS} bits that are allowed")


def counted(*args: int) -> list[int]:
    """`range`, as a list with an end."""
    found = range(*args)
    if len(found) > MOST_RANGE:
        raise TooMuch(f"a range of {len(found)} numbers is longer than the {MOST_RANGE} that are allowed")
    return list(found)


def operated(operator: str, left: Any, right: Any) -> None:
    """Refuse an arithmetic operation whose result would be too large, before it is done."""
    if operator == "*":
        _multiplied(left, right)
        _multiplied(right, left)
    elif operator == "**":
        if isinstance(left, int) and isinstance(right, int):
            number_within(left.bit_length() * abs(right))
    elif operator == "%" and isinstance(left, str | bytes):
        raise TooMuch("% does not format text here; write a ~ b to join texts")
    elif operator == "+" and isinstance(left, str) and isinstance(right, str):
        length_within(len(left) + len(right))


def _multiplied(value: Any, times: Any) -> None:
    if not isinstance(times, int):
        return
    if isinstance(value, str | bytes):
        length_within(len(value) * max(0, times))
    elif isinstance(value, list | tuple):
        raise TooMuch("a list is not repeated with * here")
    elif isinstance(value, int):
        number_within(value.bit_length() + times.bit_length())


def plain(value: Any) -> Any:
    """JSON's idea of a value that JSON does not know."""
    if isinstance(value, Undefined):
        str(value)  # says which name is missing
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)
