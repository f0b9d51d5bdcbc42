"""Values with a place: what YAML text becomes before anything is known about jobs.

Each node carries the plain value pydantic will see and, beside it, where each part of it stands. Merging
(templates, defaults, includes) makes new maps of old nodes, so that a value keeps the place it was written at.
"""

from __future__ import annotations

import re
from array import array
from typing import Any

_NEWLINE = re.compile("\n")
MAX_DEPTH = 64
"""How deep a text may be nested."""


class Source:
    """One file's text. `first_line` shifts the lines of a text that is a piece of a larger file."""

    __slots__ = ("_starts", "file", "first_line", "text")

    def __init__(self, file: str, text: str, first_line: int = 1) -> None:
        self.file = file
        self.text = text
        self.first_line = first_line
        self._starts: array[int] | None = None

    def line(self, index: int) -> str:
        """The text of a line, counted from 0 in this piece."""
        if self._starts is None:
            # Kept as long as a configuration is: the lines themselves would be the whole text once more.
            ends = (found.end() for found in _NEWLINE.finditer(self.text))
            self._starts = array("I", (0, *ends, len(self.text) + 1))
        if not 0 <= index < len(self._starts) - 1:
            return ""
        return self.text[self._starts[index] : self._starts[index + 1] - 1]


At = tuple[Source, int, int]
"""A place: the source, and line and column counted from 0."""


class Number(int):
    """A whole number that was not written the shortest way (`0644`, `0x1F`): text fields want it as written."""

    text: str

    @classmethod
    def of(cls, value: int, text: str) -> Number:
        number = cls(value)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


class Real(float):
    """A number with a fraction, with its text: `1.10` is a version as often as a number."""

    text: str

    @classmethod
    def of(cls, value: float, text: str) -> Real:
        number = cls(value)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


class Scalar:
    """A single value; `text` is what stood there, less quotes."""

    __slots__ = ("at", "text", "value")

    def __init__(self, value: Any, at: At, text: str) -> None:
        self.value = value
        self.at = at
        self.text = text


class Seq:
    """A list: its nodes, and their plain values. `dynamic`: there is a `${{ }}` somewhere in it."""

    __slots__ = ("at", "dynamic", "nodes", "value")

    def __init__(self, at: At) -> None:
        self.at = at
        self.dynamic = False
        self.nodes: list[Node] = []
        self.value: list[Any] = []


class Map:
    """A mapping: nodes, places of the keys, and the plain values; `merged` are the keys `<<` brought.

    `dynamic`: there is a `${{ }}` somewhere in it.
    """

    __slots__ = ("at", "dynamic", "keys", "merged", "nodes", "value")

    def __init__(self, at: At) -> None:
        self.at = at
        self.dynamic = False
        self.nodes: dict[str, Node] = {}
        self.keys: dict[str, At] = {}
        self.value: dict[str, Any] = {}
        self.merged: set[str] = set()

    def put(self, name: str, at: At, node: Node) -> None:
        self.nodes[name] = node
        self.keys[name] = at
        self.value[name] = node.value
        self.dynamic = self.dynamic or is_dynamic(node)

    def drop(self, name: str) -> None:
        self.nodes.pop(name, None)
        self.keys.pop(name, None)
        self.value.pop(name, None)


Node = Scalar | Seq | Map


def is_dynamic(node: Node) -> bool:
    """Whether there is a `${{ }}` in it."""
    return "${{" in node.text if isinstance(node, Scalar) else node.dynamic


def find(node: Node, path: tuple[str | int, ...]) -> Node:
    """The node at a path, or the deepest one on the way to it."""
    for part in path:
        if isinstance(node, Map) and part in node.nodes:
            node = node.nodes[str(part)]
        elif isinstance(node, Seq) and isinstance(part, int) and part < len(node.nodes):
            node = node.nodes[part]
        elif part == 0 and not isinstance(node, Seq):
            continue  # one item, where a list of them is meant
        else:
            break
    return node


def kind_of(value: Any) -> str:
    """What a value is, in the words of the people who wrote it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
    return type(value).__name__
