"""The jobs of a scheduler as they stand: found, listed, written out, and what became of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from runner.clock import Clock
from runner.core.run import Job as Record
from runner.job import Job
from runner.jobstores.base import JobLookupError
from runner.schedulers import carrying
from runner.schedulers.house import by_time
from runner.schedulers.lifecycle import STATE_STOPPED, Lifecycle
from runner.schedulers.past import PastRun, past
from runner.schedulers.plans import over
from runner.spec import JobKey


class Looking(Lifecycle):
    """Every method may be called from any thread; none changes anything. `_pending` are the jobs of a scheduler that is
    stopped."""

    def __init__(
        self, gconfig: Mapping[str, Any] | None = None, *, clock: Clock | None = None, **options: Any
    ) -> None:
        self._pending: list[Job] = []
        super().__init__(gconfig, clock=clock, **options)

    def _job(self, record: Record) -> Job:
        """The job in the hands of who asked for it: it is changed through the whole scheduler."""
        raise TypeError(f"{type(self).__name__} does not say who changes its jobs")

    def get_jobs(self, jobstore: str | None = None, pending: bool | None = None) -> list[Job]:
        """The jobs of a store, or of all, the next due first; while the scheduler is stopped the pending ones.

        `pending` is accepted for the sake of old programs and says nothing.
        """
        if self.state == STATE_STOPPED:
            return [job for job in self._pending if jobstore in (None, job._last_spec.store)]
        return [
            self._job(record)
            for alias in self._aliases(jobstore)
            for record in by_time(self._house.records(alias))
            if not over(record)
        ]

    def get_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """The job of this id, or None."""
        if self.state == STATE_STOPPED:
            try:
                return self._pending[self._pending_index(job_id, jobstore)]
            except JobLookupError:
                return None
        for alias in self._aliases(jobstore):
            record = self._record_of(job_id, alias)
            if record is not None:
                return self._job(record)
        return None

    def history(self, job_id: str, jobstore: str | None = None, *, limit: int = 100) -> list[PastRun]:
        """The runs of a job, live and finished, the newest first; also of a job that was removed since.

        SchedulerNotRunningError while the scheduler is stopped: its stores are closed.
        """
        self._require_running()
        found = [
            run for alias in self._aliases(jobstore) for run in self._house.history(alias, job_id, limit)
        ]
        return [past(run) for run in sorted(found, key=lambda run: -run.key.slot)[:limit]]

    def print_jobs(self, jobstore: str | None = None, out: TextIO | None = None) -> None:
        """Write the jobs of a store, or of all, in lines for people; to stdout unless said."""
        lines: list[str] = []
        if self.state == STATE_STOPPED:
            lines.append("Pending jobs:")
            lines += [f"    {job}" for job in self.get_jobs(jobstore)] or ["    No pending jobs"]
        else:
            for alias in sorted(self._aliases(jobstore)):
                lines.append(f"Jobstore {alias}:")
                lines += [f"    {job}" for job in self.get_jobs(alias)] or ["    No scheduled jobs"]
        (out or sys.stdout).write("".join(f"{line}\n" for line in lines))

    def export_jobs(self, outfile: carrying.File, jobstore: str | None = None) -> None:
        """Write the jobs of a store, or of all, as JSON: a path or an open text file.

        RuntimeError while the scheduler is stopped; TransientJobError for a function without a name.
        """
        if self.state == STATE_STOPPED:
            raise RuntimeError("the scheduler must have been started for job export to work")
        records = [
            record
            for alias in self._aliases(jobstore)
            for record in by_time(self._house.records(alias))
            if not over(record)
        ]
        carrying.write(outfile, records)

    def present(self, job: Job) -> Record | None:
        return self._house.record(job.key)

    def _record_of(self, job_id: str, alias: str) -> Record | None:
        found = self._house.record(JobKey(alias, self._house.source_in(alias), job_id))
        if found is None and not self._house.leads(alias):
            found = next((each for each in self._house.records(alias) if each.spec.id == job_id), None)
        return None if found is not None and over(found) else found

    def _aliases(self, jobstore: str | None) -> Sequence[str]:
        """The stores somebody means: all of them, or the named one, where there is one."""
        return [alias for alias in list(self._house.stores) if jobstore in (None, alias)]

    def _alias_of(self, job_id: str, jobstore: str | None) -> str:
        for alias in self._aliases(jobstore):
            if self._record_of(job_id, alias) is not None:
                return alias
        raise JobLookupError(job_id)

    def _pending_index(self, job_id: str, jobstore: str | None) -> int:
        for index, job in enumerate(self._pending):
            if job.id == job_id and jobstore in (None, job._last_spec.store):
                return index
        raise JobLookupError(job_id)
