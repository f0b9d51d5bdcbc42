"""From what the machine announces to what listeners hear and what stands in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from traceback import format_tb
from typing import Any

from runner import events
from runner.core.action import Announce
from runner.core.run import Job as Record
from runner.core.run import Occurrence, Outcome, Run, Status
from runner.core.timing import start_of
from runner.events import JobEvent, JobExecutionEvent, JobSubmissionEvent, SchedulerEvent
from runner.moment import Moment, to_datetime
from runner.spec import JobSpec

MOST_MISSED = 100
"""How many of a range of missed times are told one by one."""

MASKS = {
    "run.started": events.EVENT_JOB_SUBMITTED,
    "run.ended": events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR,
    "occurrence.missed": events.EVENT_JOB_MISSED,
    "occurrence.skipped": events.EVENT_JOB_MAX_INSTANCES,
    "job.added": events.EVENT_JOB_ADDED,
    "job.removed": events.EVENT_JOB_REMOVED,
    "job.changed": events.EVENT_JOB_MODIFIED,
    "job.paused": events.EVENT_JOB_MODIFIED,
    "job.resumed": events.EVENT_JOB_MODIFIED,
    "job.broken": events.EVENT_JOB_MODIFIED,
}
"""Which events an announcement may become; one that is not here is nobody's business outside."""


@cache
def named(mask: int) -> frozenset[str]:
    """The announcements that may become events of the mask; and that a job is added, for any other event waits for
    whoever adds it."""
    found = frozenset(name for name, wanted in MASKS.items() if wanted & mask)
    return found | ADDED if mask else found


ADDED = frozenset({"job.added"})


LOUD = frozenset({"occurrence.missed", "occurrence.skipped", "job.broken"})
"""Announcements that stand in the log as warnings, whatever level is set for the usual ones."""


class ScheduledError(Exception):
    """A run that ended badly without an exception of its own: stopped, timed out, interrupted."""


def told(announce: Announce) -> Iterator[SchedulerEvent]:
    """The events an announcement is for listeners."""
    value = announce.value
    match announce.name:
        case "run.started":
            assert isinstance(value, Run)
            yield JobSubmissionEvent(
                events.EVENT_JOB_SUBMITTED, value.key.job.id, value.key.job.store, [_slot(value)]
            )
        case "run.ended":
            yield from _ended(value)
        case "occurrence.skipped" if value.reason == "overlap":
            key = value.job
            yield JobSubmissionEvent(
                events.EVENT_JOB_MAX_INSTANCES, key.id, key.store, [to_datetime(value.slot)]
            )
        case name if name in MASKS and isinstance(value, Record):
            yield JobEvent(MASKS[name], value.key.id, value.key.store)


def missed(occurrence: Occurrence, job: Any) -> Iterator[SchedulerEvent]:
    """An event for each time that counts as missed; see `missed_slots`."""
    spec: JobSpec = job.record.spec
    for slot in missed_slots(occurrence, spec):
        yield JobExecutionEvent(
            events.EVENT_JOB_MISSED, occurrence.job.id, occurrence.job.store, at(spec, slot)
        )


def missed_slots(occurrence: Occurrence, spec: JobSpec) -> Sequence[Moment]:
    """The times people hear of as missed: at most MOST_MISSED of a range.

    A job that takes together what came due together misses one time, the last, and none where a later one ran.
    """
    trigger, last = spec.trigger, occurrence.slot if occurrence.last is None else occurrence.last
    if trigger is None:
        return [last]
    if spec.policy.catchup.runs != "all":
        following = trigger.next_after(last)
        ran = following is not None and start_of(spec, following) <= occurrence.decided_at
        return [] if ran else [last]
    slots = [occurrence.slot]
    while len(slots) < min(occurrence.count, MOST_MISSED):
        if (following := trigger.next_after(slots[-1])) is None:
            break
        slots.append(following)
    return slots


