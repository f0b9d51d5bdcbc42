"""Next fire time: what one answer costs, beside APScheduler, croniter, cronsim and cronstable.

22 schedules as people write them, dense and sparse, each asked for one firing after another in UTC and in two zones
with clock changes. All are asked the same. The answers are compared before anything is timed: ours with cronsim's one
by one, clock changes included, and the others' with cronsim's wherever the clock does not change before the answer
(where it does, they differ among themselves: APScheduler leaves out 1 April at midnight). One wrong answer ends the
run without a figure.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from runner.moment import SECOND, from_datetime
from runner.triggers import zones
from runner.triggers.combining import AndTrigger
from runner.triggers.cron import CrontabTrigger, CronTrigger, crontab, days, expressions, fields, walk
from runner.triggers.interval import IntervalTrigger

DENSE = (
    "* * * * *", "*/5 * * * *", "*/10 * * * *", "*/15 * * * *", "0 * * * *", "30 * * * *", "5,35 * * * *",
    "0 */2 * * *", "0 8-18 * * *", "*/10 9-17 * * mon-fri", "15,45 6,10,14,18 * * *",
)  # fmt: skip
SPARSE = (
    "0 0 * * *", "0 2 * * *", "30 4 * * *", "0 9 * * mon-fri", "0 12 * * mon,wed,fri", "15 3 * * sat", "0 0 1 * *",
    "0 6 1,15 * *", "30 4 1 */3 *", "45 23 28-31 * *", "0 0 1 1 *",
)  # fmt: skip
ZONES = ("UTC", "Europe/Berlin", "America/New_York")
START = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
CHECKED = 200
FEWEST = 20
LAST_YEAR = 2090
"""cronstable answers until 2099."""
LIMIT = 50e-6
"""Seconds within which the rarest and the impossible schedules answer."""


class Asked(NamedTuple):
    """One schedule of one library: what is called, with what after a moment, and what the answer means."""

    ask: Callable[..., Any]
    arguments: Callable[[datetime], tuple[Any, ...]]
    answer: Callable[[datetime, Any], datetime]


Library = Callable[[str, tzinfo, datetime], Asked]


def ours(text: str, zone: tzinfo, start: datetime) -> Asked:
    ask = CronTrigger.from_crontab(text, zone).get_next_fire_time
    return Asked(ask, lambda at: (at, at), lambda _, found: found)


def integers(text: str, zone: tzinfo, start: datetime) -> Asked:
    ask = CrontabTrigger.of(text, zones.name_of(zone)).next_after
    return Asked(
        ask, lambda at: (from_datetime(at),), lambda _, found: datetime.fromtimestamp(found // SECOND, zone)
    )


def apscheduler(text: str, zone: tzinfo, start: datetime) -> Asked:
    from apscheduler.triggers.cron import CronTrigger as Theirs

    ask = Theirs.from_crontab(text, zone).get_next_fire_time
    return Asked(ask, lambda at: (at, at), lambda _, found: found)


def croniter(text: str, zone: tzinfo, start: datetime) -> Asked:
    from croniter import croniter as theirs

    return Asked(theirs(text, start).get_next, lambda at: (datetime,), lambda _, found: found)


def cronsim(text: str, zone: tzinfo, start: datetime) -> Asked:
    from cronsim import CronSim

    return Asked(CronSim(text, start).__next__, lambda at: (), lambda _, found: found)


def cronstable(text: str, zone: tzinfo, start: datetime) -> Asked:
    from cronstable.cronexpr import CronTab

    def later(at: datetime, delay: float) -> datetime:
        return (at.astimezone(UTC) + timedelta(seconds=delay)).astimezone(zone)

    return Asked(CronTab(text).next, lambda at: (at,), later)


RIVALS: dict[str, Library] = {
    "APScheduler": apscheduler,
    "croniter": croniter,
    "cronsim": cronsim,
    "cronstable": cronstable,
}
OURS: dict[str, Library] = {"ours": ours, "ours, integers": integers}


def run(quick: bool) -> dict[str, Any]:
    count, rounds = (120, 3) if quick else (400, 7)
    for name in ZONES:
        check(name)
    every = (*DENSE, *SPARSE)
    rows = _rows({name: measured(name, every, count, rounds) for name in ZONES})
    rows.append(parsed(rounds))
    rows += rare(rounds)
    return {
        "title": "Next fire time",
        "about": f"Microseconds per answer, {len(DENSE) + len(SPARSE)} schedules, one firing after another, geometric "
        "mean over the schedules; `ours` takes and gives aware datetimes as APScheduler's trigger does, `integers` "
        "is what the scheduler itself asks. `least` is the worst ratio of a single schedule. Targets: 20 times "
        "APScheduler and none under 8, 4 times cronstable, integers 40 times; the rare and the impossible under "
        "50 us.",
        "rows": rows,
    }


# ── the answers first ───────────────────────────────────────────────────────────────────────


def check(name: str) -> None:
    """End the program where a library's answers are not what they must be."""
    zone = _zone(name)
    for text in (*DENSE, *SPARSE):
        moments = chain(text, zone, CHECKED)
        for one, library in (*OURS.items(), *RIVALS.items()):
            compared = 0
            for at, right in itertools.pairwise(moments):
                if one in OURS or not _change_between(at, right):
                    compared += 1
                    found = after(library, text, zone, at)
                    if found != right.astimezone(UTC):
                        raise SystemExit(f"{one}: {text} after {at} is {right}, and it answered {found}")
            if compared < FEWEST:
                raise SystemExit(f"{one}: {text}, {name}: only {compared} answers to compare")


