"""`runner fmt`: one form for every jobs file. Comments stay, and the meaning does, or the text is left as it is.

Lines are indented, and whole blocks of them change places, each with the comments above it; then ruamel.yaml writes
flow style, quotes and spaces in one form. What came of it is read again and compared with what was there.
"""

from __future__ import annotations

import io
import re
from typing import Any

from runner.config.diagnose import Trouble
from runner.config.node import Source
from runner.config.order import FILE, Shape
from runner.config.text import decode, parse
from runner.errors import RunnerError

INSTALL = "pip install 'runner[fmt]'"
_WIDE = 1 << 20
_DASHES = re.compile(r"^(?:- +)+")


class NoFormatter(RunnerError):
    """ruamel.yaml is not installed."""


class Unformattable(RunnerError):
    """The text would not mean the same; nothing was changed."""


def formatted(data: bytes, name: str) -> str:
    """The file's text in its one form. Raises ConfigError where it is no YAML, Unformattable, NoFormatter."""
    try:
        text = decode(data, name)
        meaning = parse(text, Source(name, text))
    except Trouble as trouble:
        raise trouble.error() from None
    if meaning is None:
        return text
    ends = "\r\n" if b"\r\n" in data else "\n"
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.endswith("\n"):
        text += "\n"
    # Where blocks cannot change places (an alias would come before its anchor), they stay.
    text = _aligned(text)
    for candidate in (_reordered(text), text):
        made = _spaced(candidate)
        if _same(made, name, meaning):
            return made.replace("\n", ends)
    raise Unformattable(f"{name} would not mean the same", hint="it is left as it is; format it by hand")


def _same(text: str, name: str, meaning: Any) -> bool:
    try:
        found = parse(text, Source(name, text))
    except Trouble:
        return False
    return found is not None and repr_of(found.value) == repr_of(meaning.value)


