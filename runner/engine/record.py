"""Whether a batch is on record though its write failed: what the store holds is what the batch says it should."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.core.action import Change, Forget
from runner.core.run import Delivery, Job, Request, Run
from runner.engine.guarded import Guarded


def on_record(store: Guarded, source: str, changes: Sequence[Change]) -> bool:
    """False where it is not, or where nothing can be told of it. StoreError.

    Asked by whoever leads, right after the write: nobody else has written since. A batch is written whole or not at
    all, so what is kept for history alone need not be looked for.
    """
    loaded = store.load(source)
    jobs = {job.key: job for job in loaded.jobs}
    runs = {run.key: run for run in loaded.runs}
    waiting = {delivery.id for delivery in loaded.deliveries}
    last: dict[Any, Change] = {}
    for change in changes:
        last[_key(change)] = change
    told = 0
    for change in last.values():
        if isinstance(change, Forget):
            there = change.key not in jobs
        else:
            match change.record:
                case Run() as run:
                    known = runs.get(run.key)
                    there = known is None if run.status.final else _same_run(known, run)
                case Job() as job:
                    there = _same_job(jobs.get(job.key), job)
                case Request() as request:
                    answer = store.answer(request.id)
                    there = answer is not None and answer.state == request.state
                case Delivery() as delivery:
                    there = (delivery.id in waiting) == (delivery.state == "waiting")
                case _:
                    continue
        if not there:
            return False
        told += 1
    return told > 0


def _key(change: Change) -> Any:
    if isinstance(change, Forget):
        return Job, change.key
    record = change.record
    if isinstance(record, (Run, Job)):
        return type(record), record.key
    if isinstance(record, (Request, Delivery)):
        return type(record), record.id
    return id(change)


def _same_run(known: Run | None, run: Run) -> bool:
    return known is not None and _told_of(known) == _told_of(run)


def _told_of(run: Run) -> Any:
    """What changes of a live run."""
    steps = {
        id: (state.status, state.attempt, state.due, state.started_at, state.reason, state.host)
        for id, state in run.steps.items()
    }
    return run.status, run.reason, run.created_at, run.started_at, run.due, steps


def _same_job(known: Job | None, job: Job) -> bool:
    return known is not None and known == job
