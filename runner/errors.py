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
    └── StoreCorrupt               the store is damaged; it is kept aside, never overwritten
"""

from __future__ import annotations

from collections.abc import Iterable


class RunnerError(Exception):
    """The root. `fact` says what is so, `hint` what to do, `place` where."""

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
    """A configuration that does not load; config/diagnose.py makes it and lists every problem."""


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


class StoreCorrupt(StoreError):
    """The store is damaged. It is kept aside and never overwritten."""
