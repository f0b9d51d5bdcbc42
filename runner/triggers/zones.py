"""Wall clocks: which offset a zone has at a second, and which second a wall-clock time is.

`datetime.astimezone` costs more than the rest of an answer, so each zone keeps a table of its changes: the second
each stretch of constant offset begins, its offset, and two figures for schedules (see `Table`). The table is read
from `zoneinfo` by probing, a year at a time, and only as far as somebody asked.

All figures here are whole seconds since 1970-01-01: `second` in UTC, `local` what the wall clock shows.
"""

from __future__ import annotations

import contextlib
import difflib
from bisect import bisect_right
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import tzlocal

from runner.errors import TriggerError
from runner.moment import SECOND, Moment

LONGEST_GAP = 3 * 3600
"""A fixed time inside a gap of at most this long fires at its end; in a longer one (a skipped day) it is lost."""

FIRST = -62_135_510_400 + 2 * 86_400
"""The first second looked at: early in year 1, where every offset still fits a datetime."""
LAST = 253_402_300_800 - 2 * 86_400
"""The second after the last one looked at, late in year 9999."""

WIDEST = 27 * 3600
"""No two offsets differ by more, so older changes cannot reach into a table."""

_STRIDE = 365 * 86_400
_SHORT_PROBE = 3 * 86_400
_LONG_PROBE = 10 * 86_400
_BY_RULE = 1_167_609_600  # 2007: from here on changes of every zone are weeks apart (a test looks)


class Table(NamedTuple):
    """A zone from `low` to `high`. Stretch i runs from `starts[i]` to `starts[i + 1]`; the last start is `high`.

    `fixed[i]` is the smallest wall-clock time a fixed-time schedule serves in stretch i: below the stretch's own first
    time where a gap went before (those times fire at the gap's end), above it where times come a second time.
    """

    low: int
    high: int
    starts: tuple[int, ...]
    offsets: tuple[int, ...]
    fixed: tuple[int, ...]


class Zone:
    """One zone and its table; made by `zone(name)`, which keeps one of each."""

    __slots__ = ("info", "name", "table")

    def __init__(self, name: str, info: tzinfo) -> None:
        self.name = name
        self.info = info
        self.table = (
            Table(FIRST, LAST, (FIRST, LAST), (self._probe(0),), (FIRST + self._probe(0),))
            if isinstance(info, timezone) or name in _NEVER_CHANGE
            else _with_fixed(0, 0, [], [])
        )

    def forget(self) -> None:
        """Read the rules anew: the system's time zone data may have been updated."""
        if isinstance(self.info, ZoneInfo) and self.name not in _NEVER_CHANGE:
            # While the data is being replaced a zone may be missing: then the known rules stay.
            with contextlib.suppress(KeyError, ValueError, OSError):
                self.info = ZoneInfo(self.name)
                self.table = _with_fixed(0, 0, [], [])

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return zone, (self.name,)

    def cover(self, second: int) -> Table:
        """The table, widened until it holds `second` (which is brought within years 1 to 9999)."""
        second = min(max(second, FIRST), LAST - 1)
        table = self.table
        low, high, starts, offsets, _ = table
        if low <= second < high:
            return table
        if low == high:
            low = high = max(FIRST, second - second % _STRIDE)
        new_low, new_high = low, high
        while second < new_low:
            new_low = max(FIRST, new_low - _STRIDE)
        while second >= new_high:
            new_high = min(LAST, new_high + _STRIDE)
        early = self._changes(new_low, low)
        late = self._changes(high, new_high)
        known = list(zip(starts[:-1], offsets, strict=True))
        merged: list[tuple[int, int]] = []
        for change in (*early, *known, *late):
            if not merged or merged[-1][1] != change[1]:
                merged.append(change)
        before = self._changes(max(FIRST, new_low - 2 * WIDEST), new_low)
        self.table = table = _with_fixed(new_low, new_high, before, merged)
        return table

    def offset_at(self, second: int) -> int:
        """What the wall clock is ahead of UTC, in seconds."""
        low, high, starts, offsets, _ = self.table
        if not low <= second < high:
            low, high, starts, offsets, _ = self.cover(second)
        return offsets[min(max(bisect_right(starts, second) - 1, 0), len(offsets) - 1)]

    def second_of(self, local: int) -> int:
        """The second at which the wall clock shows `local`: the first of two, the gap's end where there is none."""
        self.cover(local - WIDEST)
        _, _, starts, offsets, _ = self.cover(local + WIDEST)
        for index in range(max(bisect_right(starts, local - WIDEST) - 1, 0), len(offsets)):
            at = max(local - offsets[index], starts[index])
            if at < starts[index + 1]:
                return at
        return LAST - 1

    def local(self, moment: Moment) -> int:
        """What the wall clock shows at a moment."""
        second = moment // SECOND
        return second + self.offset_at(second)

    def moment_of(self, local: int) -> Moment:
        """`second_of` in moments."""
        return self.second_of(local) * SECOND

    def changes(self, after: int, until: int) -> list[tuple[int, int, int]]:
        """The changes strictly after and up to, each (second, offset before, offset then)."""
        self.cover(after)
        self.cover(until)
        _, _, starts, offsets, _ = self.table
        return [
            (starts[i], offsets[i - 1], offsets[i])
            for i in range(1, len(offsets))
            if after < starts[i] <= until
        ]

    def _probe(self, second: int) -> int:
        offset = datetime.fromtimestamp(second, self.info).utcoffset()
        return int(offset.total_seconds()) if offset is not None else 0

    def _changes(self, low: int, high: int) -> list[tuple[int, int]]:
        """The stretches from low to high: (begin, offset), the first beginning at low."""
        if low >= high:
            return []
        found = [(low, self._probe(low))]
        at, offset = found[0]
        while at < high:
            ahead = min(high, at + (_SHORT_PROBE if at < _BY_RULE else _LONG_PROBE))
            there = self._probe(ahead)
            while there != offset:
                change = self._first_change(at, ahead, offset)
                offset = self._probe(change)
                if change < high:
                    found.append((change, offset))
                at = change
            at = ahead
        return found

    def _first_change(self, low: int, high: int, offset: int) -> int:
        while high - low > 1:
            middle = (low + high) // 2
            if self._probe(middle) == offset:
                low = middle
            else:
                high = middle
        return high


