"""How many firings lie between two moments, and which is the last of them, without listing them.

After a long downtime a job that runs every second has missed millions of occurrences, and the ledger keeps a range:
the first, the last and how many. What a rule says in arithmetic is reckoned; any other trigger is walked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from runner.moment import SECOND, Moment, Span
from runner.triggers.base import Trigger, own_words
from runner.triggers.combining import AndTrigger, OrTrigger
from runner.triggers.cron.counting import count_firings
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.cron.trigger import CronTrigger
from runner.triggers.cron.wall import WallTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.windows import BetweenTrigger, Window
from runner.triggers.workdays import WorkdayTrigger
from runner.triggers.zones import zone

_DAY = 86_400
_MOST_STEPS = 100_000
"""Firings of a program's own trigger that are walked one by one: a day of seconds."""


def count(trigger: Trigger, after: Moment, until: Moment) -> int:
    """How many firings are strictly after a moment and up to another."""
    if until <= after:
        return 0
    if own_words(trigger):
        return walked(trigger, after, until)
    match trigger:
        case IntervalTrigger():
            return _of_interval(trigger, after, until)
        case CrontabTrigger() | CronTrigger():
            return _of_walls([trigger], after, until)
        case OrTrigger():
            return _of_any(trigger, after, until)
        case AndTrigger(rules=()):
            return 0
        case AndTrigger(rules=(only,)):
            return count(only, after, until)
        case BetweenTrigger():
            return sum(count(trigger.trigger, *span) for span in _open(trigger, after, until))
        case WorkdayTrigger(roll="skip"):
            return sum(count(trigger.trigger, *span) for span in _worked(trigger, after, until))
    return walked(trigger, after, until)


def walked(trigger: Trigger, after: Moment, until: Moment) -> int:
    """The same, one firing at a time."""
    found = 0
    slot = trigger.next_after(after)
    while slot is not None and slot <= until:
        found += 1
        slot = trigger.next_after(slot)
    return found


def last(trigger: Trigger, known: Moment, until: Moment) -> Moment:
    """The last firing up to a moment; `known` is one. The way is halved until it is found."""
    if own_words(trigger):
        # It may count from firing to firing, so that halving the way would lead beside its times.
        for _ in range(_MOST_STEPS):
            following = trigger.next_after(known)
            if following is None or following > until:
                return known
            known = following
    if isinstance(trigger, IntervalTrigger) and known <= until and not own_words(trigger):
        end = until if trigger.end is None else min(until, trigger.end)
        return end - (end - known) % trigger.span
    low, high = known, until
    while low < high:
        middle = (low + high) // 2
        found = trigger.next_after(middle)
        if found is not None and found <= until:
            low = found
        else:
            high = middle
    return low


def widest_jitter(trigger: Trigger) -> Span | None:
    """A length that no firing's jitter exceeds; None for a program's own trigger, which may say anything."""
    match trigger:
        case OrTrigger() | AndTrigger():
            inner = [widest_jitter(one) for one in trigger.triggers]
            return None if None in inner else max([trigger.spread, *(each or 0 for each in inner)])
        case BetweenTrigger() | WorkdayTrigger():
            return widest_jitter(trigger.trigger)
    return trigger.jitter_at(0) if type(trigger).__module__.startswith("runner.triggers.") else None


def _of_interval(trigger: IntervalTrigger, after: Moment, until: Moment) -> int:
    first = trigger.next_after(after)
    return 0 if first is None or first > until else (last(trigger, first, until) - first) // trigger.span + 1


