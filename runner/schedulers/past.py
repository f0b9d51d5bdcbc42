"""What ran: the runs of a Python job as programs look at them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runner.core.run import Run
from runner.moment import Moment, seconds, to_datetime
from runner.schedulers.telling import at, outcome_of


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run, live or over. `status` is one of succeeded, failed, timed_out, cancelled, interrupted, or, while it is
    live, pending, running, waiting. `took` is in seconds; `attempts` counts from 1."""

    id: str
    job_id: str
    jobstore: str
    status: str
    scheduled_run_time: datetime
    started_at: datetime | None
    ended_at: datetime | None
    took: float | None
    attempts: int
    error: str
    traceback: str


def past(run: Run) -> PastRun:
    """The run of a record."""
    outcome = outcome_of(run)
    live = run.ended_at is None
    return PastRun(
        id=run.id,
        job_id=run.key.job.id,
        jobstore=run.key.job.store,
        status=str(run.status),
        scheduled_run_time=at(run.spec, run.key.slot),
        started_at=_time(run.started_at),
        ended_at=_time(run.ended_at),
        took=None if live else seconds(run.took),
        attempts=max((state.attempt for state in run.steps.values()), default=0),
        error=(outcome.error if outcome is not None else "") or run.reason,
        traceback=outcome.traceback if outcome is not None else "",
    )


def _time(moment: Moment | None) -> datetime | None:
    return None if moment is None else to_datetime(moment)
