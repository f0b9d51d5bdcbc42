"""The jobs on the wall: as they stand, who waits for whom, and their moments in the agenda."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from runner.core.action import Action, Announce, Save
from runner.core.agenda import Agenda
from runner.core.run import Job
from runner.core.timing import start_of
from runner.frozen import replace
from runner.moment import Moment
from runner.spec import JobKey, JobSpec


class Wall:
    """`over` is told a job that has no next time, and whose program wants it gone then."""

    def __init__(self, agenda: Agenda, out: Callable[[Action], None], over: Callable[[JobKey], None]) -> None:
        self.jobs: dict[JobKey, Job] = {}
        self._agenda = agenda
        self._out = out
        self._over = over
        self._followers: dict[str, set[JobKey]] = {}
        self._gated: dict[str, set[JobKey]] = {}

    def followers(self, id: str) -> Iterable[JobKey]:
        """The jobs that start after this one."""
        return sorted(self._followers.get(id, ()))

    def gated(self, id: str) -> Iterable[JobKey]:
        """The jobs whose schedule waits for a success of this one."""
        return sorted(self._gated.get(id, ()))

    @property
    def linked(self) -> bool:
        """Whether any job waits for another."""
        return bool(self._followers or self._gated)

    def know(self, job: Job) -> None:
        """A job that is new here, or whose spec is another one."""
        self.jobs[job.key] = job
        spec = job.spec
        for after in spec.after:
            self._followers.setdefault(after.job, set()).add(job.key)
        if spec.only_after is not None:
            self._gated.setdefault(spec.only_after.job, set()).add(job.key)
        self.plan(job)

    def unlink(self, spec: JobSpec) -> None:
        """Nothing follows from this spec any more."""
        for after in spec.after:
            self._followers.get(after.job, set()).discard(spec.key)
        if spec.only_after is not None:
            self._gated.get(spec.only_after.job, set()).discard(spec.key)

    def take_down(self, key: JobKey) -> Job:
        """Forget a job, its moments and who waits for whom."""
        job = self.jobs.pop(key)
        self.unlink(job.spec)
        self._agenda.put(key, None)
        for kind in ("resume", "late"):
            self._agenda.put((kind, key), None)
        return job

    def keep(self, job: Job, *, plan: bool = True) -> None:
        """The job as it stands now, on record; `plan` False where none of its moments has changed."""
        if job.next_at is None and job.state == "scheduled" and job.spec.trigger is not None:
            job = replace(job, state="finished")
            self._out(Announce("job.finished", job))
        self.jobs[job.key] = job
        if plan:
            self.plan(job)
        self._out(Save(job))
        self.drop_if_done(job)

    def plan(self, job: Job) -> None:
        """Put the job's next moments into the agenda."""
        at = None
        if job.state == "scheduled" and job.next_at is not None:
            at = start_of(job.spec, job.next_at)
        self._agenda.put(job.key, at)
        if job.state == "paused" or job.paused_until is not None:
            self._agenda.put(("resume", job.key), job.paused_until if job.state == "paused" else None)
        if job.spec.policy.sla.success_every is not None or job.late_at is not None:
            self._agenda.put(("late", job.key), job.late_at)

    def drop_if_done(self, job: Job) -> None:
        """The Python interface's way: a job without a next time is removed once its last run has ended."""
        if job.spec.remove_when_done and job.state == "finished" and job.key in self.jobs:
            self._over(job.key)


def placed(job: Job, next_at: Moment | Literal["auto"] | None, now: Moment) -> Job:
    """The job at its place in time: `next_at`, or what its trigger says after now; None is a pause."""
    spec = job.spec
    if not spec.enabled:
        return replace(job, next_at=None, state="paused", reason="disabled", paused_until=None)
    if next_at is None:
        return replace(job, next_at=None, state="paused", reason="")
    if next_at != "auto":
        # A slot that was decided before comes again under another nonce.
        again = job.passed is not None and next_at <= job.passed
        return replace(job, next_at=next_at, state="scheduled", reason="", backs=job.backs + again)
    following = spec.trigger.next_after(now) if spec.trigger is not None else None
    state: Literal["scheduled", "finished"] = "scheduled"
    if spec.trigger is not None and following is None:
        state = "finished"
    return replace(job, next_at=following, state=state, reason="")
