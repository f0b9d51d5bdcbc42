"""Jobs that fire at one instant, though nobody asked for that: several at 02:00, because everybody writes 02:00."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from runner.moment import DAY, Moment
from runner.triggers import explain
from runner.triggers.base import Trigger

HORIZON = 7 * DAY
MOST = 60
"""Firings in the week that are looked at; a trigger with more is due all day long, and meets others anyway."""


class Together(NamedTuple):
    """Which meet, at which moment first, and how often in the week ahead."""

    names: tuple[str, ...]
    first: Moment
    times: int


def together(triggers: Mapping[str, Trigger], now: Moment) -> list[Together]:
    """Those that fire at one instant in the week after `now`: the largest groups first, none within another.

    One with jitter is left out: it was asked to keep out of the way.
    """
    at: dict[Moment, list[str]] = {}
    for name, trigger in triggers.items():
        slots = []
        for slot in explain.between(trigger, now, now + HORIZON):
            slots.append(slot)
            if len(slots) > MOST or trigger.jitter_at(slot):
                break
        else:
            for slot in slots:
                at.setdefault(slot, []).append(name)
    met: dict[tuple[str, ...], list[Moment]] = {}
    for slot, meeting in at.items():
        if len(meeting) > 1:
            met.setdefault(tuple(meeting), []).append(slot)
    found: list[Together] = []
    for names, slots in sorted(met.items(), key=lambda item: (-len(item[0]), min(item[1]))):
        if not any(set(names) <= set(larger.names) for larger in found):
            found.append(Together(names, min(slots), len(slots)))
    return found
