"""WHEN: a trigger says at which moment it fires next, and nothing else.

A trigger is pure: the same answer at any time, in any process, after any restart. It never asks the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from runner.moment import Moment, Span


@dataclass(frozen=True, slots=True)
class Passed:
    """An occurrence that the plan names but that does not fire, with the reason (`calendar`)."""

    slot: Moment
    reason: str
    detail: str = ""


@runtime_checkable
class Trigger(Protocol):
    """A rule for moments. Laws, checked by `runner.testing`'s contract suite:

    - `next_after(m) > m`, and there is no firing between the two;
    - the answer depends on `m` alone;
    - `load(trigger.to_json())` answers the same.
    """

    def next_after(self, moment: Moment) -> Moment | None:
        """The first firing strictly after `moment`, or None when there is none any more."""
        ...

    def jitter_at(self, slot: Moment) -> Span:
        """How far the start of this firing may be moved back, at most; 0 for none."""
        ...

    def passed(self, after: Moment, until: Moment) -> Iterator[Passed]:
        """What the plan names strictly after `after` and up to `until`, but a calendar keeps from firing."""
        ...

    def to_json(self) -> dict[str, Any]:
        """A JSON object with `type`, from which `runner.triggers.load` makes an equal trigger."""
        ...
