"""What calendars keep from firing, in ranges: a weekend of a job that runs each second is two of them, not 172,800."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.moment import Moment
from runner.triggers.base import Passed, Trigger
from runner.triggers.counting import count, last
from runner.triggers.workdays import WorkdayTrigger


@dataclass(frozen=True, slots=True)
class Passing:
    """Planned times in a row that one reason kept from firing: `count` of them from `first` to `last`."""

    first: Moment
    last: Moment
    count: int
    reason: str
    detail: str


def passing(trigger: Trigger, after: Moment, until: Moment) -> Iterator[Passing]:
    """What `trigger.passed` says of the same time, those in a row together. What another schedule fires is left out."""
    if not isinstance(trigger, WorkdayTrigger):
        yield from _folded(each for each in trigger.passed(after, until) if not _fires(trigger, each.slot))
        return
    while (one := next(trigger.passed(after, until), None)) is not None:
        end = min(until, trigger.end_of_day(one.slot))
        newest = last(trigger.trigger, one.slot, end)
        number = 1 + count(trigger.trigger, one.slot, newest)
        yield Passing(one.slot, newest, number, one.reason, one.detail)
        after = end


def _fires(trigger: Trigger, slot: Moment) -> bool:
    return trigger.next_after(slot - 1) == slot


def _folded(passed: Iterator[Passed]) -> Iterator[Passing]:
    held: Passing | None = None
    for one in passed:
        if held is not None and (held.reason, held.detail) == (one.reason, one.detail):
            if one.slot > held.last:  # two schedules may name one time
                held = Passing(held.first, one.slot, held.count + 1, held.reason, held.detail)
            continue
        if held is not None:
            yield held
        held = Passing(one.slot, one.slot, 1, one.reason, one.detail)
    if held is not None:
        yield held
