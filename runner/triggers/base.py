"""WHEN: a trigger says at which moment it fires next, and nothing else.

A trigger is pure: the same answer at any time, in any process, after any restart. It never asks the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Protocol, runtime_checkable

from runner.moment import MICROSECOND, Moment, Span, from_datetime, to_datetime


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


class BaseTrigger:
    """What every trigger of this library is, and what one of a program's own derives from.

    A subclass writes `next_after`, or, as in APScheduler 3, `get_next_fire_time`: each is made from the other.
    """

    __slots__ = ()

    def next_after(self, moment: Moment) -> Moment | None:
        """The first firing strictly after `moment`, or None when there is none any more."""
        if type(self).get_next_fire_time is BaseTrigger.get_next_fire_time:
            raise TypeError(f"{type(self).__name__} defines neither next_after nor get_next_fire_time")
        found = self.get_next_fire_time(None, to_datetime(moment + MICROSECOND))
        return None if found is None else from_datetime(found)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first firing after `previous_fire_time`; where there was none, the first one not before `now`."""
        if previous_fire_time is not None:
            found = self.next_after(from_datetime(previous_fire_time))
        else:
            found = self.next_after(from_datetime(now) - MICROSECOND)
        return None if found is None else to_datetime(found, self.tzinfo)

    @property
    def tzinfo(self) -> tzinfo:
        """The zone in which people read the answers."""
        return UTC

    def jitter_at(self, slot: Moment) -> Span:
        """How far the start of this firing may be moved back, at most; 0 for none."""
        return 0

    def passed(self, after: Moment, until: Moment) -> Iterator[Passed]:
        """Nothing, unless the trigger has a calendar."""
        return iter(())

    @property
    def steady(self) -> bool:
        """Whether every firing starts at its planned moment, and nothing it names is kept from firing."""
        kind = type(self)
        return kind.jitter_at is BaseTrigger.jitter_at and kind.passed is BaseTrigger.passed

    def anchored(self, moment: Moment) -> BaseTrigger:
        """The same trigger; one that needs a start and has none gets it from `moment`."""
        return self

    def moved(self, moment: Moment) -> BaseTrigger:
        """The same trigger; one that counts from firing to firing goes on counting from `moment`, which is one."""
        return self

    def to_json(self) -> dict[str, Any]:
        """A JSON object with `type`, from which `runner.triggers.load` makes an equal trigger."""
        raise TypeError(f"{type(self).__name__} has no JSON form, so it cannot be stored: define to_json")
