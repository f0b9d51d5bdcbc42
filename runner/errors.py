"""Every error this library raises, each a place, a fact and a hint.

RunnerError
├── DurationError(ValueError)      a length of time nobody can read
├── TriggerError(ValueError)       a schedule that is malformed: which field, which part, what was expected
├── ExpressionError(ValueError)    a `${{ }}` that does not compile, or a name that does not exist
├── SpecError(ValueError)          a job that cannot be made: wrong arguments, a function without a name ...
├── ConfigError(ValueError)        a file that does not load; carries every problem found in it
├── SecretError                    a secret that cannot be looked up
├── ExecutorError                  an executor that cannot take work
└── StoreError                     a store that failed; the engine keeps its batch and tries again
    ├── LeaseLost                  the writer no longer leads: nothing of it was written
    ├── RunExists                  a run of this key is over already: nothing was written, it must not run twice
    ├── StoreFull                  there is no room left where the store lies
    ├── StoreReplaced              the store is not the one it was; nothing of it is used until somebody decides
    ├── StoreUnreachable           nobody answers where the store's server should be
    ├── StoreUnknown               an address that names no store, or a store that is not there
    ├── StoreFault                 a store that raised what no store should: a bug in it, or in what it was given
    └── StoreCorrupt               the store is damaged; it is left as it is, never overwritten
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]
"""How bad a problem is: an error stops; a warning is allowed and doubtful; a note says what a sound file will do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file (or doubtful, or only worth knowing): kind, fact, place, and what to do about it.

    `line` and `column` count from 1; 0 where the file as a whole is meant. `excerpt` is the source line and
    `length` how many of its characters from `column` on the caret marks. `key` is the path inside the file.
    """

    kind: str
    message: str
    file: str
    line: int = 0
    column: int = 0
    help: str = ""
    excerpt: str = ""
    length: int = 1
    level: Level = "error"
    key: str = ""

    def __str__(self) -> str:
        """As people read it: the fact, the place, the line with a caret, what to type.

        >>> print(Problem("unknown-key", "no key is called `rum`", "jobs.yaml", 3, 5, excerpt="    rum: ls", length=3))
        error[unknown-key]: no key is called `rum`
          --> jobs.yaml:3:5
          |
        3 |     rum: ls
          |     ^^^
        """
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        gutter = " " * len(str(self.line)) if self.excerpt else " "
        lines = [f"{self.level}[{self.kind}]: {self.message}", f" {gutter}--> {place}"]
        if self.excerpt:
            shown, start = _window(self.excerpt, self.column - 1)
            mark = " " * start + "^" * max(1, min(self.length, len(shown) - start))
            lines += [f"{gutter} |", f"{self.line} | {shown}", f"{gutter} | {mark}"]
        if self.help:
            first, *rest = self.help.split("\n")
            lines += [f"{gutter} = help: {first}", *(f"{gutter}         {line}" for line in rest)]
        return "\n".join(lines)


_WIDTH = 140


def _window(line: str, column: int) -> tuple[str, int]:
    """The part of a long line around a column, and where the column is in it; control characters shown safe."""
    if len(line) <= _WIDTH:
        return _printable(line), column
    start = max(0, column - _WIDTH // 3)
    head = "..." if start else ""
    tail = "..." if start + _WIDTH < len(line) else ""
    return head + _printable(line[start : start + _WIDTH]) + tail, column - start + len(head)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else ("\u2192" if c == "\t" else "\ufffd") for c in text)


class RunnerError(Exception):
    """The root. `fact` says what is so, `hint` what to do, `place` where."""

    exit_code = 1
    """How the command line ends with it."""

    def __init__(self, fact: str, *, hint: str = "", place: str = "") -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint
        self.place = place

    def __str__(self) -> str:
        text = f"{self.place}: {self.fact}" if self.place else self.fact
        return f"{text} ({self.hint})" if self.hint else text


class DurationError(RunnerError, ValueError):
    """A length of time nobody can read."""


class TriggerError(RunnerError, ValueError):
    """A schedule that is malformed. `path` are the keys inside the schedule where the trouble stands, () the whole."""

    def __init__(
        self, fact: str, *, hint: str = "", place: str = "", path: tuple[str | int, ...] = ()
    ) -> None:
        super().__init__(fact, hint=hint, place=place)
        self.path = path

    def under(self, *keys: str | int) -> TriggerError:
        """The same trouble, seen from further out."""
        return TriggerError(self.fact, hint=self.hint, place=self.place, path=(*keys, *self.path))


class ExpressionError(RunnerError, ValueError):
    """An expression that does not compile or names what does not exist. `offset`: where in the text it stands."""

    def __init__(self, fact: str, *, hint: str = "", place: str = "", offset: int = 0) -> None:
        super().__init__(fact, hint=hint, place=place)
        self.offset = offset


class SpecError(RunnerError, ValueError):
    """A job that cannot be made."""


class ConfigError(RunnerError, ValueError):
    """A configuration that does not load; `problems` are all that is wrong in it, in the order of the files."""

    def __init__(
        self, fact: str, *, problems: Sequence[Problem] = (), hint: str = "", place: str = ""
    ) -> None:
        super().__init__(fact, hint=hint, place=place)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        shown = [str(problem) for problem in self.problems[:_SHOWN]]
        if (rest := len(self.problems) - _SHOWN) > 0:
            shown.append(f"... and {rest:,} more")
        return "\n\n".join([*shown, super().__str__()]) if shown else super().__str__()


_SHOWN = 100


class SecretError(RunnerError):
    """A secret that cannot be looked up."""


class ExecutorError(RunnerError):
    """An executor that cannot take work."""


class StoreError(RunnerError):
    """A store that failed; nothing of the batch was written."""


class LeaseLost(StoreError):
    """The writer no longer leads its source; nothing of the batch was written."""


class RunExists(StoreError):
    """Runs that are written as new are on record already (`keys`); nothing of the batch was written."""

    def __init__(self, keys: Iterable[object]) -> None:
        self.keys = frozenset(keys)
        names = ", ".join(sorted(map(str, self.keys))[:3])
        super().__init__(f"on record already, and not to run twice: {names}")


class StoreFull(StoreError):
    """There is no room left where the store lies; nothing of the batch was written."""


class StoreReplaced(StoreError):
    """The store is not the one it was: empty, or another one. Nothing of it is used until somebody decides."""


class StoreUnreachable(StoreError):
    """Nobody answers where the store's server should be: it is down, or the way to it is cut."""

    exit_code = 4

    def __init__(
        self,
        fact: str,
        *,
        hint: str = "start the server, or mend the store's address ($RUNNER_DATABASE_URL)",
        place: str = "",
    ) -> None:
        super().__init__(fact, hint=hint, place=place)


class StoreUnknown(StoreError):
    """An address that names no store, or one where a store was to be read and there is none."""

    exit_code = 2


class StoreFault(StoreError):
    """A store raised what no store should: a bug in it or in what it was given, or no memory. The cause says what."""


class StoreCorrupt(StoreError):
    """The store is damaged. It is left as it is and never overwritten."""