def chain(text: str, zone: tzinfo, count: int) -> list[datetime]:
    """The start, and the firings after it by cronsim, which agrees with Debian's cron in these zones."""
    from cronsim import CronSim

    start = START.astimezone(zone)
    firings = itertools.takewhile(lambda at: at.year < LAST_YEAR, CronSim(text, start))
    return [start, *itertools.islice(firings, count)]


def after(library: Library, text: str, zone: tzinfo, at: datetime) -> datetime:
    """One answer; as a moment in UTC, for datetimes of one zone are compared by their wall clock."""
    asked = library(text, zone, at)
    return asked.answer(at, asked.ask(*asked.arguments(at))).astimezone(UTC)


def _change_between(at: datetime, right: datetime) -> bool:
    """Whether the clock changes on the way to the answer, or within a day of it."""
    near = (at, right, right - timedelta(days=1), right + timedelta(days=1))
    return len({one.utcoffset() for one in near}) > 1


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


# ── then the time they take ─────────────────────────────────────────────────────────────────


Figures = dict[str, list[float]]
"""Seconds per answer by library, one figure for each schedule."""


def measured(zone: str, texts: Sequence[str], count: int, rounds: int) -> Figures:
    figures: Figures = {name: [] for name in (*OURS, *RIVALS)}
    for text in texts:
        moments = list(itertools.islice(itertools.cycle(chain(text, _zone(zone), count)), count))
        best = dict.fromkeys(figures, math.inf)
        for _ in range(rounds):  # all take turns in each round, so that a slow moment hits all of them
            for name, library in (*OURS.items(), *RIVALS.items()):
                best[name] = min(best[name], timed(library, text, _zone(zone), moments))
        for name, seconds in best.items():
            figures[name].append(seconds)
    return figures


def timed(library: Library, text: str, zone: tzinfo, moments: Sequence[datetime]) -> float:
    """Seconds per answer, asked after each of the moments."""
    asked = library(text, zone, moments[0])
    ask, calls = asked.ask, [asked.arguments(at) for at in moments]
    began = time.perf_counter()
    for call in calls:
        ask(*call)
    return (time.perf_counter() - began) / len(calls)


