"""WHEN: a trigger says at which moment it fires next, and nothing else.

A trigger is pure: the same answer at any time, in any process, after any restart. It never asks the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
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

    A subclass writes `next_after`, or, as in APScheduler 3, `get_next_fire_time`: each is made from the other. What it
    writes holds, whatever the class that it derives from would say.
    """

    __slots__ = ()

    _asked_in: tzinfo = UTC

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls)
        if "get_next_fire_time" in own and "next_after" not in own:
            cls.next_after = BaseTrigger.next_after  # type: ignore[method-assign]
            if "to_json" not in own:
                # As what it derives from it would come back from a store without its own words.
                cls.to_json = BaseTrigger.to_json  # type: ignore[method-assign]

    def next_after(self, moment: Moment) -> Moment | None:
        """The first firing strictly after `moment`, or None when there is none any more."""
        at = to_datetime(moment, self.tzinfo)
        found = self.get_next_fire_time(at, at)
        if found is not None and from_datetime(found) <= moment:
            # It looks at `now` alone, and takes that for a firing.
            found = self.get_next_fire_time(at, to_datetime(moment + MICROSECOND, self.tzinfo))
        if found is None:
            return None
        following = from_datetime(found)
        return following if following > moment else None

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first firing after `previous_fire_time`; where there was none, the first one not before `now`."""
        kind: type[Any] = type(self)
        after: Callable[[Any, Moment], Moment | None] = kind.next_after
        if after is BaseTrigger.next_after:
            after = _rule(kind)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
        if previous_fire_time is not None:
            found = after(self, from_datetime(previous_fire_time))
        else:
            found = after(self, from_datetime(now) - MICROSECOND)
        return None if found is None else to_datetime(found, self.tzinfo)

    @property
    def tzinfo(self) -> tzinfo:
        """The zone in which people read the answers; of a program's own trigger that of its scheduler."""
        return self._asked_in

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


@cache
def _rule(kind: type[Any]) -> Callable[[Any, Moment], Moment | None]:
    """What says the times of the class that a program's own derives from."""
    for each in kind.__mro__:
        rule = vars(each).get("next_after")
        if rule is not None and rule is not BaseTrigger.next_after:
            return rule  # type: ignore[no-any-return]
    raise TypeError(f"{kind.__name__} defines neither next_after nor get_next_fire_time")


def own_words(trigger: Any) -> bool:
    """Whether a program says its times, by `get_next_fire_time`: no arithmetic of ours knows them."""
    return getattr(type(trigger), "next_after", None) is BaseTrigger.next_after


def asked_in(trigger: Any, zone: tzinfo) -> None:
    """Ask a program's own trigger, or one within another, in this zone from now on."""
    if own_words(trigger) and type(trigger).tzinfo is BaseTrigger.tzinfo:
        with suppress(AttributeError):  # it has no room for it
            object.__setattr__(trigger, "_asked_in", zone)
    for one in getattr(trigger, "triggers", ()):
        asked_in(one, zone)
