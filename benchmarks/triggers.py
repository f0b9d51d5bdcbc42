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
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from benchmarks.measure import Row, Table, at_most, check, figure, seconds_of, times_rival
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
GATE = "next fire"
ZONES = ("UTC", "Europe/Berlin", "America/New_York")
START = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
CHECKED = 200
FEWEST = 20
LAST_YEAR = 2090
"""cronstable answers until 2099."""
LIMIT = 50
"""Microseconds within which the rarest and the impossible schedules answer."""


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
OURS: dict[str, Library] = {"ours": ours, "integers": integers}


def run(quick: bool) -> Table:
    count, rounds = (120, 5) if quick else (400, 9)
    for name in ZONES:
        check_answers(name)
    samples = {name: measured(name, (*DENSE, *SPARSE), count, rounds) for name in ZONES}
    rows = [row for name in ZONES for row in rows_of(name, samples[name])]
    rows.append(together(samples))
    rows += [*parsed(rounds), *rare(rounds)]
    return Table(
        "Next fire time",
        f"Microseconds of processor time per answer, {len(DENSE) + len(SPARSE)} schedules as people write them, "
        f"{len(DENSE)} dense and "
        f"{len(SPARSE)} sparse, one firing after another; geometric mean over the schedules. `datetimes` is "
        "`get_next_fire_time` of the Python interface, which takes and gives aware datetimes as APScheduler's does; "
        "`integers` is what the scheduler itself asks. croniter, cronsim and APScheduler give datetimes, cronstable "
        "takes one and gives seconds. Before anything is timed, all answers are compared: ours with cronsim's one by "
        "one, clock changes included, the others' wherever the clock does not change on the way.",
        rows,
    )


# ── the answers first ───────────────────────────────────────────────────────────────────────


def check_answers(name: str) -> None:
    """Refuse to measure where a library's answers are not what they must be."""
    zone = _zone(name)
    for text in (*DENSE, *SPARSE):
        moments = chain(text, zone, CHECKED)
        for one, library in (*OURS.items(), *RIVALS.items()):
            compared = 0
            for at, right in itertools.pairwise(moments):
                if one in OURS or not _change_between(at, right):
                    compared += 1
                    found = after(library, text, zone, at)
                    said = f"{one}: {text} after {at} is {right}, and it answered {found}"
                    check(found == right.astimezone(UTC), said)
            check(compared >= FEWEST, f"{one}: {text}, {name}: only {compared} answers to compare")


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


Samples = dict[str, dict[str, list[float]]]
"""Microseconds per answer by library and schedule, one for each round."""


def measured(zone: str, texts: Sequence[str], count: int, rounds: int) -> Samples:
    samples: Samples = {name: {text: [] for text in texts} for name in (*OURS, *RIVALS)}
    for text in texts:
        moments = list(itertools.islice(itertools.cycle(chain(text, _zone(zone), count)), count))
        for _ in range(rounds):  # all take turns in each round, so that a slow moment hits all of them
            for name, library in (*OURS.items(), *RIVALS.items()):
                samples[name][text].append(timed(library, text, _zone(zone), moments) * 1e6)
    return samples


def timed(library: Library, text: str, zone: tzinfo, moments: Sequence[datetime]) -> float:
    """Seconds of this thread per answer, asked after each of the moments: other programs do not count."""
    asked = library(text, zone, moments[0])
    ask, calls = asked.ask, [asked.arguments(at) for at in moments]
    began = time.thread_time()
    for call in calls:
        ask(*call)
    return (time.thread_time() - began) / len(calls)


def rows_of(zone: str, samples: Samples) -> list[Row]:
    mean = {name: _mean(by_text.values()) for name, by_text in samples.items()}
    rows = [
        _row(f"{zone}, datetimes, beside APScheduler", mean["ours"], mean["APScheduler"], 20, GATE),
        _least(zone, samples),
        _row(f"{zone}, integers, beside APScheduler", mean["integers"], mean["APScheduler"], 40, GATE),
        _row(f"{zone}, datetimes, beside cronstable", mean["ours"], mean["cronstable"], 4, GATE),
        _row(f"{zone}, integers, beside cronstable", mean["integers"], mean["cronstable"]),
    ]
    rows += [
        _row(f"{zone}, datetimes, beside {name}", mean["ours"], mean[name])
        for name in ("croniter", "cronsim")
    ]
    for kind, part in (("dense", DENSE), ("sparse", SPARSE)):
        ours, theirs = (_mean([samples[name][text] for text in part]) for name in ("ours", "APScheduler"))
        rows.append(_row(f"{zone}, {kind} ones, datetimes, beside APScheduler", ours, theirs))
    return rows