def repr_of(value: Any) -> Any:
    """A value to compare: numbers as they were written, mappings without their order."""
    if isinstance(value, dict):
        return {key: repr_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [repr_of(item) for item in value]
    return (type(value).__name__, str(value))


def _yaml() -> Any:
    try:
        from ruamel.yaml import YAML
    except ImportError:
        raise NoFormatter("fmt needs ruamel.yaml, which is not installed", hint=INSTALL) from None
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDE
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


# ── spacing ─────────────────────────────────────────────────────────────────────────────────


def _spaced(text: str) -> str:
    """The text as ruamel.yaml writes it, with the keys of flow mappings in order."""
    round_trip = _yaml()
    from ruamel.yaml.error import YAMLError

    out = io.StringIO()
    try:
        data = round_trip.load(text)
        _order_flow(data, FILE)
        round_trip.dump(data, out)
    except YAMLError:
        return text
    return "\n".join(line.rstrip() if line.isspace() else line for line in out.getvalue().split("\n"))


def _order_flow(data: Any, shape: Shape | None) -> None:
    if shape is None:
        return
    if isinstance(data, list):
        for item in data:
            _order_flow(item, shape)
    elif isinstance(data, dict):
        mapping: Any = data
        # Comments hang on keys: a mapping that has some inside stays as it is.
        if mapping.fa.flow_style() and not mapping.ca.items:
            for key in shape.ordered([key for key in data if isinstance(key, str)]):
                mapping.move_to_end(key)
        for key, item in data.items():
            _order_flow(item, shape.under(str(key)))


# ── blocks of lines ─────────────────────────────────────────────────────────────────────────


def _aligned(text: str) -> str:
    """The text with two columns for each level, comments with what stands below them."""
    root = _composed(text)
    if root is None:
        return text
    lines = text.split("\n")
    return "\n".join(_Indents(lines).of(root))


def _reordered(text: str) -> str:
    """The text with the blocks of its block mappings in order."""
    root = _composed(text)
    if root is None:
        return text
    lines = text.split("\n")
    return "\n".join(_Blocks(lines).of(root, FILE, 0, len(lines), top=True))


def _composed(text: str) -> Any:
    round_trip = _yaml()
    from ruamel.yaml.error import YAMLError

    try:
        return round_trip.compose(text)
    except YAMLError:
        return None


def _is_block(node: Any) -> bool:
    """A mapping or a list over several lines, as opposed to one in braces or brackets."""
    return node.id in ("mapping", "sequence") and not node.flow_style and bool(node.value)


def _first(node: Any) -> Any:
    """Where the first key or item of a block stands: an anchor may stand far above it."""
    return (node.value[0][0] if node.id == "mapping" else node.value[0]).start_mark


def _lead(lines: list[str], line: int, column: int, low: int) -> int:
    """Where the block of a key begins: with the comments above it, and the empty lines above those."""
    start = line
    while start > low:
        above = lines[start - 1]
        text = above.lstrip()
        if text and not (text.startswith("#") and len(above) - len(text) <= column):
            break
        start -= 1
    return start


class _Indents:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.moves: list[int] = [0] * len(lines)
        self.fixed: dict[int, int] = {}
        self.dashes: set[int] = set()

    def of(self, root: Any) -> list[str]:
        if _is_block(root):
            self._walk(root, 0, 0, len(self.lines))
        return [self._line(number, line) for number, line in enumerate(self.lines)]

    def _line(self, number: int, line: str) -> str:
        text = line.lstrip(" ")
        if not text:
            return line
        column = self.fixed.get(number, len(line) - len(text) + self.moves[number])
        if number in self.dashes:
            text = _DASHES.sub(lambda found: "- " * found[0].count("-"), text)
        return " " * max(0, column) + text

    def _walk(self, node: Any, wanted: int, low: int, high: int) -> None:
        """Let the block begin in this column, within these lines; its first key may share a line with a dash."""
        children = list(node.value) if node.id == "mapping" else [(item, item) for item in node.value]
        firsts = [key.start_mark.line for key, _ in children]
        if len(set(firsts)) != len(firsts):
            return
        column = _first(node).column if node.id == "mapping" else self._dash(node, firsts[0])
        shared = self.lines[firsts[0]][:column].strip() != ""
        starts = [_lead(self.lines, line, column, low) for line in firsts]
        for number, ((_, value), first, start, end) in enumerate(
            zip(children, firsts, starts, [*starts[1:], high], strict=True)
        ):
            self.fixed |= dict.fromkeys(range(start, first), wanted)
            for line in range(first if number or not shared else first + 1, end):
                self.moves[line] = wanted - column
            if _is_block(value):
                inside = node.id == "sequence" and _first(value).line == first
                between = self.lines[first][column : _first(value).column] if inside else ""
                if inside and not between.strip("- "):
                    self.dashes.add(first)
                    self._walk(value, wanted + 2, first, end)
                elif _first(value).line > first:
                    self._walk(value, wanted + 2, first + 1, end)

    def _dash(self, node: Any, line: int) -> int:
        column: int = node.start_mark.column
        text = self.lines[line]
        # Of a list below a key the mark is the dash; with an anchor it is the anchor.
        return column if text[column : column + 1] == "-" else len(text) - len(text.lstrip(" "))


class _Blocks:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def of(self, node: Any, shape: Shape | None, low: int, high: int, *, top: bool = False) -> list[str]:
        """The lines from `low` up to `high`, which hold the node, in order."""
        if shape is None or not _is_block(node):
            return self.lines[low:high]
        if node.id == "mapping":
            return self._mapping(node, shape, low, high, top)
        return self._sequence(node, shape, low, high)

    def _sequence(self, node: Any, shape: Shape, low: int, high: int) -> list[str]:
        column = node.start_mark.column
        firsts = [item.start_mark.line for item in node.value]
        if len(set(firsts)) != len(firsts):
            return self.lines[low:high]
        starts = [_lead(self.lines, line, column, low) for line in firsts]
        result = self.lines[low : starts[0]]
        for item, first, start, end in zip(node.value, firsts, starts, [*starts[1:], high], strict=True):
            if self.lines[first][column : column + 1] != "-":
                result += self.lines[start:end]
                continue
            result += self.lines[start:first]
            result += self._item(item, shape, first, end, column)
        return result

    def _item(self, item: Any, shape: Shape, first: int, end: int, column: int) -> list[str]:
        """An item of a list: its first key shares a line with the dash, whichever key that is."""
        if item.id != "mapping" or not _is_block(item):
            return self.lines[first:end]
        line = self.lines[first]
        dash, width = line[:column], _first(item).column
        self.lines[first] = " " * width + line[width:]
        inside = self._mapping(item, shape, first, end, False)
        self.lines[first] = line
        for number, each in enumerate(inside):
            if each.strip() and not each.lstrip().startswith("#"):
                inside[number] = dash + "-" + " " * (width - column - 1) + each[width:]
                break
        return inside

    def _mapping(self, node: Any, shape: Shape, low: int, high: int, top: bool) -> list[str]:
        keys = [key.value for key, _ in node.value]
        firsts = [key.start_mark.line for key, _ in node.value]
        if len(set(firsts)) != len(firsts) or not all(isinstance(key, str) for key in keys):
            return self.lines[low:high]
        column = node.value[0][0].start_mark.column
        starts = [_lead(self.lines, line, column, low) for line in firsts]
        # What stands above the first key of a file is about the file.
        head = firsts[0] if top else low
        starts[0] = head
        blocks: dict[str, list[str]] = {}
        gaps: list[list[str]] = []
        for (key, value), first, start, end in zip(
            node.value, firsts, starts, [*starts[1:], high], strict=True
        ):
            below = shape.under(key.value)
            plain = not _is_block(value) or _first(value).line == first
            inner = self.lines[first + 1 : end] if plain else self.of(value, below, first + 1, end)
            block = [*self.lines[start : first + 1], *inner]
            gap = next(number for number, line in enumerate(block) if line.strip())
            gaps.append(block[:gap])
            blocks[key.value] = block[gap:]
        last = blocks[keys[-1]]
        rest = len(last) - next(number for number, line in enumerate(reversed(last)) if line.strip())
        # Empty lines are between places, not between keys: they stay where they are.
        blocks[keys[-1]], end_gap = last[:rest], last[rest:]
        ordered = [
            line for gap, key in zip(gaps, shape.ordered(keys), strict=True) for line in gap + blocks[key]
        ]
        return [*self.lines[low:head], *ordered, *end_gap]
