"""Triggers of triggers: any of them, or all of them at one moment."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, ClassVar

from runner.errors import TriggerError
from runner.moment import SECOND, Moment, Span
from runner.triggers.base import BaseTrigger, Passed, Trigger

_MOST_TRIES = 10_000
"""An `and` of rules that never meet is given up after so many of their firings."""


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
        object.__setattr__(self, "triggers", tuple(triggers))
        object.__setattr__(self, "spread", round((jitter or 0) * SECOND))

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
    """Fires at the moments on which all of its triggers agree."""

    __slots__ = ()
    _type = "and"

    def next_after(self, moment: Moment) -> Moment | None:
        """The first moment all name, or None where none is found within ten thousand firings."""
        before = moment
        for _ in range(_MOST_TRIES):
            found = [one.next_after(before) for one in self.triggers]
            times = [at for at in found if at is not None]
            if len(times) < len(found):
                return None
            latest = max(times)
            if min(times) == latest:
                return latest
            before = latest - 1
        return None
