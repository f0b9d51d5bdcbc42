"""`runner next`: the coming occurrences of all jobs or of one, or those that lie behind."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from itertools import islice
from typing import Any

from runner.core.event import Maintenance
from runner.core.run import Job
from runner.core.timing import start_of
from runner.moment import Moment, to_datetime
from runner.triggers import explain
from runner.views.table import Cell, Column, Table, rows
from runner.views.when import away, iso, took, when, zone_of


@dataclass(frozen=True, slots=True)
class Coming:
    """A planned fire time of a job."""

    at: Moment
    job: Job
    shut: str = ""
    """The maintenance in which it would start."""

    @property
    def note(self) -> str:
        """What may keep it from starting just then."""
        spec = self.job.spec
        notes = [f"skipped: maintenance {self.shut}"] if self.shut else []
        jitter = spec.trigger.jitter_at(self.at) if spec.trigger is not None else 0
        if jitter:
            notes.append(f"up to {took(jitter)} later")
        if spec.only_after is not None:
            notes.append(f"once {spec.only_after.job} succeeded")
        return ", ".join(notes)


def occurrences(job: Job, after: Moment, now: Moment) -> Iterator[Coming]:
    """The planned fire times of a job strictly after `after`, for ever where its trigger goes on.

    What the record says of the next one counts (somebody may have moved it), then the trigger. A paused job has
    none before its pause ends, and none at all where nobody said when.
    """
    trigger = job.spec.trigger
    if trigger is None or job.state in ("broken", "finished"):
        return
    if job.state == "paused":
        if job.paused_until is None:
            return
        slot = trigger.next_after(max(after, job.paused_until - 1))
    elif after == now and job.next_at is not None and job.next_at > after:
        slot = job.next_at
    else:
        slot = trigger.next_after(after)
    while slot is not None:
        yield Coming(slot, job)
        slot = trigger.next_after(slot)


def upcoming(
    jobs: Sequence[Job], *, after: Moment, now: Moment, count: int, maintenance: Sequence[Maintenance] = ()
) -> list[Coming]:
    """The next `count` over all these jobs, in order of time, then as given; `maintenance` is noted."""
    streams = (_keyed(index, job, after, now) for index, job in enumerate(jobs))
    found = islice(heapq.merge(*streams, key=lambda item: item[:2]), count)
    return [within(coming, maintenance) for _, _, coming in found]


def past(jobs: Sequence[Job], *, before: Moment, count: int) -> list[Coming]:
    """The last `count` planned times of all these jobs strictly before a moment, the oldest first.

    It is what the schedules of now name; what became of it is history's to say.
    """
    found = [
        (slot, index, job)
        for index, job in enumerate(jobs)
        if job.spec.trigger is not None
        for slot in explain.preceding(job.spec.trigger, before, count)
    ]
    return [Coming(slot, job) for slot, _, job in sorted(found, key=lambda each: each[:2])[-count:]]


def within(coming: Coming, maintenance: Sequence[Maintenance]) -> Coming:
    """The same with the windows it would start in."""
    spec = coming.job.spec
    start = start_of(spec, coming.at) if maintenance else coming.at
    names = [window.name for window in maintenance if window.until(spec, start) is not None]
    return replace(coming, shut=" and ".join(names)) if names else coming


def _keyed(index: int, job: Job, after: Moment, now: Moment) -> Iterator[tuple[Moment, int, Coming]]:
    for coming in occurrences(job, after, now):
        yield coming.at, index, coming


def document(coming: Sequence[Coming]) -> dict[str, Any]:
    """`{occurrences: [{job, at, note}]}`; times in each job's zone."""
    return {
        "occurrences": [
            {"job": one.job.spec.id, "at": iso(one.at, zone_of(one.job.spec.timezone)), "note": one.note}
            for one in coming
        ]
    }


def table(coming: Sequence[Coming], *, now: Moment, zone: tzinfo, empty: str = "nothing is planned") -> Table:
    """Times are in the reader's `zone`; where the job's clock shows another time, that is said too."""
    cells = []
    for one in coming:
        there = to_datetime(one.at, zone_of(one.job.spec.timezone))
        notes = [one.note] if one.note else []
        if there.utcoffset() != to_datetime(one.at, zone).utcoffset():
            notes.append(f"{there.strftime('%H:%M')} {one.job.spec.timezone}")
        cells.append(
            (when(one.at, now, zone), away(one.at, now), Cell(one.job.spec.id, "bold"), ", ".join(notes))
        )
    columns = (Column("WHEN"), Column(""), Column("JOB"), Column("NOTE", gives=True))
    return Table(columns, rows(cells), empty=empty)
