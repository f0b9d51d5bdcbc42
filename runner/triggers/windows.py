"""Only at certain times of day: `between: "10:00-16:00"`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from runner.errors import TriggerError
from runner.moment import Moment, Span
from runner.triggers.base import BaseTrigger, Passed, Trigger
from runner.triggers.phrase import clock
from runner.triggers.times import tz_of
from runner.triggers.zones import zone

_DAY = 86_400
_MOST_TRIES = 4_000
"""A rule that misses its windows so many times in a row is taken never to meet them."""


@dataclass(frozen=True, slots=True)
class Window:
    """A time of day from `begin` to `end`, both inclusive, in seconds since midnight; past midnight if end is less."""

    begin: int
    end: int

    @classmethod
    def of(cls, text: str) -> Window:
        """`10:00-16:00` or `22:00-06:00`; TriggerError else."""
        ends = re.split(r"\s*[-–]\s*", text.strip())
        if len(ends) != 2:
            raise TriggerError(f'"{text}" is not a part of the day', hint="write 10:00-16:00")
        begin, end = (hour * 3600 + minute * 60 + second for hour, minute, second in map(clock, ends))
        return cls(begin, end)

    def __contains__(self, time: int) -> bool:
        if self.begin <= self.end:
            return self.begin <= time <= self.end
        return time >= self.begin or time <= self.end

    def __str__(self) -> str:
        return f"{_clock(self.begin)}-{_clock(self.end)}"


def _clock(time: int) -> str:
    text = f"{time // 3600:02}:{time // 60 % 60:02}"
    return f"{text}:{time % 60:02}" if time % 60 else text


@dataclass(frozen=True, slots=True)
class BetweenTrigger(BaseTrigger):
    """Fires when `trigger` does, where the wall clock of the zone then stands within one of the windows."""

    trigger: Trigger
    windows: tuple[Window, ...]
    zone: str = "UTC"

    def next_after(self, moment: Moment) -> Moment | None:
        for _ in range(_MOST_TRIES):
            found = self.trigger.next_after(moment)
            if found is None or self.admits(found):
                return found
            moment = self._opening(found) - 1
        return None

    def admits(self, moment: Moment) -> bool:
        """Whether a moment is within a window."""
        time = zone(self.zone).local(moment) % _DAY
        return any(time in window for window in self.windows)

    def _opening(self, moment: Moment) -> Moment:
        """When the next window after a moment opens."""
        clocks = zone(self.zone)
        local = clocks.local(moment)
        midnight = local - local % _DAY
        openings = (
            clocks.moment_of(midnight + days + window.begin) for window in self.windows for days in (0, _DAY)
        )
        return min((opening for opening in openings if opening > moment), default=moment + 1)

    @property
    def tzinfo(self) -> tzinfo:
        return tz_of(self.zone)

    def jitter_at(self, slot: Moment) -> Span:
        return self.trigger.jitter_at(slot)

    def passed(self, after: Moment, until: Moment) -> Iterator[Passed]:
        return (passed for passed in self.trigger.passed(after, until) if self.admits(passed.slot))

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "between",
            "trigger": self.trigger.to_json(),
            "windows": [str(window) for window in self.windows],
            "timezone": self.zone,
        }

    def __str__(self) -> str:
        return f"{self.trigger} between {' or '.join(map(str, self.windows))}"
