"""`runner list`: the jobs, their state, when they run next and how they last ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from runner.core.run import Job, Run
from runner.moment import Moment, seconds
from runner.spec import JobKey
from runner.views.run import STYLES
from runner.views.table import Cell, Column, Style, Table, rows
from runner.views.when import away, iso, took, when, zone_of

Last = Mapping[JobKey, Run]
"""The newest run of each job that has one."""

_STATES: Mapping[str, Style] = {"scheduled": "", "paused": "warn", "broken": "bad", "finished": "dim"}


def document(jobs: Sequence[Job], last: Last) -> dict[str, Any]:
    """`{jobs: [...]}`, in the order given; times in each job's zone."""
    return {"jobs": [_entry(job, last.get(job.key)) for job in jobs]}


def _entry(job: Job, run: Run | None) -> dict[str, Any]:
    zone = zone_of(job.spec.timezone)
    return {
        "id": job.spec.id,
        "name": job.spec.title,
        "source": job.spec.source,
        "state": job.state,
        "reason": job.reason,
        "schedule": schedule(job),
        "next_at": iso(job.next_at, zone) if job.state == "scheduled" else None,
        "last": None if run is None else _last(run, zone),
        "failures": job.failures,
        "paused_until": iso(job.paused_until, zone),
    }


def _last(run: Run, zone: tzinfo) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": str(run.status),
        "scheduled_at": iso(run.key.slot, zone),
        "started_at": iso(run.started_at, zone),
        "ended_at": iso(run.ended_at, zone),
        "took": seconds(run.took) if run.ended_at is not None else None,
    }


def table(jobs: Sequence[Job], last: Last, *, now: Moment, zone: tzinfo, chosen: bool = False) -> Table:
    """Times are in the reader's `zone`. `chosen`: only some were asked for, so that there may be others."""
    several = len({job.spec.source for job in jobs}) > 1
    cells = []
    for job in jobs:
        run = last.get(job.key)
        row = [
            Cell(job.spec.id, "bold"),
            _state(job, now, zone),
            Cell(schedule(job) or "by hand", "" if schedule(job) else "dim"),
            _next(job, now, zone),
            _ended(run, now, zone),
        ]
        cells.append([*row, Cell(job.spec.source)] if several else row)
    columns = [
        Column("JOB"),
        Column("STATE", gives=True),
        Column("SCHEDULE", gives=True),
        Column("NEXT"),
        Column("LAST"),
    ]
    if several:
        columns.append(Column("SOURCE", gives=True))
    return Table(tuple(columns), rows(cells), empty="there is no such job" if chosen else "there are no jobs")


def schedule(job: Job) -> str:
    """When it runs, as people wrote it; `after etl` where another job starts it."""
    parts = [job.spec.schedule] if job.spec.schedule else []
    parts += [f"after {after.job}" for after in job.spec.after]
    return ", ".join(parts)


def _state(job: Job, now: Moment, zone: tzinfo) -> Cell:
    words: str = job.state
    if job.state == "paused" and job.paused_until is not None:
        words = f"paused until {when(job.paused_until, now, zone)}"
    elif job.state == "broken" and job.reason:
        words = f"broken: {job.reason}"
    elif job.state == "scheduled" and job.failures > 1:
        return Cell(f"failing ({job.failures} in a row)", "bad")
    elif job.state == "scheduled" and job.next_at is None and not schedule(job):
        words = "ready"
    return Cell(words, _STATES[job.state])


def _next(job: Job, now: Moment, zone: tzinfo) -> Cell:
    if job.state != "scheduled" or job.next_at is None:
        return Cell("-", "dim")
    if job.next_at <= now:
        return Cell(f"{when(job.next_at, now, zone)} (due)", "warn")
    words = f"{when(job.next_at, now, zone)} ({away(job.next_at, now)})"
    return Cell(words, short=words.removeprefix("today "))


def _ended(run: Run | None, now: Moment, zone: tzinfo) -> Cell:
    if run is None:
        return Cell("never", "dim")
    sign, style = STYLES.get(run.status, ("·", ""))
    at = run.started_at if run.started_at is not None else run.key.slot
    at_that = when(at, now, zone)
    end = took(run.took) if run.ended_at is not None else str(run.status).replace("_", " ")
    short = at_that.removeprefix("today ")
    return Cell(f"{sign} {at_that}, {end}", style, short=f"{sign} {short}, {end}")