def _with_fixed(low: int, high: int, before: list[tuple[int, int]], found: list[tuple[int, int]]) -> Table:
    stretches = [*before, *found]
    latest = -(1 << 62)
    fixed: list[int] = []
    for index, (begin, offset) in enumerate(stretches):
        first = begin + offset
        afresh = index == 0 or latest < first - LONGEST_GAP
        fixed.append(first if afresh else latest)
        end = stretches[index + 1][0] if index + 1 < len(stretches) else high
        latest = max(latest, end + offset)
    starts = (*(begin for begin, _ in found), high)
    return Table(low, high, starts, tuple(offset for _, offset in found), tuple(fixed[len(before) :]))


_NEVER_CHANGE = frozenset(
    {"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "GMT", "Etc/GMT", "Universal"}
)


_ZONES: dict[str, Zone] = {}


def refresh() -> None:
    """Read every zone's rules anew; triggers that are in use follow them from now on."""
    ZoneInfo.clear_cache()
    for each in list(_ZONES.values()):
        each.forget()


@cache
def zone(name: str) -> Zone:
    """The zone of an IANA name, `UTC`, or an offset such as `+05:30`; TriggerError where there is none."""
    if name == "UTC":
        return Zone(name, UTC)
    if name[:1] in ("+", "-"):
        return Zone(name, _fixed_offset(name))
    try:
        found = _ZONES[name] = Zone(name, ZoneInfo(name))
        return found
    except (KeyError, ValueError, OSError) as error:
        near = _near(name)
        hint = f"did you mean {near}?" if near else "write an IANA name such as Europe/Oslo, or UTC"
        raise TriggerError(f"there is no time zone {name!r}", hint=hint) from error


def _near(name: str) -> str | None:
    names = sorted(available_timezones())
    for known in names:
        if known.lower() == name.lower() or known.rpartition("/")[2].lower() == name.lower().replace(
            " ", "_"
        ):
            return known
    return next(iter(difflib.get_close_matches(name, names, 1, 0.7)), None)


def _fixed_offset(name: str) -> timezone:
    try:
        offset = datetime.fromisoformat(f"2000-01-01T00:00{name}").utcoffset()
    except ValueError as error:
        raise TriggerError(f"{name!r} is not an offset from UTC", hint="write +05:30") from error
    return timezone(offset or timedelta(0))


def name_of(zone_or_name: str | tzinfo) -> str:
    """The name by which `zone` finds a zone that somebody gave as a name, ZoneInfo, pytz zone or fixed offset."""
    if isinstance(zone_or_name, str):
        return zone(zone_or_name).name
    if zone_or_name is UTC:
        return "UTC"
    if not isinstance(zone_or_name, tzinfo):
        raise TypeError(f"Expected tzinfo, got {type(zone_or_name).__name__} instead")
    for attribute in ("key", "zone"):
        name = getattr(zone_or_name, attribute, None)
        if isinstance(name, str):
            return zone(name).name
    name = zone_or_name.tzname(None)
    offset = zone_or_name.utcoffset(None)
    if offset is not None:
        seconds = int(offset.total_seconds())
        if not seconds:
            return "UTC"
        sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
        hours, rest = divmod(seconds, 3600)
        minutes, rest = divmod(rest, 60)
        return f"{sign}{hours:02}:{minutes:02}" + (f":{rest:02}" if rest else "")
    if name is not None and name in available_timezones():
        return name
    raise TriggerError(
        f"{zone_or_name!r} is a time zone without a name, so it could not be stored",
        hint="give zoneinfo.ZoneInfo('Europe/Oslo') or the name",
    )


@cache
def local_name() -> str:
    """The machine's zone, for the Python interface where a program names none; UTC where it has no name."""
    try:
        return zone(tzlocal.get_localzone_name()).name
    except (TriggerError, LookupError, OSError, ValueError):
        return "UTC"
