"""From a second to the next one a wall-clock schedule names, through every clock change.

The rule (docs/triggers.md, "Clock changes"). A zone is a row of stretches of constant offset. In each stretch the wall
clock runs evenly, so the search is one on local time, and a change is only the question with which local time to
go on in the next stretch:

- A schedule that follows the wall clock (its minute or hour begins with `*`) goes on with the stretch's own first
  local time: nothing inside a gap, again in a repeated hour.
- A fixed-time schedule goes on where the clock had got to before. After a gap that is *below* the stretch's first
  time: what was due inside fires at the gap's end, at once for all of them. In a repeated hour it is *above*:
  what has fired does not fire again. After a gap of more than three hours it is the stretch's own first time.

`Zone.table` holds those figures, so that the usual case costs one bisection. A walk also remembers the day of its last
answer where no clock change touches it (`_page`): until the last firing of that day an answer is one bisection among
the times of a day.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

from runner.triggers.cron.days import DayRule, days
from runner.triggers.zones import FIRST, LAST, WIDEST, zone

if TYPE_CHECKING:
    from runner.triggers.cron.dates import Dates

_DAY = 86_400
_MOST_TIMES = 1_440
_BLOCK = (1 << 64) - 1


def bits(mask: int) -> tuple[int, ...]:
    """The numbers of the bits that are set, in order."""
    return tuple([number for number, bit in enumerate(reversed(f"{mask:b}")) if bit == "1"])


@lru_cache(maxsize=4096)
def _times(hours: int, minutes: int, seconds: int) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """The times of a day in seconds; with many of them, those of the minutes, and the seconds apart."""
    of_hour = [minute * 60 for minute in bits(minutes)]
    starts: list[int] = []
    for hour in bits(hours):
        begin = hour * 3600
        starts += range(begin, begin + 3600, 60) if len(of_hour) == 60 else [begin + each for each in of_hour]
    if seconds == 1:
        return tuple(starts), None
    within = bits(seconds)
    if len(starts) * len(within) <= _MOST_TIMES:
        return tuple(start + second for start in starts for second in within), None
    return tuple(starts), within


@lru_cache(maxsize=4096)
def _of_days(mask: int) -> tuple[int, ...]:
    return tuple([day * _DAY for day in bits(mask)]) or (0,)


class Walk:
    """The firings of one wall-clock schedule; made by `walk(...)`, which keeps one of each."""

    __slots__ = (
        "_blocks",
        "_days",
        "_every",
        "_first",
        "_key",
        "_once",
        "_page",
        "_paged",
        "_seconds",
        "dates",
        "fixed",
        "info",
        "last",
        "times",
        "zone",
    )

    def __init__(
        self, hours: int, minutes: int, seconds: int, rule: DayRule, fixed: bool, zone_name: str
    ) -> None:
        self._key = (hours, minutes, seconds, rule, fixed, zone_name)
        self.times, self._seconds = _times(hours, minutes, seconds)
        self._first = self.times[0] + (self._seconds[0] if self._seconds else 0)
        self.last = self.times[-1] + (self._seconds[-1] if self._seconds else 0)
        """The last time of a day, in seconds."""
        self._paged = self._seconds is None
        self._once = self._paged and len(self.times) == 1
        self._days = days(rule)
        self._every = self._days.every
        self._blocks = self._days.blocks
        self.zone = zone(zone_name)
        self.info = self.zone.info
        self.dates: Dates | None = None
        """The same firings in datetimes, from when somebody asks for those."""
        self._page: tuple[int, int, int, tuple[int, ...]] = (0, -1, 0, ())
        """(low, high, base, lengths): the first firing from any second of low..high is the first of `base` plus a
        length. One tuple, so that threads need no lock."""
        self.fixed = fixed

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return walk, self._key

    def ever(self) -> bool:
        """False where no day matches, in any year."""
        return self._days.ever

    @property
    def clock(self) -> tuple[int, int, int]:
        """The bits of hours, minutes and seconds."""
        return self._key[:3]

    def names_day(self, day: int) -> bool:
        """Whether a day, numbered from 1970-01-01, is one of the schedule's."""
        return self._every or day in self._days

    def days_from(self, day: int) -> int:
        """The schedule's days from one on, as bits: as many as are known without a search."""
        return _BLOCK if self._every else self._blocks.get(day >> 6, 0) >> (day & 63)

    def count_days(self, first: int, past: int) -> int:
        """How many days from one to before another are the schedule's."""
        if first >= past:
            return 0
        return past - first if self._every else self._days.count(first, past)

    def after(self, second: int) -> int | None:
        """The first firing strictly after a second."""
        begin = second + 1
        low, high, base, lengths = self._page
        if low <= begin <= high:
            return base + lengths[bisect_left(lengths, begin - base)]
        return self._from(begin)

    def _from(self, begin: int) -> int | None:
        """The first firing not before a second."""
        low, high, starts, offsets, fixed = self.zone.table
        if not low <= begin < high:
            if begin >= LAST:
                return None
            begin = max(begin, FIRST)
            low, high, starts, offsets, fixed = self.zone.cover(begin)
        index = bisect_right(starts, begin) - 1
        offset = offsets[index]
        local = shown = begin + offset
        if self.fixed and (begin == starts[index] or local < fixed[index]):
            local = fixed[index]
        found = self.wall(local)
        if found is None:
            return None
        at = found - offset
        if at >= starts[index + 1]:
            return self._later(index, local, found)
        if at <= begin:
            return begin
        if self._paged and local <= shown:
            base, lengths = at, self.times
            if self._once:
                lengths = _of_days(self.days_from(found // _DAY))
            else:
                base -= found % _DAY
            last = base + lengths[-1]
            if at < last < starts[index + 1]:
                self._page = (begin, last, base, lengths)
        return at

    def _later(self, index: int, local: int, match: int) -> int | None:
        """The firing is not in stretch `index`, where `match` is the first from `local` on."""
        _, high, starts, offsets, fixed = self.zone.table
        while True:
            index += 1
            sure = match - WIDEST
            if index == len(offsets):
                if max(high, sure) >= LAST:
                    return None
                last = starts[index - 1]
                _, high, starts, offsets, fixed = self.zone.cover(max(high, sure))
                index = bisect_right(starts, last) - 1  # the table may have grown on both sides
                if match - offsets[index] < starts[index + 1]:
                    return max(match - offsets[index], starts[index])
                continue
            begin = fixed[index] if self.fixed else starts[index] + offsets[index]
            if begin < local or begin > match:
                local = begin
                again = self.wall(begin)
                if again is None:
                    return None
                match = again
            elif sure >= starts[index + 1]:
                # This stretch and maybe others end long before the match, and what they repeat is no match.
                index = min(bisect_right(starts, sure), len(offsets)) - 1
            at = max(match - offsets[index], starts[index])
            if at < starts[index + 1]:
                return at

    def wall(self, local: int) -> int | None:
        """The first wall-clock time of the schedule that is not before `local`."""
        day, time = divmod(local, _DAY)
        if time > self.last:
            day += 1
            time = 0
        if not self._every:
            # The usual case of `on_or_after`, without the call.
            rest = self._blocks.get(day >> 6, 0) >> (day & 63)
            first = day + (rest & -rest).bit_length() - 1 if rest else self._days.on_or_after(day)
            if first != day:
                return None if first is None else first * _DAY + self._first
        times = self.times
        if self._seconds is None:
            return day * _DAY + times[bisect_left(times, time)]
        return day * _DAY + self._within(time, self._seconds)

    def _within(self, time: int, seconds: tuple[int, ...]) -> int:
        times = self.times
        minute, second = time - time % 60, time % 60
        index = bisect_left(times, minute)
        if times[index] == minute:
            nth = bisect_left(seconds, second)
            if nth < len(seconds):
                return minute + seconds[nth]
            index += 1
        return times[index] + seconds[0]


@lru_cache(maxsize=16_384)
def walk(hours: int, minutes: int, seconds: int, rule: DayRule, fixed: bool, zone_name: str) -> Walk:
    """The firings of a schedule; equal schedules share what was already matched."""
    return Walk(hours, minutes, seconds, rule, fixed, zone_name)
