"""What a table is made of: figures with their spread, rows with goals, curves. Taken turn and turn about.

benchmarks/README.md is the contract that a table keeps.
"""

from __future__ import annotations

import importlib
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


class Wrong(Exception):
    """What was measured did wrong work: no figure of its table is printed, and the bench fails."""


def check(right: bool, what: str) -> None:
    """Refuse to go on measuring wrong work."""
    if not right:
        raise Wrong(what)


@dataclass(frozen=True, slots=True)
class Figure:
    """The samples of one measured thing, in one unit: their median stands for them, low and high are the spread."""

    samples: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    def as_json(self) -> dict[str, Any]:
        return {
            "median": self.median,
            "low": min(self.samples),
            "high": max(self.samples),
            "samples": len(self.samples),
            "unit": self.unit,
        }


def figure(samples: float | Sequence[float], unit: str) -> Figure:
    return Figure(tuple(samples) if isinstance(samples, Sequence) else (samples,), unit)


@dataclass(frozen=True, slots=True)
class Goal:
    """Something to reach. `of`: times better than the rival, share of the limit, or the figure itself."""

    of: Literal["rival", "limit", "figure", "ratio"]
    bound: float
    at_most: bool = False

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        if self.of == "rival":
            return f"{sign} {self.bound:g}x rival"
        if self.of == "limit":
            return f"{sign} {self.bound:.0%} of limit"
        return f"{sign} {self.bound:g}"


def times_rival(bound: float) -> Goal:
    return Goal("rival", bound)


def share_of_limit(bound: float) -> Goal:
    return Goal("limit", bound)


def at_most(bound: float) -> Goal:
    return Goal("figure", bound, at_most=True)


def at_least(bound: float) -> Goal:
    return Goal("figure", bound)


def ratio_at_most(bound: float) -> Goal:
    """For a row whose `ratio` is given by hand: a growth, a share of something that is not in the row."""
    return Goal("ratio", bound, at_most=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured: ours, beside the rival's and the machine's limit where there are any.

    `less_is_better` turns the ratios round, so that more than one is always ahead. `gate` names one of the six gates.
    """

    what: str
    ours: Figure
    rival: Figure | None = None
    limit: Figure | None = None
    goals: tuple[Goal, ...] = ()
    less_is_better: bool = False
    gate: str | None = None
    ratio: float | None = None

    @property
    def times_rival(self) -> float | None:
        return None if self.rival is None else self._against(self.rival)

    @property
    def share_of_limit(self) -> float | None:
        return None if self.limit is None else self._against(self.limit)

    def _against(self, other: Figure) -> float:
        mine, theirs = self.ours.median, other.median
        top, bottom = (theirs, mine) if self.less_is_better else (mine, theirs)
        return top / bottom if bottom else float("inf")

    def reached(self, goal: Goal) -> float:
        found = {
            "rival": self.times_rival,
            "limit": self.share_of_limit,
            "figure": self.ours.median,
            "ratio": self.ratio,
        }[goal.of]
        if found is None:
            raise ValueError(f"{self.what}: a goal of {goal.of}, and there is none in the row")
        return found

    def met(self, goal: Goal) -> bool:
        found = self.reached(goal)
        return found <= goal.bound if goal.at_most else found >= goal.bound

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "ours": self.ours.as_json(),
            "rival": self.rival and self.rival.as_json(),
            "limit": self.limit and self.limit.as_json(),
            "times_rival": self.times_rival,
            "share_of_limit": self.share_of_limit,
            "ratio": self.ratio,
            "gate": self.gate,
            "goals": [
                {"goal": str(goal), "reached": self.reached(goal), "met": self.met(goal)}
                for goal in self.goals
            ],
        }


@dataclass(frozen=True, slots=True)
class Curve:
    """How a cost grows: lines of (x, y) points by name, both axes logarithmic."""

    name: str
    """The drawing's file name, without the ending."""
    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "x": self.x,
            "y": self.y,
            "lines": {name: [list(point) for point in points] for name, points in self.lines.items()},
        }


@dataclass(slots=True)
class Table:
    """What a table's `run(quick)` gives."""

    title: str
    about: str
    """What is measured and what it stands beside; enough for somebody to doubt it."""
    rows: list[Row]
    curves: list[Curve] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "about": self.about,
            "rows": [row.as_json() for row in self.rows],
            "curves": [curve.as_json() for curve in self.curves],
        }


# ── taking figures ──────────────────────────────────────────────────────────────────────────


def interleaved(rounds: int, unit: str, **what: Callable[[], float]) -> dict[str, Figure]:
    """Each in turn, `rounds` times over, so that what the machine does meanwhile hits all of them alike."""
    found: dict[str, list[float]] = {name: [] for name in what}
    for number in range(rounds):
        names = list(what) if number % 2 == 0 else list(reversed(what))
        for name in names:
            found[name].append(what[name]())
    return {name: Figure(tuple(samples), unit) for name, samples in found.items()}


def seconds_of(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def cpu_of(call: Callable[[], object]) -> float:
    """Seconds of processor time that this process spends in the call."""
    began = own_cpu()
    call()
    return own_cpu() - began


def own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


@contextmanager
def directory() -> Iterator[Path]:
    """One on a disk, where a sync costs what it costs: in `RUNNER_BENCH_DIR`, else beside this file."""
    place = os.environ.get("RUNNER_BENCH_DIR") or str(Path(__file__).parent)
    with tempfile.TemporaryDirectory(dir=place, prefix=".bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def taken(name: str, quick: bool) -> Table:
    """The table of a module, which is imported only now."""
    table: Table = importlib.import_module(f"benchmarks.{name}").run(quick)
    return table