def _rows(figures: dict[str, Figures]) -> list[dict[str, Any]]:
    rows = []
    for zone in ZONES:
        for kind, part in (("dense", DENSE), ("sparse", SPARSE), ("all", (*DENSE, *SPARSE))):
            chosen = (
                slice(0, len(DENSE))
                if part == DENSE
                else slice(len(DENSE), None)
                if part == SPARSE
                else slice(None)
            )
            rows.append(_row(f"{zone}, {kind}", {name: all_[chosen] for name, all_ in figures[zone].items()}))
    return rows


def _row(asked: str, figures: Figures) -> dict[str, Any]:
    mean = {name: _mean(each) for name, each in figures.items()}
    row: dict[str, Any] = {"asked": asked}
    row |= {name: round(seconds * 1e6, 2) for name, seconds in mean.items()}
    row["x APScheduler"] = round(mean["APScheduler"] / mean["ours"], 1)
    row["least"] = round(
        min(theirs / mine for theirs, mine in zip(figures["APScheduler"], figures["ours"], strict=True)), 1
    )
    row["x cronstable"] = round(mean["cronstable"] / mean["ours"], 1)
    row["integers x"] = round(mean["APScheduler"] / mean["ours, integers"], 1)
    return row


def _mean(figures: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, figures)) / len(figures))


# ── reading a schedule ──────────────────────────────────────────────────────────────────────


def forget() -> None:
    """Nothing read before is known: each schedule is read and matched anew."""
    for kept in (crontab._parse, expressions.read, fields._read, walk.walk, walk._times, days.days):
        kept.cache_clear()


def parsed(rounds: int) -> dict[str, Any]:
    figures: Figures = {name: [] for name in (*OURS, *RIVALS)}
    for text in (*DENSE, *SPARSE):
        for name, library in (*OURS.items(), *RIVALS.items()):
            best = math.inf
            for _ in range(3 * rounds):
                forget()
                began = time.perf_counter()
                library(text, UTC, START)
                best = min(best, time.perf_counter() - began)
            figures[name].append(best)
    return _row("reading a schedule", figures)


# ── the rare and the impossible ─────────────────────────────────────────────────────────────


def rare(rounds: int) -> list[dict[str, Any]]:
    """The first answer, with nothing known of the schedule beforehand; the zone is known."""
    from apscheduler.triggers.cron import CronTrigger as Theirs

    rows = []
    leap: dict[str, Any] = {"month": 2, "day": 29, "day_of_week": "sun"}
    never: dict[str, Any] = {"month": 2, "day": 31}
    for what, given, right in (
        ("29 February on a Sunday", leap, datetime(2032, 2, 29, tzinfo=UTC)),
        ("31 February", never, None),
    ):
        theirs = _first(lambda given=given: Theirs(**given, timezone=UTC), 1, right)
        mine = _first(lambda given=given: CronTrigger(**given, timezone=UTC), 5 * rounds, right)
        rows.append(_rare_row(what, mine, theirs))
    ten, five = (
        {"seconds": 10, "start_date": START},
        {"seconds": 10, "start_date": START + timedelta(seconds=5)},
    )
    mine = _first(lambda: AndTrigger([IntervalTrigger(**ten), IntervalTrigger(**five)]), 5 * rounds, None)
    rows.append(_rare_row("an And of intervals that never meet (APScheduler does not end)", mine, None))
    return rows


def _first(make: Callable[[], Any], rounds: int, right: datetime | None) -> float:
    best = math.inf
    for _ in range(rounds):
        forget()
        trigger = make()
        began = time.perf_counter()
        found = trigger.get_next_fire_time(None, START)
        best = min(best, time.perf_counter() - began)
        if found != right:
            raise SystemExit(f"{trigger}: answered {found}, and it is {right}")
    if isinstance(trigger, CronTrigger | AndTrigger) and best > LIMIT:
        print(f"{trigger}: {best * 1e6:.0f} us, and the limit is {LIMIT * 1e6:.0f}")
    return best


def _rare_row(what: str, mine: float, theirs: float | None) -> dict[str, Any]:
    return {
        "asked": what,
        "ours": round(mine * 1e6, 2),
        "APScheduler": None if theirs is None else round(theirs * 1e6),
        "x APScheduler": None if theirs is None else round(theirs / mine),
    }
