"""Problems: a kind, a fact, a place, a hint. They are collected, so that one pass reports them all."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from runner.config.node import At
from runner.errors import ConfigError, Level, Problem

MOST = 1000
"""Errors that are collected, and warnings: nobody reads more, and a file may be made to have millions."""


class Trouble(Exception):
    """Problems found so far; raised inside this room where going on makes no sense."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        super().__init__()
        self.problems: list[Problem] = list(problems)
        self._counts: dict[Level, int] = {"error": 0, "warning": 0, "note": 0}

    @property
    def full(self) -> bool:
        """Whether there are so many errors that it makes no sense to look for more."""
        return self._counts["error"] >= MOST

    @classmethod
    def one(cls, kind: str, fact: str, at: At, *, help: str = "") -> Trouble:
        trouble = cls()
        trouble.add(kind, fact, at, help=help)
        return trouble

    def __bool__(self) -> bool:
        return bool(self.problems)

    def add(
        self,
        kind: str,
        fact: str,
        at: At,
        *,
        help: str = "",
        length: int = 0,
        key: str = "",
        level: Level = "error",
    ) -> None:
        """Note a problem; a second one of the same words at the same place is the same problem."""
        if self._counts[level] >= MOST:
            return
        problem = make(kind, shortened(fact), at, help=shortened(help), length=length, key=key, level=level)
        if not any(_same(problem, known) for known in self.problems[-50:]):
            self.problems.append(problem)
            self._counts[level] += 1

    def error(self) -> ConfigError:
        """All of it, as the error people see."""
        errors = unique(problem for problem in self.problems if problem.level == "error")
        files = sorted({problem.file for problem in errors})
        many = f"{len(errors):,} problems" if len(errors) != 1 else "1 problem"
        many = f"at least {many}" if self.full else many
        return ConfigError(
            f"{many} in {', '.join(files[:3])}{' ...' if len(files) > 3 else ''}", problems=errors
        )


def shortened(text: str) -> str:
    """What a message says of a value that may be as long as the file."""
    return text if len(text) <= 1000 else f"{text[:500]} ... {text[-200:]}"


def _same(one: Problem, other: Problem) -> bool:
    """Whether they say the same of the same place, if of different jobs: the instances of a matrix share a text."""
    return (one.line, one.column, one.message, one.file) == (
        other.line,
        other.column,
        other.message,
        other.file,
    )


def unique(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each once, in the order they came."""
    return tuple(dict.fromkeys(problems))


def make(
    kind: str,
    fact: str,
    at: At,
    *,
    help: str = "",
    length: int = 0,
    key: str = "",
    level: Level = "error",
) -> Problem:
    """A problem at a place; the caret marks `length` characters, or the word that begins there."""
    source, line, column = at
    excerpt = source.line(line)
    return Problem(
        kind=kind,
        message=fact,
        file=source.file,
        line=source.first_line + line if source.text else 0,
        column=column + 1 if source.text else 0,
        help=help,
        excerpt=excerpt if excerpt.strip() else "",
        length=length or _word(excerpt, column),
        level=level,
        key=key,
    )


def _word(line: str, column: int) -> int:
    """How much of a line a value that begins at a column takes, as far as the eye is concerned."""
    rest = line[column : column + 200]
    if rest[:1] in "\"'" and (end := rest.find(rest[:1], 1)) > 0:
        return end + 1
    if rest[:1] in "[{":
        return _bracket(rest)
    for end, char in enumerate(rest):
        if char in ",]}" or rest[end : end + 2] in (": ", " #") or rest[end:] == ":":
            return max(1, len(rest[:end].rstrip()) if rest[end] == " " else end)
    return max(1, len(rest.rstrip()))


def _bracket(text: str) -> int:
    """How long a list or mapping is that begins with a bracket; all of the line, where it does not end in it."""
    depth = 0
    for end, char in enumerate(text, 1):
        depth += (char in "[{") - (char in "]}")
        if depth == 0:
            return end
    return len(text.rstrip())


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint that names the nearest known word, else the known words; empty where there are none."""
    names = sorted(known)
    if near := nearest(word, names):
        return f"did you mean `{near}`?"
    if not names:
        return ""
    shown = ", ".join(names[:25]) + (", ..." if len(names) > 25 else "")
    return f"known here: {shown}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    if len(word) > 100:
        return None
    names = {name.lower().replace("-", "_"): name for name in known if len(name) <= 100}
    plain = word.lower().replace("-", "_")
    if plain in names:
        return names[plain]
    found = get_close_matches(plain, names, n=1, cutoff=0.7)
    if not found and len(plain) > 1:
        found = [name for name in names if _one_slip(plain, name)][:1]
    return names[found[0]] if found else None


def _one_slip(word: str, other: str) -> bool:
    """Whether one letter is wrong, or two have changed places: in short words that is a large share."""
    if len(word) != len(other) or len(word) < 3:
        return False
    wrong = [number for number, pair in enumerate(zip(word, other, strict=True)) if pair[0] != pair[1]]
    if len(wrong) == 2:
        first, second = wrong
        return second == first + 1 and word[first] == other[second] and word[second] == other[first]
    return len(wrong) == 1
