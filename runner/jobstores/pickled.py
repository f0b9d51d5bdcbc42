"""How a store writes values: JSON, and where its user asked for it, pickles of the arguments that JSON does not know.

A pickle is code that runs when it is read. So it is never made unless a store was made with `codec="pickle"`, and never
read otherwise: a job with one in a store without is parked as broken.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Literal

from runner.core.run import Request
from runner.errors import StoreError
from runner.jobstores.codec import Pickled, dumps, loads
from runner.spec import Call, JobSpec, Step

CodecName = Literal["json", "pickle"]


@dataclass(frozen=True, slots=True)
class Codec:
    """Text for values and back; `pickles` allows pickles, of this `protocol`."""

    pickles: bool = False
    protocol: int = pickle.DEFAULT_PROTOCOL
    opaque: bool = False
    """Pickles come out as they are: for those who only look at jobs."""

    @classmethod
    def of(cls, name: CodecName, protocol: int | None = None) -> Codec:
        """ValueError where nobody knows the name. The protocol means nothing to JSON."""
        if name not in ("json", "pickle"):
            raise ValueError(f"a codec is 'json' or 'pickle', not {name!r}")
        return cls(name == "pickle", pickle.DEFAULT_PROTOCOL if protocol is None else protocol)

    def dumps(self, value: Any) -> str:
        """StoreError names what cannot be stored."""
        try:
            return dumps(value)
        except StoreError as error:
            if not self.pickles:
                hint = f"{error.hint}, or give the store codec='pickle'" if error.hint else ""
                raise StoreError(error.fact, hint=hint) from None
        return dumps(_mapped(value, self._pickled))

    def check(self, values: Iterable[Any]) -> None:
        """StoreError where one of these could never be written; of a spec, what people gave to it is looked at."""
        last: JobSpec | None = None
        for value in values:
            if isinstance(value, JobSpec):
                if last is not None and value.steps is last.steps and value.trigger is last.trigger:
                    continue
                last = value
                doubtful = _doubtful(value)
                if doubtful:
                    self.dumps(doubtful)
            else:
                self.dumps(value)

    def loads(self, text: str) -> Any:
        """StoreError where the text is not one of ours, or holds pickles and none are allowed."""
        value = loads(text)
        return _mapped(value, self._unpickled) if '"~":"pickle"' in text and not self.opaque else value

    def _pickled(self, value: Any) -> Any:
        try:
            dumps(value)
        except StoreError as error:
            try:
                return Pickled(pickle.dumps(value, self.protocol))
            except Exception as cause:
                raise StoreError(f"{error.fact}, pickled neither: {cause}") from None
        return value

    def _unpickled(self, value: Any) -> Any:
        if not isinstance(value, Pickled):
            return value
        if not self.pickles:
            raise StoreError(
                "an argument is a pickle, and this store reads none",
                hint="give the store codec='pickle' if you trust whoever can write to it",
            )
        try:
            return pickle.loads(value.data)
        except Exception as error:
            raise StoreError(f"a pickle cannot be read: {type(error).__name__}: {error}") from None


def _doubtful(spec: JobSpec) -> list[Any]:
    """What people gave to it, less what can be written as far as can be seen."""
    found = [] if _is_plain(spec.trigger) else [spec.trigger]
    for step in spec.steps:
        work = step.work
        if isinstance(work, Call) and (work.args or work.kwargs):
            given = (*work.args, *work.kwargs, *work.kwargs.values())
            found += [each for each in given if not _is_plain(each)]
    return found


def _is_plain(value: Any) -> bool:
    """Whether it can be written, whatever it holds: to find out by writing would write every job twice."""
    kind = type(value)
    return kind in _PLAIN or kind.__module__ in _TRIGGERS


_PLAIN = frozenset({str, int, float, bool, NoneType})
_TRIGGERS = frozenset(
    f"runner.triggers.{name}" for name in ("calendarinterval", "cron.trigger", "date", "interval")
)
"""Where the triggers are that hold no other ones."""


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with `change` made to the arguments in it, wherever they stand."""
    match value:
        case JobSpec():
            return replace(value, steps=tuple(_step(step, change) for step in value.steps))
        case Request():
            return replace(value, args=_mapped(value.args, change))
        case list():
            return [_mapped(each, change) for each in value]
        case tuple() if type(value) is tuple:
            return tuple(_mapped(each, change) for each in value)
        case Mapping():
            return {key: _mapped(item, change) for key, item in value.items()}
        case _:
            return change(value)


def _step(step: Step, change: Callable[[Any], Any]) -> Step:
    work = step.work
    if not isinstance(work, Call):
        return step
    args, kwargs = _mapped(tuple(work.args), change), _mapped(dict(work.kwargs), change)
    return replace(step, work=replace(work, args=args, kwargs=kwargs))
