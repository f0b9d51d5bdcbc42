"""`runner calendar`: how busy each hour of the coming days is, as a map of the week."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from textwrap import wrap
from typing import Any

from runner.amounts import few
from runner.core.event import Maintenance
from runner.core.run import Job
from runner.moment import DAY, HOUR, Moment, to_datetime
from runner.views.listing import schedule
from runner.views.upcoming import occurrences, within
from runner.views.when import day

OFTEN = 60
"""A job due more often than this within one hour is no peak but a floor: it is named below the map. So is one
that is due in every hour."""

_SHADES = " ░▒▓█"


@dataclass(frozen=True, slots=True)
class Heat:
    """Occurrences by day and by hour of the reader's wall clock; `often`: jobs that are due all the time."""

    days: tuple[date, ...]
    counts: dict[tuple[date, int], int]
    jobs: dict[tuple[date, int], tuple[str, ...]]
    often: tuple[str, ...]
    shut: dict[str, int]
    """By maintenance window, how many occurrences it keeps from starting; they are not in `counts`."""


def heat(
    jobs: Sequence[Job],
    *,
    now: Moment,
    zone: tzinfo,
    days: int = 7,
    maintenance: Sequence[Maintenance] = (),
) -> Heat:
    """Count what is due from now to the end of the last of `days` days (today is the first)."""
    today = to_datetime(now, zone).date()
    dates = tuple(today + timedelta(days=number) for number in range(days))
    counts: dict[tuple[date, int], int] = {}
    names: dict[tuple[date, int], tuple[str, ...]] = {}
    shut: Counter[str] = Counter()
    often = []
    for job in jobs:
        closed: Counter[str] = Counter()
        mine = _hours(job, now, zone, dates[-1], maintenance, closed)
        if mine is None:
            often.append(f"{job.spec.id} ({schedule(job)})")
            continue
        shut += closed
        for hour, count in mine.items():
            counts[hour] = counts.get(hour, 0) + count
            names[hour] = (*names.get(hour, ()), job.spec.id)
    return Heat(dates, counts, names, tuple(often), dict(shut))


def _hours(
    job: Job, now: Moment, zone: tzinfo, last: date, maintenance: Sequence[Maintenance], closed: Counter[str]
) -> dict[tuple[date, int], int] | None:
    """How often it starts in each hour; None where it is due so often that counting says nothing.

    `closed` counts what maintenance keeps from starting.
    """
    mine: dict[tuple[date, int], int] = {}
    end = now + 400 * DAY
    hours: set[tuple[date, int]] = set()
    begun: list[Moment] = []
    for coming in occurrences(job, now, now):
        there = to_datetime(coming.at, zone)
        if there.date() > last or coming.at > end:
            break
        hour = (there.date(), there.hour)
        hours.add(hour)
        if shut := within(coming, maintenance).shut:
            closed[shut] += 1
        else:
            mine[hour] = mine.get(hour, 0) + 1
        begun.append(coming.at)
        if len(begun) > OFTEN and begun[-1] - begun.pop(0) < HOUR:
            return None
    if len(hours) < 23:
        return mine
    whole_hours = (to_datetime(end, zone) for end in range(now + HOUR, begun[-1] if begun else now, HOUR))
    busy = [(hour.date(), hour.hour) in hours for hour in whole_hours]
    return None if len(busy) >= 23 and all(busy) else mine


def document(heat: Heat) -> dict[str, Any]:
    """`{days: [{date, hours: [24 counts], total}], often: [...], maintenance: {name: count}}`."""
    days = []
    for one in heat.days:
        hours = [heat.counts.get((one, hour), 0) for hour in range(24)]
        days.append({"date": one.isoformat(), "hours": hours, "total": sum(hours)})
    return {"days": days, "often": list(heat.often), "maintenance": heat.shut}


def text(heat: Heat, *, width: int | None = None, zone: str = "") -> str:
    """A line a day, darker where more is due; what the shades mean and the busiest hour are named below.

    Three columns an hour, or as many as the terminal's `width` has room for. `zone`: whose hours.
    """
    peak = max(heat.counts.values(), default=0)
    label = max(len(zone), *(len(day(one, heat.days[0])) for one in heat.days))
    size = 3 if width is None else min(3, max(1, (width - label - 8) // 24))
    hours = "".join(f"{f'{hour:02}':{3 * size}}" for hour in range(0, 24, 3))
    lines = [f"{zone:{label}}  {hours}{'due':>6}"]
    for one in heat.days:
        counts = [heat.counts.get((one, hour), 0) for hour in range(24)]
        cells = "".join(f"{_shade(count, peak) * max(1, size - 1):{size}}" for count in counts)
        lines.append(f"{day(one, heat.days[0]):{label}}  {cells}{sum(counts):>6}")
    lines.append(_legend(peak))
    if peak > 1:
        (busiest, hour), _ = max(
            heat.counts.items(), key=lambda item: (item[1], -item[0][0].toordinal(), -item[0][1])
        )
        shown = few(heat.jobs[busiest, hour], 8)
        lines.append(f"busiest: {day(busiest, heat.days[0])} {hour:02}:00, {peak} due: {shown}")
    elif not peak and not heat.often and not heat.shut:
        lines.append("nothing is planned")
    if heat.often:
        lines.append(f"due all the time, not counted: {', '.join(heat.often)}")
    lines += [f"not counted, for maintenance {name}: {count}" for name, count in heat.shut.items()]
    return "\n".join(part for line in lines for part in (_wrapped(line, width) if width else [line]))


def _wrapped(line: str, width: int) -> list[str]:
    return [line] if len(line) <= width else wrap(line, width, subsequent_indent="  ", break_on_hyphens=False)


def _legend(peak: int) -> str:
    """What each shade on the map stands for: `· none  ░ 1  ▒ 2-3`."""
    spans: dict[str, tuple[int, int]] = {}
    for count in range(1, peak + 1):
        shade = _shade(count, peak)
        spans[shade] = (spans.get(shade, (count, count))[0], count)
    said = [f"{shade} {low}" + (f"-{high}" if high > low else "") for shade, (low, high) in spans.items()]
    return "  ".join(["due in an hour: · none", *said])


def _shade(count: int, peak: int) -> str:
    if not count:
        return "·"
    return _SHADES[min(4, 1 + (count * 4 - 1) // max(peak, 4))] if peak > 1 else _SHADES[2]
