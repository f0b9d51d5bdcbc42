"""Records as rows and back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runner.core.run import Delivery, Incident, Job, Occurrence, Request, Run, RunKey, Status
from runner.jobstores.codec import dumps, loads
from runner.spec import JobKey, JobSpec

Row = dict[str, Any]


class Digests:
    """Specs by digest. A spec is encoded once, however many runs and moves of its job are written."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[JobSpec, str]] = {}
        self._specs: dict[str, JobSpec] = {}
        self.written: set[str] = set()
        self.swept: str | None = None

    def of(self, spec: JobSpec) -> str:
        known = self._known.get(id(spec))
        if known is not None and known[0] is spec:
            return known[1]
        digest = digest_of(dumps(spec))
        self._known[id(spec)] = (spec, digest)
        self._specs.setdefault(digest, spec)
        return digest

    def text(self, spec: JobSpec) -> str:
        return dumps(spec)

    def spec(self, digest: str, text: str) -> JobSpec:
        """The spec of a digest; runs of one spec share one value."""
        found = self._specs.get(digest)
        if found is None:
            found = self._specs[digest] = loads(text)
            self._known[id(found)] = (found, digest)
        return found

    def keep(self, specs: Mapping[int, JobSpec]) -> None:
        """Forget all but these, by identity."""
        self._known = {number: known for number, known in self._known.items() if number in specs}
        self._specs = {digest: spec for spec, digest in self._known.values()}

    def __len__(self) -> int:
        return len(self._known)


def digest_of(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


# ── jobs ────────────────────────────────────────────────────────────────────────────────────


def job_row(job: Job, digest: str) -> Row:
    return {
        "source": job.key.source,
        "id": job.key.id,
        "digest": digest,
        "next_at": job.next_at,
        "state": job.state,
        "reason": job.reason,
        "paused_until": job.paused_until,
        "passed": job.passed,
        "last_status": job.last_status,
        "last_success": job.last_success,
        "failures": job.failures,
        "backs": job.backs,
        "late_at": job.late_at,
    }


def job_of(row: Any, spec: JobSpec) -> Job:
    status = Status(row.last_status) if row.last_status else None
    return Job(
        spec,
        row.next_at,
        row.state,
        row.reason,
        row.paused_until,
        row.passed,
        status,
        row.last_success,
        row.failures,
        row.backs,
        row.late_at,
    )


# ── runs ────────────────────────────────────────────────────────────────────────────────────


def run_row(run: Run, digest: str) -> Row:
    key = run.key
    return {
        "source": key.job.source,
        "job": key.job.id,
        "slot": key.slot,
        "nonce": key.nonce,
        "digest": digest,
        "status": run.status.value,
        "reason": run.reason,
        "origin": run.origin,
        "made_by": run.by,
        "params": dumps(dict(run.params)) if run.params else "{}",
        "steps": dumps([*run.steps.values()]),
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "due": run.due,
        "last_success": run.last_success,
    }


def run_of(row: Any, spec: JobSpec, store: str) -> Run:
    steps = loads(row.steps)
    return Run(
        RunKey(JobKey(store, row.source, row.job), row.slot, row.nonce),
        spec,
        Status(row.status),
        row.reason,
        row.origin,
        row.made_by,
        loads(row.params),
        {state.id: state for state in steps},
        row.created_at,
        row.started_at,
        row.ended_at,
        row.due,
        row.last_success,
    )


# ── the rest ────────────────────────────────────────────────────────────────────────────────


def occurrence_row(occurrence: Occurrence) -> Row:
    return {
        "source": occurrence.job.source,
        "job": occurrence.job.id,
        "slot": occurrence.slot,
        "nonce": occurrence.nonce,
        "state": occurrence.state,
        "reason": occurrence.reason,
        "last": occurrence.last,
        "count": occurrence.count,
        "into": occurrence.into,
        "detail": occurrence.detail,
        "decided_at": occurrence.decided_at,
    }


def occurrence_of(row: Any, store: str) -> Occurrence:
    return Occurrence(
        JobKey(store, row.source, row.job),
        row.slot,
        row.state,
        row.reason,
        row.nonce,
        row.last,
        row.count,
        row.into,
        row.detail,
        row.decided_at,
    )


def incident_row(incident: Incident) -> Row:
    return {
        "source": incident.job.source,
        "job": incident.job.id,
        "kind": incident.kind,
        "since": incident.since,
        "closed_at": incident.closed_at,
        "incident": dumps(incident),
    }


def delivery_row(delivery: Delivery) -> Row:
    return {
        "id": digest_of(delivery.id),
        "source": delivery.news.job.source,
        "state": delivery.state,
        "created_at": delivery.created_at,
        "delivery": dumps(delivery),
    }


def request_row(request: Request) -> Row:
    return {
        "id": request.id,
        "source": request.source,
        "state": request.state,
        "asked_at": request.asked_at,
        "request": dumps(request),
    }


def with_store(record: Any, store: str) -> Any:
    """The record with its job in the store it was read from, whatever its name was when it was written."""
    if isinstance(record, Incident):
        run = record.run and RunKey(record.run.job._replace(store=store), record.run.slot, record.run.nonce)
        return replace(record, job=record.job._replace(store=store), run=run)
    if isinstance(record, Delivery):
        return replace(record, news=replace(record.news, job=record.news.job._replace(store=store)))
    return record
