"""The jobs as they stand now: what the file says, with what the store knows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from runner.core.run import Job
from runner.moment import Moment
from runner.spec import JobKey, JobSpec


def current(specs: Sequence[JobSpec], stored: Iterable[Job], *, now: Moment) -> tuple[Job, ...]:
    """The jobs of a file in its order, then those of other sources in the same store, by source and id.

    True with a service at work, and without one: a next time that is over is what the schedule says from `now` on,
    for nobody has led the file since. A job the store knows and the file no longer has is left out.
    """
    known: Mapping[JobKey, Job] = {job.key: job for job in stored}
    own = {spec.source for spec in specs}
    mine = tuple(_own(spec, known.get(spec.key), now) for spec in specs)
    others = sorted((job for key, job in known.items() if key.source not in own), key=lambda job: job.key)
    return (*mine, *others)


def _own(spec: JobSpec, record: Job | None, now: Moment) -> Job:
    if record is None:
        job = Job(spec)
        if not spec.enabled:
            return replace(job, state="paused", reason="disabled")
        return replace(job, next_at=_next(spec, now))
    same = record.spec.trigger == spec.trigger
    job = replace(record, spec=spec)
    if job.state == "finished" and not same:
        job = replace(job, state="scheduled", next_at=_next(spec, now))
    if job.state == "paused" and job.paused_until is not None and job.paused_until <= now:
        return replace(job, state="scheduled", paused_until=None, next_at=_next(spec, now))
    if job.state != "scheduled":
        return job
    if same and record.next_at is not None and record.next_at > now:
        return job
    return replace(job, next_at=_next(spec, now))


def _next(spec: JobSpec, now: Moment) -> Moment | None:
    return spec.trigger.next_after(now) if spec.trigger is not None else None
