"""Stored jobs whose function is gone, or there again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from runner.core.event import Broken, Event, Resumed
from runner.core.machine import Machine
from runner.core.run import Job as Record
from runner.executors.reference import resolve
from runner.moment import Moment
from runner.spec import Call
from runner.triggers.base import asked_in
from runner.triggers.zones import zone


def lost_and_found(allowed: Collection[str] | None, machine: Machine, now: Moment) -> Sequence[Event]:
    """Set aside the jobs whose function cannot be found, and take back those whose function can again.

    `allowed`: the modules from which one may come; None: any.
    """
    events: list[Event] = []
    for job in machine.jobs.values():
        asked_in(job.spec.trigger, zone(job.spec.timezone).info)
        reason = _missing(job, allowed)
        if reason and job.state != "broken":
            events.append(Broken(job.key, reason))
        elif not reason and job.state == "broken":
            events.append(Resumed(job.key))
    return events


def _missing(job: Record, allowed: Collection[str] | None) -> str:
    """Why its function cannot be called, or nothing."""
    work = job.spec.steps[0].work
    if not isinstance(work, Call) or not isinstance(work.target, str):
        return ""
    try:
        resolve(work.target, allowed)
    except (LookupError, ValueError) as error:
        return str(error.args[0])
    return ""
