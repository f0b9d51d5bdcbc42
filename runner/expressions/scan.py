"""Finds `${{ expression }}` in a text: a `}}` inside a string of the expression does not end it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.errors import ExpressionError

OPEN, CLOSE = "${{", "}}"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text: plain, or the text of an expression. `start` and `end` are offsets in the whole."""

    text: str
    start: int
    end: int
    expression: bool


def has_expression(text: str) -> bool:
    return OPEN in text


def parts(text: str) -> Iterator[Part]:
    """The text in pieces, in order. Raises ExpressionError where an expression does not end."""
    at = 0
    while True:
        start = text.find(OPEN, at)
        if start < 0:
            if at < len(text):
                yield Part(text[at:], at, len(text), False)
            return
        if start > at:
            yield Part(text[at:start], at, start, False)
        end = _end(text, start)
        yield Part(text[start + len(OPEN) : end].strip(), start, end + len(CLOSE), True)
        at = end + len(CLOSE)


def _end(text: str, start: int) -> int:
    """Where the `}}` of the expression that opens at `start` stands."""
    quote, depth, at = "", 0, start + len(OPEN)
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}":
            if depth:
                depth -= 1
            elif text.startswith(CLOSE, at):
                return at
        at += 1
    error = ExpressionError("an expression begins with ${{ and does not end", hint="close it with }}")
    error.offset = start
    raise error