def together(samples: dict[str, Samples]) -> Row:
    """All schedules in all three zones: the rival's way through UTC is short, and ours hardly longer elsewhere."""

    def mean(name: str) -> list[float]:
        return _mean([each for by_zone in samples.values() for each in by_zone[name].values()])

    return _row("all zones, datetimes, beside cronstable", mean("ours"), mean("cronstable"))


def _least(zone: str, samples: Samples) -> Row:
    """The schedule at which the rival comes nearest."""
    ours, theirs = samples["ours"], samples["APScheduler"]
    text = min(ours, key=lambda text: statistics.median(theirs[text]) / statistics.median(ours[text]))
    return _row(
        f"{zone}, the nearest schedule ({text}), beside APScheduler", ours[text], theirs[text], 8, GATE
    )


def _row(
    what: str,
    ours: Sequence[float],
    rival: Sequence[float],
    times: float | None = None,
    gate: str | None = None,
) -> Row:
    goals = () if times is None else (times_rival(times),)
    return Row(what, figure(ours, "us"), figure(rival, "us"), goals=goals, less_is_better=True, gate=gate)


def _mean(samples: Iterable[Sequence[float]]) -> list[float]:
    """The geometric mean over the schedules, of each round."""
    return [math.exp(sum(map(math.log, each)) / len(each)) for each in zip(*samples, strict=True)]


# ── reading a schedule ──────────────────────────────────────────────────────────────────────


def forget() -> None:
    """Nothing read before is known: each schedule is read and matched anew."""
    for kept in (crontab._parse, expressions.read, fields._read, walk.walk, walk._times, days.days):
        kept.cache_clear()


def parsed(rounds: int) -> list[Row]:
    texts = (*DENSE, *SPARSE)
    libraries = {**OURS, **RIVALS}
    samples: Samples = {name: {text: [] for text in texts} for name in libraries}
    for text in texts:
        for _ in range(rounds):
            for name, library in libraries.items():
                forget()
                samples[name][text].append(seconds_of(lambda: library(text, UTC, START)) * 1e6)  # noqa: B023
    mean = {name: _mean(by_text.values()) for name, by_text in samples.items()}
    return [
        _row(f"reading a schedule never read before, beside {name}", mean["integers"], mean[name])
        for name in ("APScheduler", "cronstable")
    ]


# ── the rare and the impossible ─────────────────────────────────────────────────────────────


def rare(rounds: int) -> list[Row]:
    """The first answer, with nothing known of the schedule beforehand; its zone is known."""
    from apscheduler.triggers.cron import CronTrigger as Theirs

    rows = []
    leap: dict[str, Any] = {"month": 2, "day": 29, "day_of_week": "sun"}
    never: dict[str, Any] = {"month": 2, "day": 31}
    for what, given, right in (
        ("29 February on a Sunday", leap, datetime(2032, 2, 29, tzinfo=UTC)),
        ("31 February", never, None),
    ):
        mine = first(partial(CronTrigger, **given, timezone=UTC), 5 * rounds, right)
        theirs = first(partial(Theirs, **given, timezone=UTC), 3, right)
        rows.append(_rare(f"{what}, first answer", mine, theirs))
    ten: dict[str, Any] = {"seconds": 10, "start_date": START}
    later: dict[str, Any] = {"seconds": 10, "start_date": START + timedelta(seconds=5)}
    mine = first(lambda: AndTrigger([IntervalTrigger(**ten), IntervalTrigger(**later)]), 5 * rounds, None)
    rows.append(_rare("an And of intervals that never meet (APScheduler does not end)", mine, None))
    return rows


def first(make: Callable[[], Any], rounds: int, right: datetime | None) -> list[float]:
    """Microseconds of the first answer of a new trigger."""
    samples = []
    for _ in range(rounds):
        forget()
        trigger = make()
        began = time.perf_counter()
        found = trigger.get_next_fire_time(None, START)
        samples.append((time.perf_counter() - began) * 1e6)
        check(found == right, f"{trigger}: answered {found}, and it is {right}")
    return samples


def _rare(what: str, mine: Sequence[float], theirs: Sequence[float] | None) -> Row:
    rival = None if theirs is None else figure(theirs, "us")
    return Row(what, figure(mine, "us"), rival, goals=(at_most(LIMIT),), less_is_better=True, gate=GATE)
