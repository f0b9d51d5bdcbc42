"""Triggers of triggers: any of them, or all of them at one moment."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, ClassVar

from runner.errors import TriggerError
from runner.moment import DAY, SECOND, Moment, Span
from runner.triggers.base import BaseTrigger, Passed, Trigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.times import jitter_of, spread_of
from runner.triggers.zones import FIRST

_MOST_TRIES = 10_000
_FARTHEST: Span = 100 * 366 * DAY
"""An `and` of rules that never meet is given up after so many of their firings, or so long a time."""


@dataclass(frozen=True, slots=True, init=False)
class _Combined(BaseTrigger):
    triggers: tuple[Trigger, ...]
    spread: Span
    _type: ClassVar[str]

    def __init__(self, triggers: Sequence[Trigger], jitter: float | None = None) -> None:
        if not triggers:
            raise TriggerError(
                "a combined trigger needs at least one trigger", hint="give a list of triggers"
            )
        for one in triggers:
            if not hasattr(one, "next_after"):
                raise TypeError(f"{one!r} is no trigger")
        object.__setattr__(self, "triggers", tuple(triggers))
        object.__setattr__(self, "spread", spread_of(jitter))

    @property
    def jitter(self) -> float | None:
        """In seconds."""
        return jitter_of(self.spread)

    @property
    def tzinfo(self) -> tzinfo:
        return next((one.tzinfo for one in self.triggers if isinstance(one, BaseTrigger)), UTC)

    def jitter_at(self, slot: Moment) -> Span:
        """The widest among the triggers that fire at `slot` (all of them for a moved slot), or its own."""
        firing = [one for one in self.triggers if one.next_after(slot - 1) == slot] or self.triggers
        return max([self.spread, *(one.jitter_at(slot) for one in firing)])

    def passed(self, after: Moment, until: Moment) -> Iterator[Passed]:
        return heapq.merge(
            *(one.passed(after, until) for one in self.triggers), key=lambda passed: passed.slot
        )

    def anchored(self, moment: Moment) -> BaseTrigger:
        inner = [one.anchored(moment) if isinstance(one, BaseTrigger) else one for one in self.triggers]
        return type(self)(inner, self.spread / SECOND)

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"type": self._type, "triggers": [one.to_json() for one in self.triggers]}
        if self.spread:
            data["jitter"] = self.spread / SECOND
        return data

    def __str__(self) -> str:
        return f"{self._type}[{', '.join(str(one) for one in self.triggers)}]"

    def __repr__(self) -> str:
        jitter = f", jitter={self.spread / SECOND:g}" if self.spread else ""
        return f"<{type(self).__name__}({list(self.triggers)!r}{jitter})>"


class OrTrigger(_Combined):
    """Fires when any of its triggers does; once where several do at one moment."""

    __slots__ = ()
    _type = "or"

    def next_after(self, moment: Moment) -> Moment | None:
        found = [at for one in self.triggers if (at := one.next_after(moment)) is not None]
        return min(found) if found else None


class AndTrigger(_Combined):
    """Fires at the moments on which all of its triggers agree.

    Of its intervals that is known at once, by arithmetic: where they meet, they are one interval. Other rules are
    followed until they meet, for at most ten thousand of their firings or a hundred years.
    """

    __slots__ = ("_rules",)
    _type = "and"
    _rules: tuple[Trigger, ...] | None
    """What must agree; None where intervals never do."""

    def __init__(self, triggers: Sequence[Trigger], jitter: float | None = None) -> None:
        super().__init__(triggers, jitter)
        object.__setattr__(self, "_rules", _with_one_interval(self.triggers))

    @property
    def rules(self) -> tuple[Trigger, ...]:
        """What must agree, with one interval for all that are; empty where those never meet."""
        return self._rules or ()

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return type(self), (self.triggers, self.spread / SECOND)

    def next_after(self, moment: Moment) -> Moment | None:
        """The first moment all name, or None where none is found within ten thousand firings or a hundred years."""
        if self._rules is None:
            return None
        before = moment
        for _ in range(_MOST_TRIES):
            latest, agreed = before, True
            for one in self._rules:
                found = one.next_after(max(before, latest - 1))
                if found is None:
                    return None
                agreed = agreed and latest in (before, found)
                latest = found
            if agreed:
                return latest
            before = latest - 1
            if before - moment > _FARTHEST:
                break
        return None


def _with_one_interval(triggers: Sequence[Trigger]) -> tuple[Trigger, ...] | None:
    intervals = [one for one in triggers if type(one) is IntervalTrigger]
    if len(intervals) < 2:
        return tuple(triggers)
    met: IntervalTrigger | None = intervals[0]
    for one in intervals[1:]:
        met = None if met is None else _meeting(met, one)
    others = [one for one in triggers if type(one) is not IntervalTrigger]
    return None if met is None else (met, *others)


def _meeting(one: IntervalTrigger, other: IntervalTrigger) -> IntervalTrigger | None:
    """The interval at which two meet: the Chinese remainder theorem on their grids. None where they never do."""
    common = math.gcd(one.span, other.span)
    apart = other.anchor - one.anchor
    if apart % common:
        return None
    steps = other.span // common
    first = one.anchor + one.span * (apart // common * pow(one.span // common, -1, steps) % steps)
    span = one.span * steps
    begins = [each.start for each in (one, other) if each.start is not None]
    ends = [each.end for each in (one, other) if each.end is not None]
    begin = max(begins, default=FIRST * SECOND)
    return IntervalTrigger.of(
        span, one.zone, start=first + -(-(begin - first) // span) * span, end=min(ends, default=None)
    )
