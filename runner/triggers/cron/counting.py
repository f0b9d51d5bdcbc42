"""How many firings of wall-clock rules lie between two seconds, by arithmetic on days.

In a stretch of constant offset the wall clock runs evenly, so the firings are the rule's wall-clock times from the
first one it serves there (`runner.triggers.cron.walk` has the rule); those inside the gap before it fire together.
A day's times are bits, one for each second, so that several rules are joined by an `or`, whatever they share.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from runner.triggers.cron.walk import Walk
from runner.triggers.zones import FIRST, LAST

_DAY = 86_400


def count_firings(walks: Sequence[Walk], after: int, until: int) -> int:
    """How many seconds strictly after one and up to another are named by any of the walks.

    They share the zone and the rule of clock changes (`fixed`).
    """
    begin, end = max(after + 1, FIRST), min(until + 1, LAST)
    if begin >= end:
        return 0
    clocks, fixed = walks[0].zone, walks[0].fixed
    clocks.cover(begin)
    clocks.cover(end)
    _, _, starts, offsets, served = clocks.table
    found = 0
    for index in range(bisect_right(starts, begin) - 1, len(offsets)):
        if starts[index] >= end:
            break
        offset = offsets[index]
        low, high = max(begin, starts[index]), min(end, starts[index + 1]) + offset
        bound = served[index] if fixed else starts[index] + offset
        local = low + offset
        if low == starts[index] and bound < local:
            found += count_times(walks, bound, min(local + 1, high)) > 0
            bound = local + 1
        found += count_times(walks, max(bound, local), high)
    return found


def count_times(walks: Sequence[Walk], low: int, high: int) -> int:
    """How many wall-clock times from one to before another, on the days of the rules."""
    if low >= high:
        return 0
    (first, time), (last, rest) = divmod(low, _DAY), divmod(high, _DAY)
    if first == last:
        return ((_day(walks, first) & (1 << rest) - 1) >> time).bit_count()
    found = (_day(walks, first) >> time).bit_count() + (_day(walks, last) & (1 << rest) - 1).bit_count()
    if len(walks) == 1:
        return found + walks[0].count_days(first + 1, last) * _times(walks[0]).bit_count()
    whole: dict[tuple[bool, ...], int] = {}
    for day in range(first + 1, last):
        kind = tuple(one.names_day(day) for one in walks)
        if kind not in whole:
            whole[kind] = _day(walks, day).bit_count()
        found += whole[kind]
    return found


def _day(walks: Sequence[Walk], day: int) -> int:
    mask = 0
    for one in walks:
        if one.names_day(day):
            mask |= _times(one)
    return mask


def _times(one: Walk) -> int:
    return _bits(*one.clock)


@lru_cache(maxsize=64)
def _bits(hours: int, minutes: int, seconds: int) -> int:
    """The seconds of a day that three fields name."""
    return _spread(hours, 3600, _spread(minutes, 60, seconds))


def _spread(mask: int, step: int, each: int) -> int:
    """`each` at every bit of `mask`, `step` bits for one."""
    return sum(each << step * number for number in range(mask.bit_length()) if mask >> number & 1)