def _of_walls(triggers: Sequence[WallTrigger], after: Moment, until: Moment) -> int:
    """Several wall-clock rules of one zone, a moment that several name once; their bounds cut the time in pieces."""
    edges = {after, until}
    for one in triggers:
        edges |= {one.start - 1} if one.start is not None else set()
        edges |= {one.end} if one.end is not None else set()
    cuts = sorted(edge for edge in edges if after <= edge <= until)
    found = 0
    for begin, end in pairwise(cuts):
        walks = [one.walk for one in triggers if _holds(one, begin, end)]
        if walks:
            found += count_firings(walks, begin // SECOND, end // SECOND)
    return found


def _holds(one: WallTrigger, begin: Moment, end: Moment) -> bool:
    return (one.start is None or one.start <= begin + 1) and (one.end is None or end <= one.end)


def _of_any(trigger: OrTrigger, after: Moment, until: Moment) -> int:
    """Of rules that share a zone and its clock changes by arithmetic; of others the rare ones are walked."""
    parts = list(_parts(trigger))
    walls = [one for one in parts if isinstance(one, CrontabTrigger | CronTrigger) and not own_words(one)]
    if len(walls) == len(parts) and len({(one.zone, one.walk.fixed) for one in walls}) == 1:
        return _of_walls(walls, after, until)
    parts.sort(key=lambda one: count(one, after, until))
    most = parts.pop()
    rest = OrTrigger(parts) if len(parts) > 1 else parts[0] if parts else None
    return count(most, after, until) + (0 if rest is None else _not_by(most, rest, after, until))


def _parts(trigger: Trigger) -> Iterator[Trigger]:
    if not isinstance(trigger, OrTrigger):
        yield trigger
        return
    for one in trigger.triggers:
        yield from _parts(one)


def _not_by(most: Trigger, rest: Trigger, after: Moment, until: Moment) -> int:
    """How many firings of `rest` are not firings of `most` too."""
    if (
        not (own_words(most) or own_words(rest))
        and isinstance(most, IntervalTrigger)
        and isinstance(rest, IntervalTrigger)
    ):
        return count(rest, after, until) - count(AndTrigger([most, rest]), after, until)
    found = 0
    slot = rest.next_after(after)
    while slot is not None and slot <= until:
        found += most.next_after(slot - 1) != slot
        slot = rest.next_after(slot)
    return found


def _days(zone_name: str, after: Moment, until: Moment) -> Iterator[tuple[int, int, int, int]]:
    """The days in pieces of constant offset: (day, seconds of its clock from, to before, offset)."""
    clocks = zone(zone_name)
    begin, end = after // SECOND, until // SECOND + 1
    starts = [begin, *(change for change, _, _ in clocks.changes(begin, end - 1)), end]
    for low, high in pairwise(starts):
        offset = clocks.offset_at(low)
        local, stop = low + offset, high + offset
        while local < stop:
            day, time = divmod(local, _DAY)
            upto = min(_DAY, time + stop - local)
            yield day, time, upto, offset
            local = day * _DAY + upto


def _open(trigger: BetweenTrigger, after: Moment, until: Moment) -> Iterator[tuple[Moment, Moment]]:
    """When the windows are open, as (strictly after, up to)."""
    spans = _disjoint(trigger.windows)
    for day, begin, end, offset in _days(trigger.zone, after, until):
        midnight = day * _DAY - offset
        for low, high in spans:
            low, high = max(low, begin), min(high, end)
            if low < high:
                yield max(after, (midnight + low) * SECOND - 1), min(until, (midnight + high) * SECOND - 1)


def _disjoint(windows: Sequence[Window]) -> list[tuple[int, int]]:
    """The windows of a day in order, as (from, to before), none touching another."""
    parts: list[tuple[int, int]] = []
    for one in windows:
        if one.begin <= one.end:
            parts.append((one.begin, one.end + 1))
        else:
            parts += [(0, one.end + 1), (one.begin, _DAY)]
    merged: list[tuple[int, int]] = []
    for low, high in sorted(parts):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def _worked(trigger: WorkdayTrigger, after: Moment, until: Moment) -> Iterator[tuple[Moment, Moment]]:
    """The working days, as (strictly after, up to), those in a row together."""
    begin = end = after
    for day, low, high, offset in _days(trigger.zone, after, until):
        if trigger.day_off(day) is not None:
            continue
        midnight = day * _DAY - offset
        first, past = max(after, (midnight + low) * SECOND - 1), min(until, (midnight + high) * SECOND - 1)
        if first != end:
            if begin < end:
                yield begin, end
            begin = first
        end = past
    if begin < end:
        yield begin, end