def _ended(run: Run) -> Iterator[SchedulerEvent]:
    outcome = outcome_of(run)
    key = run.key.job
    if run.status is Status.SUCCEEDED:
        value = outcome.value if outcome is not None else None
        yield JobExecutionEvent(events.EVENT_JOB_EXECUTED, key.id, key.store, _slot(run), retval=value)
        return
    if left_behind(run) and (outcome is None or outcome.exception is None):
        return
    yield JobExecutionEvent(
        events.EVENT_JOB_ERROR,
        key.id,
        key.store,
        _slot(run),
        exception=error_of(run),
        traceback=_frames(outcome) if outcome is not None else "",
    )


def _frames(outcome: Outcome) -> str:
    """Where it was raised, without the exception itself: that is beside it in the event."""
    error = outcome.exception
    if error is None or error.__traceback__ is None:
        return outcome.traceback
    return "".join(format_tb(error.__traceback__))


def outcome_of(run: Run) -> Outcome | None:
    """How the one step of a Python job ended."""
    return next((state.outcome for state in run.steps.values()), None)


def left_behind(run: Run) -> bool:
    """Whether the scheduler was shut down without waiting for it.

    That is no error of the job; but a coroutine ends by it, and has an exception that says so.
    """
    outcome = outcome_of(run)
    return run.status is Status.CANCELLED and outcome is not None and outcome.error.endswith("shutdown")


def error_of(run: Run) -> BaseException:
    """The function's own exception, or one that says what became of the run."""
    outcome = outcome_of(run)
    if outcome is not None and outcome.exception is not None:
        return outcome.exception
    text = (outcome.error if outcome is not None else "") or run.reason
    return ScheduledError(f"{run.status}: {text}" if text else str(run.status))


def _slot(run: Run) -> datetime:
    return at(run.spec, run.key.slot)


def at(spec: JobSpec, slot: Moment) -> datetime:
    """A moment as the job's people read it."""
    zone = getattr(spec.trigger, "tzinfo", None)
    return to_datetime(slot, zone) if zone is not None else to_datetime(slot)


# ── the log ─────────────────────────────────────────────────────────────────────────────────


def write(announce: Announce, job: Any) -> None:
    """The log record of an announcement; `job` is the job it is about, as it shows itself."""
    value: Any = announce.value
    match announce.name:
        case "run.started":
            executor_log(value).info('Running job "%s" (scheduled at %s)', job, _slot(value))
        case "run.ended":
            _write_end(value, job)
        case "occurrence.missed" if missed_slots(value, job.record.spec):
            late = to_datetime(value.decided_at) - to_datetime(value.slot)
            log = _log_of(job.executor)
            if value.count == 1:
                log.warning('Run time of job "%s" was missed by %s', job, late)
            else:
                log.warning('%d run times of job "%s" were missed, the first by %s', value.count, job, late)
        case "occurrence.skipped" if value.reason == "overlap":
            logging.getLogger("runner.scheduler").warning(
                'Execution of job "%s" skipped: maximum number of running instances reached (%s)',
                job,
                getattr(job, "max_instances", "?"),
            )
        case "job.broken":
            logging.getLogger("runner.scheduler").error(
                'Job "%s" cannot run and is set aside: %s; it is kept in its store',
                value.spec.title,
                value.reason,
            )


def _write_end(run: Run, job: Any) -> None:
    log = executor_log(run)
    outcome = outcome_of(run)
    if run.status is Status.SUCCEEDED:
        log.info('Job "%s" executed successfully', job)
    elif left_behind(run):
        log.warning('Job "%s" was still running when the scheduler was shut down', job)
    elif outcome is not None and outcome.exception is not None:
        error = outcome.exception
        log.error('Job "%s" raised an exception', job, exc_info=(type(error), error, error.__traceback__))
    else:
        log.error('Job "%s" ended %s: %s', job, run.status, (outcome.error if outcome else "") or run.reason)


def executor_log(run: Run) -> logging.Logger:
    """The log of whoever runs it."""
    return _log_of(run.spec.executor)


def logged(executors: Iterable[str]) -> bool:
    """Whether the log of any of them takes the usual lines."""
    for name in tuple(executors):  # noqa: SIM110 - asked in each turn, and `any` takes twice as long
        if _log_of(name).isEnabledFor(logging.INFO):
            return True
    return False


@cache
def _log_of(executor: str) -> logging.Logger:
    # Looking one up takes a lock of the whole process, and each run asks twice.
    return logging.getLogger(f"runner.executors.{executor}")
