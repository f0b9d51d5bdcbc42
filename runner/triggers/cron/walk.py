"""From a second to the next one a wall-clock schedule names, through every clock change.

The rule (docs/triggers.md, "Clock changes"). A zone is a row of stretches of constant offset. In each stretch the wall
clock runs evenly, so the search is one on local time, and a change is only the question with which local time to
go on in the next stretch:

- A schedule that follows the wall clock (its minute or hour begins with `*`) goes on with the stretch's own first
  local time: nothing inside a gap, again in a repeated hour.
- A fixed-time schedule goes on where the clock had got to before. After a gap that is *below* the stretch's first
  time: what was due inside fires at the gap's end, at once for all of them. In a repeated hour it is *above*:
  what has fired does not fire again. After a gap of more than three hours it is the stretch's own first time.

`Zone.table` holds those figures, so that the common case costs one bisection.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import lru_cache

from runner.triggers.cron.days import DayRule, days
from runner.triggers.zones import FIRST, LAST, zone

_DAY = 86_400
_MOST_TIMES = 1_440


def bits(mask: int) -> tuple[int, ...]:
    """The numbers of the bits that are set, in order."""
    return tuple(number for number in range(mask.bit_length()) if mask >> number & 1)


@lru_cache(maxsize=4096)
def _times(hours: int, minutes: int, seconds: int) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """The times of a day in seconds; with many of them, those of the minutes, and the seconds apart."""
    starts = [hour * 3600 + minute * 60 for hour in bits(hours) for minute in bits(minutes)]
    within = bits(seconds)
    if len(starts) * len(within) <= _MOST_TIMES:
        return tuple(start + second for start in starts for second in within), None
    return tuple(starts), within


class Walk:
    """The firings of one wall-clock schedule; made by `walk(...)`, which keeps one of each."""

    __slots__ = ("_days", "_first", "_key", "_seconds", "_times", "_zone", "fixed")

    def __init__(
        self, hours: int, minutes: int, seconds: int, rule: DayRule, fixed: bool, zone_name: str
    ) -> None:
        self._key = (hours, minutes, seconds, rule, fixed, zone_name)
        self._times, self._seconds = _times(hours, minutes, seconds)
        self._first = self._times[0] + (self._seconds[0] if self._seconds else 0)
        self._days = days(rule)
        self._zone = zone(zone_name)
        self.fixed = fixed

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return walk, self._key

    def ever(self) -> bool:
        """False where no day matches, in any year."""
        return self._days.every or self._days.on_or_after(0) is not None or self._local(FIRST) is not None

    def after(self, second: int) -> int | None:
        """The first firing strictly after a second."""
        begin = second + 1
        low, high, starts, offsets, fixed = self._zone.table
        if not low <= begin < high:
            if begin >= LAST:
                return None
            begin = max(begin, FIRST)
            low, high, starts, offsets, fixed = self._zone.cover(begin)
        index = bisect_right(starts, begin) - 1
        offset = offsets[index]
        local = begin + offset
        if self.fixed and (begin == starts[index] or local < fixed[index]):
            local = fixed[index]
        found = self._local(local)
        if found is None:
            return None
        at = found - offset
        if at < starts[index + 1]:
            return at if at > begin else begin
        return self._later(index, local, found)

    def _later(self, index: int, local: int, found: int) -> int | None:
        """The firing is not in stretch `index`, where `found` is the first match from `local` on."""
        _, high, starts, offsets, fixed = self._zone.table
        match: int | None = found
        while True:
            index += 1
            if index == len(offsets):
                if high >= LAST:
                    return None
                last = starts[index - 1]
                _, high, starts, offsets, fixed = self._zone.cover(high)
                index = bisect_right(starts, last) - 1  # the table may have grown on both sides
                if match is not None and match - offsets[index] < starts[index + 1]:
                    return max(match - offsets[index], starts[index])
                continue
            begin = fixed[index] if self.fixed else starts[index] + offsets[index]
            if match is None or begin < local or begin > match:
                local = begin
                match = self._local(begin)
                if match is None:
                    return None
            at = max(match - offsets[index], starts[index])
            if at < starts[index + 1]:
                return at

    def _local(self, local: int) -> int | None:
        """The first wall-clock time of the schedule that is not before `local`."""
        day, time = divmod(local, _DAY)
        every = self._days.every
        if not every:
            first = self._days.on_or_after(day)
            if first != day:
                return None if first is None else first * _DAY + self._first
        if self._seconds is None:
            times = self._times
            index = bisect_left(times, time)
            if index < len(times):
                return local - time + times[index]
        else:
            found = self._within(time, self._seconds)
            if found is not None:
                return local - time + found
        if every:
            return local - time + _DAY + self._first
        first = self._days.on_or_after(day + 1)
        return None if first is None else first * _DAY + self._first

    def _within(self, time: int, seconds: tuple[int, ...]) -> int | None:
        times = self._times
        second = time % 60
        minute = time - second
        index = bisect_left(times, minute)
        if index < len(times) and times[index] == minute:
            nth = bisect_left(seconds, second)
            if nth < len(seconds):
                return minute + seconds[nth]
            index += 1
        return times[index] + seconds[0] if index < len(times) else None

    def names(self, local: int) -> bool:
        """Whether the schedule names this wall-clock time."""
        return self._local(local) == local


@lru_cache(maxsize=16_384)
def walk(hours: int, minutes: int, seconds: int, rule: DayRule, fixed: bool, zone_name: str) -> Walk:
    """The firings of a schedule; equal schedules share what was already matched."""
    return Walk(hours, minutes, seconds, rule, fixed, zone_name)
