"""Lays out rows as text: aligned, no wider than the terminal, with colours only where somebody sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Style = Literal["", "good", "bad", "warn", "dim", "bold"]

_COLOURS = {"good": "32", "bad": "31", "warn": "33", "dim": "2", "bold": "1"}
_GAP = 2
_NARROWEST = 8


@dataclass(frozen=True, slots=True)
class Cell:
    """`short` is shown instead where the table is wider than the terminal; empty: the text itself."""

    text: str
    style: Style = ""
    short: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """Where the terminal is too narrow, a `spare` column is left out and one that `gives` is shortened; the others
    keep their width."""

    name: str
    right: bool = False
    gives: bool = False
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """`empty` is said instead of a table without rows; `notes` stand below it."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = "nothing"
    notes: tuple[str, ...] = ()


def text(table: Table, *, width: int | None = None, colour: bool = False) -> str:
    """The table for a terminal of `width` columns; None: for a file or a pipe, where nothing is shortened.

    Control characters of names and outputs are shown escaped: no text can move the cursor or recolour the screen.
    """
    parts = [_laid_out(_fitting(table, width), width, colour) if table.rows else table.empty]
    parts += table.notes
    return "\n".join(parts)


def _fitting(table: Table, width: int | None) -> Table:
    """The table, or its short form where the whole of it is wider than the terminal."""
    if width is None or not table.rows:
        return table
    sizes = [
        max(_wide(plain(text)) for text in (column.name, *(row[index].text for row in table.rows)))
        for index, column in enumerate(table.columns)
    ]
    if sum(sizes) + _GAP * (len(sizes) - 1) <= width:
        return table
    kept = [index for index, column in enumerate(table.columns) if not column.spare]
    short = tuple(
        tuple(Cell(cell.short or cell.text, cell.style) for cell in (row[index] for index in kept))
        for row in table.rows
    )
    return replace(table, columns=tuple(table.columns[index] for index in kept), rows=short)


def _laid_out(table: Table, width: int | None, colour: bool) -> str:
    names = [Cell(column.name, "bold") for column in table.columns]
    head = [names] if any(column.name for column in table.columns) else []
    lines = [[Cell(plain(cell.text), cell.style) for cell in row] for row in [*head, *table.rows]]
    widths = [max(_wide(line[index].text) for line in lines) for index in range(len(names))]
    if width is not None:
        _narrow(widths, table.columns, width)
    return "\n".join(_line(line, widths, table.columns, colour) for line in lines)


def _narrow(widths: list[int], columns: Sequence[Column], width: int) -> None:
    """Take from the widest column that gives until all fit; what cannot fit is left to the terminal to wrap."""
    excess = sum(widths) + _GAP * (len(widths) - 1) - width
    giving = [index for index, column in enumerate(columns) if column.gives]
    while excess > 0 and giving:
        widest = max(giving, key=lambda index: widths[index])
        if widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1
        excess -= 1


def _line(cells: Sequence[Cell], widths: Sequence[int], columns: Sequence[Column], colour: bool) -> str:
    parts = []
    for cell, size, column in zip(cells, widths, columns, strict=True):
        shown = cell.text
        if _wide(shown) > size:
            shown = _shortened(shown, size - 1).rstrip() + "…"
        space = " " * (size - _wide(shown))
        inked = f"\x1b[{_COLOURS[cell.style]}m{shown}\x1b[0m" if colour and cell.style and shown else shown
        parts.append(space + inked if column.right else inked + space)
    return (" " * _GAP).join(parts).rstrip()


# The daemon names the parts of tables, and lays out none: it does without the widths of all characters.


def _wide(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _shortened(text: str, size: int) -> str:
    from rich.cells import set_cell_size

    return set_cell_size(text, size)


def plain(text: str) -> str:
    """The text on one line, with control characters escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text.replace("\n", " ")
    )


def rows(cells: Sequence[Sequence[Cell | str]]) -> tuple[tuple[Cell, ...], ...]:
    """Rows of cells from rows of cells and texts."""
    return tuple(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in cells)
