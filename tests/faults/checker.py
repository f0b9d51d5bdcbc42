"""Matches the plan with the rows and with what really started: slots <-> rows <-> runs.

Every planned time of each schedule, from the first row to the last, has exactly one row (one row may cover a range);
every command that began belongs to a recorded attempt, and no attempt began twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select

from runner import config
from runner.jobstores.sqlalchemy import tables
from runner.triggers.base import Trigger
from tests.faults.rig import Scene

_LIVE = ("pending", "running", "waiting")


@dataclass(frozen=True, slots=True)
class RunRow:
    job: str
    slot: int
    nonce: str
    status: str
    reason: str
    origin: str
    steps: list[dict[str, Any]]
    started_at: int | None
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class RangeRow:
    job: str
    slot: int
    nonce: str
    state: str
    reason: str
    last: int
    count: int
    detail: str


@dataclass(frozen=True, slots=True)
class Start:
    job: str
    slot: int
    nonce: str
    step: str
    attempt: int
    pid: int


@dataclass(slots=True)
class Book:
    """What a scene left: its rows and its starts."""

    runs: list[RunRow]
    ranges: list[RangeRow]
    starts: list[Start]
    triggers: dict[str, Trigger]

    @property
    def live(self) -> list[RunRow]:
        return [run for run in self.runs if run.status in _LIVE]

    def of(self, job: str) -> list[RunRow]:
        return sorted((run for run in self.runs if run.job == job), key=lambda run: run.slot)

    def statuses(self) -> Counter[str]:
        return Counter(run.status for run in self.runs)


@dataclass(slots=True)
class Verdict:
    planned: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    started_twice: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    unstarted: list[str] = field(default_factory=list)
    live: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not any(
            (
                self.lost,
                self.doubled,
                self.invented,
                self.started_twice,
                self.unrecorded,
                self.unstarted,
                self.live,
            )
        )

    @property
    def figures(self) -> dict[str, int]:
        return {
            "slots": self.planned,
            "lost": len(self.lost),
            "rows doubled": len(self.doubled),
            "started twice": len(self.started_twice),
            "unrecorded starts": len(self.unrecorded),
        }

    def __str__(self) -> str:
        names = ("lost", "doubled", "invented", "started_twice", "unrecorded", "unstarted", "live")
        found = [f"{name}: {getattr(self, name)[:10]}" for name in names if getattr(self, name)]
        return f"of {self.planned} planned slots; " + ("; ".join(found) or "all good")


def read(scene: Scene) -> Book:
    engine = create_engine(scene.url)
    r, o = tables.runs.c, tables.occurrences.c
    try:
        with engine.connect() as connection:
            wanted = (
                r.job,
                r.slot,
                r.nonce,
                r.status,
                r.reason,
                r.origin,
                r.steps,
                r.started_at,
                r.ended_at,
            )
            runs = [
                RunRow(*row[:6], json.loads(row[6]), *row[7:])
                for row in connection.execute(select(*wanted).where(r.source == scene.source))
            ]
            fields = (o.job, o.slot, o.nonce, o.state, o.reason, o.last, o.count, o.detail)
            ranges = [
                RangeRow(*row[:5], row[5] or row[1], *row[6:])
                for row in connection.execute(select(*fields).where(o.source == scene.source))
            ]
    finally:
        engine.dispose()
    specs = config.load(scene.file).jobs
    triggers = {spec.id: spec.trigger for spec in specs if spec.trigger is not None}
    return Book(runs, ranges, starts_in(scene.starts), triggers)


def starts_in(file: Path) -> list[Start]:
    return [start(line) for line in file.read_text().splitlines()]


def start(line: str) -> Start:
    run, step, attempt, pid = line.split()
    job, _, when = run.partition("@")
    slot, _, nonce = when.partition("+")
    return Start(job, moment(slot), nonce, step, int(attempt), int(pid))


def moment(text: str) -> int:
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(when.timestamp()) * 1_000_000 + when.microsecond


def check(book: Book, *, over: bool = True) -> Verdict:
    """`over`: nothing is under way any more, so a run that is still live is a fault too."""
    verdict = Verdict()
    for job, trigger in book.triggers.items():
        _check_slots(job, trigger, book, verdict)
    began = Counter((each.job, each.slot, each.nonce, each.step, each.attempt) for each in book.starts)
    verdict.started_twice = [f"{key} {count} times" for key, count in began.items() if count > 1]
    attempts: dict[tuple[str, int, str, str], int] = {}
    for run in book.runs:
        for step in run.steps:
            attempts[run.job, run.slot, run.nonce, step["step"]] = step.get("attempt", 0)
    for job, slot, nonce, name, attempt in began:
        if attempts.get((job, slot, nonce, name), 0) < attempt:
            verdict.unrecorded.append(f"{job}@{slot}/{name}#{attempt}")
    first = {(each.job, each.slot, each.nonce) for each in book.starts}
    if first:
        verdict.unstarted = [
            f"{run.job}@{run.slot} {run.status}"
            for run in book.runs
            if run.status == "succeeded" and (run.job, run.slot, run.nonce) not in first
        ]
    if over:
        verdict.live = [f"{run.job}@{run.slot} {run.status}" for run in book.live]
    return verdict


def together(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """The figures of several scenes as one."""
    found: Counter[str] = Counter()
    for verdict in verdicts:
        found.update(verdict.figures)
    return dict(found)


def _check_slots(job: str, trigger: Trigger, book: Book, verdict: Verdict) -> None:
    runs = [run for run in book.runs if run.job == job and run.origin == "schedule" and not run.nonce]
    ranges = [each for each in book.ranges if each.job == job and not each.nonce]
    slots = [run.slot for run in runs] + [each.slot for each in ranges] + [each.last for each in ranges]
    if not slots:
        return
    planned: list[int] = []
    at = trigger.next_after(min(slots) - 1)
    while at is not None and at <= max(slots):
        planned.append(at)
        at = trigger.next_after(at)
    covered = Counter(run.slot for run in runs)
    for each in ranges:
        inside = [slot for slot in planned if each.slot <= slot <= each.last]
        covered.update(inside)
        if len(inside) != each.count:
            verdict.invented.append(f"{job}: a row of {each.count} covers {len(inside)} slots")
    verdict.planned += len(planned)
    verdict.lost += [f"{job}@{slot}" for slot in planned if not covered[slot]]
    verdict.doubled += [f"{job}@{slot}" for slot, count in covered.items() if count > 1]
    verdict.invented += [f"{job}@{slot}" for slot in covered.keys() - set(planned)]


def overlaps(book: Book, job: str, ends: dict[int, tuple[float, float]]) -> int:
    """How many of a job's commands began while another of its commands lived; `ends`: pid -> (begin, end)."""
    spans = sorted(ends[each.pid] for each in book.starts if each.job == job and each.pid in ends)
    return sum(later[0] < earlier[1] for earlier, later in pairwise(spans))
