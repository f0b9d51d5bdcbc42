"""What jobs that are added one after another share: one trigger for all that ask for the very same.

Programs add jobs in loops, ten thousand with one schedule. Made once, it is also checked, shown and written once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, tzinfo
from operator import is_
from types import NoneType
from typing import Any

from runner.triggers import Trigger
from runner.triggers.cron import CronTrigger
from runner.triggers.interval import IntervalTrigger

UNCHANGING = frozenset({IntervalTrigger, CronTrigger})
"""The triggers that are what their arguments say, whenever they are made, and cannot be changed."""
_FIXED = (int, float, str, date, tzinfo, NoneType)
"""Arguments that nobody changes after they are given."""
_COMPARED = frozenset({int, float, str})


class Triggers:
    """Makes triggers of a kind and its arguments; who asks for the very same again is given the one made before."""

    def __init__(self) -> None:
        self._last: tuple[Callable[..., Trigger], dict[str, Any], Trigger] | None = None

    def made(self, kind: Callable[..., Trigger], arguments: dict[str, Any]) -> Trigger:
        """What `kind(**arguments)` gives, and raises."""
        last = self._last
        if last is not None and last[0] is kind and _same(last[1], arguments):
            return last[2]
        trigger = kind(**arguments)
        if type(trigger) in UNCHANGING and all(isinstance(each, _FIXED) for each in arguments.values()):
            self._last = (kind, arguments, trigger)
        return trigger


def _same(some: dict[str, Any], others: dict[str, Any]) -> bool:
    if some.keys() != others.keys():
        return False
    if all(map(is_, map(others.__getitem__, some), some.values())):
        return True
    return all(one is others[name] or _alike(one, others[name]) for name, one in some.items())


def _alike(one: Any, other: Any) -> bool:
    """Whether they say the same in the same words: 1 and True are equal, and so are 12:00 and 13:00+01:00."""
    kind = type(one)
    if kind is not type(other) or one != other:
        return False
    return kind in _COMPARED or (
        kind is datetime and one.tzinfo is None and other.tzinfo is None and one.fold == other.fold
    )


_shown: tuple[Trigger, str] | None = None


def schedule_of(trigger: Trigger) -> str:
    """The trigger in words."""
    global _shown
    shown = _shown
    if shown is not None and shown[0] is trigger:
        return shown[1]
    text = str(trigger)
    if type(trigger) in UNCHANGING:
        _shown = (trigger, text)
    return text
