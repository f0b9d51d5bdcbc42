"""What the rows of a keyed store are called, and what is in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from runner.core.run import Job, Run, RunKey, Status
from runner.moment import Moment
from runner.spec import JobSpec


class Row(NamedTuple):
    table: str
    source: str
    key: str


class Put(NamedTuple):
    """Write the row, or delete it where `text` is None."""

    row: Row
    text: str | None


def digest(text: str) -> str:
    """People's text never becomes part of a path or an id: it may be too long, or mean something to the server."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def past_row(key: RunKey) -> Row:
    return Row("past", key.job.source, slot_key(key.job.id, key.slot, key.nonce))


def slot_key(job: str, slot: Moment, nonce: str) -> str:
    return key_text([slot, nonce, job])


def key_text(values: Sequence[Any]) -> str:
    return json.dumps(values, separators=(",", ":"))


def slot_parts(key: str) -> tuple[Moment, str, str]:
    slot, nonce, job = json.loads(key)
    return slot, nonce, job


def job_fields(job: Job) -> list[Any]:
    return [
        job.next_at,
        job.state,
        job.reason,
        job.paused_until,
        job.passed,
        job.last_status,
        job.last_success,
        job.failures,
        job.backs,
        job.late_at,
    ]


def job_of(spec: JobSpec, fields: Sequence[Any]) -> Job:
    fields = [*fields]
    fields[5] = Status(fields[5]) if fields[5] else None
    return Job(spec, *fields)


def run_fields(run: Run) -> list[Any]:
    return [
        run.status,
        run.reason,
        run.origin,
        run.by,
        dict(run.params),
        list(run.steps.values()),
        [run.created_at, run.started_at, run.ended_at, run.due, run.last_success, run.commit],
    ]


def run_of(key: RunKey, spec: JobSpec, fields: Sequence[Any]) -> Run:
    status, reason, origin, by, params, steps, rest = fields
    states = {state.id: state for state in steps}
    return Run(key, spec, Status(status), reason, origin, by, params, states, *rest)
