"""Changes of jobs, worked out on the clock thread from what the machine knows at that moment.

`asked`: when somebody asked for it. A time that was still to come then, and has begun since, is not begun once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.core.event import Added, Changed, Event, Paused, Removed, Resumed
from runner.core.machine import Machine
from runner.core.run import Job as Record
from runner.core.run import RunKey
from runner.engine import HEAD_START, Plan
from runner.frozen import maker, replace
from runner.job import NextAt
from runner.jobstores.base import ConflictingIdError, JobLookupError
from runner.moment import Moment
from runner.schedulers.making import anchored, changed, first, moved, same_but_start
from runner.schedulers.sharing import UNCHANGING
from runner.spec import JobKey, JobSpec
from runner.triggers import Trigger
from runner.triggers.date import DateTrigger

_add = maker(Added)


def over(record: Record) -> bool:
    """Whether it is due no more, and is there only until its last run has ended: for programs it is gone."""
    return record.state == "finished" and record.spec.remove_when_done


def _known(machine: Machine, key: JobKey) -> Record:
    record = machine.jobs.get(key)
    if record is None or over(record):
        raise JobLookupError(key.id)
    return record


def _has_begun(machine: Machine, known: Record, at: NextAt, asked: Moment, now: Moment) -> bool:
    """Whether this time of the job was still to come when it was asked for, and has begun by now."""
    if not isinstance(at, int) or at <= asked or known.passed != at or known.state == "paused":
        return False
    if at > now + HEAD_START:
        return False  # It began before the clock was set back, and comes once more.
    failed = known.last_status is not None and not known.last_status.good
    return known.last_success == at or failed or RunKey(known.key, at) in machine.runs


def add(spec: JobSpec, next_at: NextAt, asked: Moment, *, replacing: bool) -> Plan:
    """A new job, or with `replacing` another definition of a known one; ConflictingIdError without."""
    return add_all([(spec, next_at, replacing)], asked)


def add_all(jobs: Sequence[tuple[JobSpec, NextAt, bool]], asked: Moment) -> Plan:
    """Many jobs at once, each as `add`; all are written together, or none is. Their ids differ."""

    def plan(machine: Machine, now: Moment) -> Sequence[Event]:
        known, places = machine.jobs, _Places(machine, now, asked)
        return [
            _added(known.get(spec.key), spec, next_at, replacing, places) for spec, next_at, replacing in jobs
        ]

    return plan


def _added(
    known: Record | None, spec: JobSpec, next_at: NextAt, replacing: bool, places: _Places
) -> Added | Changed:
    if known is not None and over(known):
        return _anew(known, spec, next_at, replacing, places)
    if known is not None and not replacing:
        raise ConflictingIdError(spec.id)
    assert spec.trigger is not None
    trigger = places.trigger(spec.trigger, next_at)
    fresh = spec if trigger is spec.trigger else replace(spec, trigger=trigger)
    if known is None:
        return _add(fresh, places.first(trigger) if next_at == "auto" else next_at)
    if next_at != "auto":
        return Changed(fresh, places.unless_begun(known, next_at))
    before = known.spec.trigger
    if known.state != "finished" and before is not None and same_but_start(spec.trigger, before):
        return Changed(replace(spec, trigger=before), "auto")
    return Changed(
        fresh, "auto" if known.state == "paused" else places.unless_begun(known, places.first(trigger))
    )


def _anew(known: Record, spec: JobSpec, next_at: NextAt, replacing: bool, places: _Places) -> Added | Changed:
    """A new job of the id of one whose last run is under way: often that run itself adds it, for the next time."""
    assert spec.trigger is not None
    trigger = places.trigger(spec.trigger, next_at)
    fresh = spec if trigger is spec.trigger else replace(spec, trigger=trigger)
    at = places.first(trigger) if next_at == "auto" else next_at
    if places.unless_begun(known, at) != at:
        if not replacing:
            raise ConflictingIdError(spec.id)  # Whoever asked for it did so while the job was there.
        return Changed(fresh, "auto")
    # A time that was decided already is told from that one by whoever knows of it.
    again = isinstance(at, int) and known.passed is not None and at <= known.passed
    return Changed(fresh, at) if again else Added(fresh, at)


class _Places:
    """Where triggers begin at this moment. Of one that many jobs share it is worked out once."""

    def __init__(self, machine: Machine, now: Moment, asked: Moment) -> None:
        self._machine = machine
        self._now = now
        self._wanted = asked
        self._asked: tuple[Trigger, NextAt] | None = None
        self._anchored: Trigger | None = None
        self._first: tuple[Trigger, Moment | None] | None = None

    def trigger(self, given: Trigger, next_at: NextAt) -> Trigger:
        """The trigger of a job that is added now: with a start, where it counts from one."""
        asked, made = self._asked, self._anchored
        if made is not None and asked is not None and asked[0] is given and asked[1] == next_at:
            return made
        # A first time of one's own begins the grid, as in APScheduler: the next is a whole interval after it.
        own = next_at if isinstance(next_at, int) and not isinstance(given, DateTrigger) else self._now
        made = anchored(given, own)
        if isinstance(next_at, int):
            made = moved(made, next_at)
        if type(given) in UNCHANGING:
            self._asked, self._anchored = (given, next_at), made
        return made

    def unless_begun(self, known: Record, at: NextAt) -> NextAt:
        """Where a known job is put: at this time, or where it stands after it."""
        return "auto" if _has_begun(self._machine, known, at, self._wanted, self._now) else at

    def first(self, trigger: Trigger) -> Moment | None:
        """When it is due first."""
        known = self._first
        if known is not None and known[0] is trigger:
            return known[1]
        found = first(trigger, self._now)
        if type(trigger) in UNCHANGING:
            self._first = (trigger, found)
        return found


def change(key: JobKey, changes: Mapping[str, Any], asked: Moment) -> Plan:
    """Other attributes; `next_run_time` (a moment or None) moves its place in time."""

    def plan(machine: Machine, now: Moment) -> Sequence[Event]:
        known = _known(machine, key)
        rest = dict(changes)
        next_at: NextAt = rest.pop("next_run_time", "auto")
        if _has_begun(machine, known, next_at, asked, now):
            next_at = "auto"
        spec = changed(known.spec, rest)
        if "trigger" in rest and spec.trigger is not None:
            spec = replace(spec, trigger=anchored(spec.trigger, now))
        if isinstance(next_at, int) and spec.trigger is not None:
            spec = replace(spec, trigger=moved(spec.trigger, next_at))
        return [Changed(spec, next_at)]

    return plan


def reschedule(key: JobKey, trigger: Any, asked: Moment) -> Plan:
    """Another trigger; the next time is its first from now, also for a job that was paused."""

    def plan(machine: Machine, now: Moment) -> Sequence[Event]:
        known = _known(machine, key)
        fresh = anchored(trigger, now)
        spec = replace(known.spec, trigger=fresh, schedule=str(fresh))
        at: NextAt = first(fresh, now)
        return [Changed(spec, "auto" if _has_begun(machine, known, at, asked, now) else at)]

    return plan


def pause(key: JobKey) -> Plan:
    def plan(machine: Machine, now: Moment) -> Sequence[Event]:
        _known(machine, key)
        return [Paused(key)]

    return plan


def resume(key: JobKey) -> Plan:
    def plan(machine: Machine, now: Moment) -> Sequence[Event]:
        _known(machine, key)
        return [Resumed(key)]

    return plan


def remove(key: JobKey) -> Plan:
    def plan(machine: Machine, now: Moment) -> Sequence[Event]:
        _known(machine, key)
        return [Removed(key)]

    return plan


def remove_all() -> Plan:
    def plan(machine: Machine, now: Moment) -> Sequence[Event]:
        return [Removed(key) for key in list(machine.jobs)]

    return plan
