"""Cuts the text of a file at its jobs, so that an edit of one is read without reading the others.

A cut is made only where it cannot be wrong: `jobs:` in block style, each id on a line of its own in one column,
no anchors. A quoted text or a bracket that spans a cut cannot be read in either half; so whoever parses a piece
and fails reads the whole file instead.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_ANCHOR = re.compile(r"&(?<=[\s,\[{]&)[^\s&]")
_STRANGE = ("\r", "\x85", "\u2028", "\u2029")
"""Line ends to YAML, and to nobody else."""
_SECTION = re.compile(r"^jobs:[ ]*(?:#.*)?\n", re.MULTILINE)
_FAR = 1 << 16
"""Characters between two changes from which on it is cheaper to read them one by one."""
_NEXT_SECTION = re.compile(r"^[^\s#]", re.MULTILINE)
_FIRST = re.compile(r"^( +)[^\s#]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text and where in it the definitions of its jobs begin; the last one ends at `end`."""

    text: str
    starts: tuple[int, ...]
    end: int
    indent: int

    def line(self, number: int) -> int:
        """The line, counted from 0, that a piece begins on."""
        return self.text.count("\n", 0, self.starts[number])

    def piece(self, number: int) -> str:
        return self.text[self.starts[number] : self._end(number)]

    def _end(self, number: int) -> int:
        return self.starts[number + 1] if number + 1 < len(self.starts) else self.end

    def first_change(self, text: str) -> str | None:
        """This text with the first change of the other one alone, where others come long after it; else None."""
        old = self.text
        head = _alike(old, text)
        behind = len(old) - min(_alike_backwards(old, text), min(len(old), len(text)) - head)
        first = bisect_right(self.starts, head) - 1
        # Two pieces that are as they were, one of which says its id: the change before them is over.
        if first < 0 or behind - head < _FAR or first + 3 >= len(self.starts):
            return None
        at, to = self.starts[first + 1], self.starts[first + 3]
        found = text.find(old[at:to], self.starts[first], head + _FAR)
        return text[:found] + old[at:] if found >= 0 else None

    def edited(self, text: str) -> tuple[Pieces, int, int] | None:
        """The pieces of another text, how many at the beginning and how many at the end are the same ones.

        None where the texts differ elsewhere than in the jobs.
        """
        old = self.text
        head = _alike(old, text)
        if head == len(old) == len(text):
            return self, len(self.starts), 0
        tail = min(_alike_backwards(old, text), min(len(old), len(text)) - head)
        first = bisect_right(self.starts, head) - 1
        # A line that was added just before a piece, or at its very end, belongs to the one before as well.
        first = first - 1 if first > 0 and self.starts[first] == head else first
        last = bisect_right(self.starts, len(old) - tail)
        if first < 0 or len(old) - tail > self.end:
            return None
        begin, behind = self.starts[first], self.starts[last] if last < len(self.starts) else self.end
        shift = len(text) - len(old)
        if last >= len(self.starts):
            # The last piece ends where the next section begins: what was written there may be one.
            found = _NEXT_SECTION.search(text, begin)
            if (found.start() if found else len(text)) != behind + shift:
                return None
        inner = cut(text, begin, behind + shift, self.indent)
        if inner is None or (not inner and begin != behind + shift):
            return None
        starts = (*self.starts[:first], *inner, *(start + shift for start in self.starts[last:]))
        if not starts:
            return None
        return Pieces(text, starts, self.end + shift, self.indent), first, len(self.starts) - last


def pieces_of(text: str, ids: Sequence[str]) -> Pieces | None:
    """The pieces of a text whose jobs are known; None where it cannot be cut."""
    section = _SECTION.search(text)
    if section is None or not ids or _ANCHOR.search(text):
        return None
    begin = section.end()
    after = _NEXT_SECTION.search(text, begin)
    end = after.start() if after else len(text)
    first = _FIRST.search(text, begin, end)
    if first is None:
        return None
    indent = len(first[1])
    starts = cut(text, first.start(), end, indent)
    if starts is None or [id_of(text, start, indent) for start in starts] != list(ids):
        return None
    return Pieces(text, tuple(starts), end, indent)


def id_of(text: str, start: int, indent: int) -> str:
    """The id of the piece that begins there."""
    return text[start + indent : text.index(":", start)]


def cut(text: str, begin: int, end: int, indent: int) -> list[int] | None:
    """Where the lines with an id begin; None where a line is neither one nor below one."""
    space = " " * indent
    region = text[begin:end]
    if any(each in region for each in _STRANGE) or _ANCHOR.search(region):
        return None
    key = rf"{space}[a-z0-9][a-z0-9_.-]*:(?= *(?:#.*)?$| [^\s])"
    if re.search(rf"^(?!{space} |[ \t]*(?:#|$)|{key})", region, re.MULTILINE):
        return None
    starts = [begin + found.start() for found in re.finditer(rf"^{key}", region, re.MULTILINE)]
    if starts and starts[0] != begin:
        return None
    return starts


def _alike(one: str, other: str) -> int:
    """How many characters at the beginning are the same."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _alike_backwards(one: str, other: str) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    return low
