"""One thing that was looked at, and how it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runner.errors import RunnerError

Level = Literal["ok", "note", "problem"]
"""`problem`: something does not work, or will not. `note`: worth knowing before one trusts it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`about` says what was looked at, `fact` how it is, `help` what to do. `detail`: lines that belong to the fact."""

    level: Level
    about: str
    fact: str
    help: str = ""
    detail: str = ""


def ok(about: str, fact: str) -> Finding:
    return Finding("ok", about, fact)


def note(about: str, fact: str, help: str = "", detail: str = "") -> Finding:
    return Finding("note", about, fact, help, detail)


def problem(about: str, fact: str, help: str = "", detail: str = "") -> Finding:
    return Finding("problem", about, fact, help, detail)


def trouble(about: str, error: RunnerError) -> Finding:
    """An error of the house as a finding."""
    return problem(about, f"{error.place}: {error.fact}" if error.place else error.fact, error.hint)


def size(number: int) -> str:
    """Bytes, as people say them: `812 B`, `1.4 GiB`."""
    figure = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if figure < 1024:
            return f"{figure:.0f} {unit}" if unit == "B" or figure >= 100 else f"{figure:.1f} {unit}"
        figure /= 1024
    return f"{figure:.1f} TiB"
