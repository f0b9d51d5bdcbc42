"""Records as rows, in the order of the tables' columns, and back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from runner.core.run import Delivery, Incident, Job, Occurrence, Request, Run, RunKey, Status, StepRun
from runner.errors import StoreError
from runner.jobstores.codec import dumps, loads
from runner.jobstores.pickled import Codec
from runner.jobstores.sqlalchemy import tables
from runner.jobstores.sqlalchemy.statements import Values
from runner.moment import Moment
from runner.spec import JobKey, JobSpec


class Digests:
    """Specs by digest. A spec is encoded once, however many runs and moves of its job are written."""

    def __init__(self, codec: Codec | None = None) -> None:
        self._codec = codec or Codec()
        self._known: dict[int, tuple[JobSpec, str]] = {}
        self._specs: dict[str, JobSpec] = {}
        self.written: set[str] = set()
        self.texts: dict[str, str] = {}
        """Those of the batch under way: ten thousand new jobs are encoded once, not twice."""
        self.swept: str | None = None

    def of(self, spec: JobSpec) -> str:
        known = self._known.get(id(spec))
        return known[1] if known is not None and known[0] is spec else self._encoded(spec)

    def of_all(self, specs: Iterable[JobSpec]) -> list[str]:
        """The digest of each."""
        known, encoded = self._known.get, self._encoded
        return [
            found[1] if (found := known(id(spec))) is not None and found[0] is spec else encoded(spec)
            for spec in specs
        ]

    def _encoded(self, spec: JobSpec) -> str:
        text = self._codec.dumps(spec)
        digest = digest_of(text)
        if digest not in self.written:
            self.texts[digest] = text
        self._known[id(spec)] = (spec, digest)
        return digest

    def spec(self, digest: str, text: str) -> JobSpec:
        """The spec of a digest; runs of one spec share one value."""
        found = self._specs.get(digest)
        if found is None:
            found = self._specs[digest] = self._codec.loads(text)
            self._known[id(found)] = (found, digest)
        return found

    def forget(self, *, beyond: int) -> None:
        """Begin anew where more specs are known than this: those of jobs that are gone are among them."""
        if len(self._known) > beyond:
            self._known.clear()
            self._specs.clear()
            self.written.clear()

    def __len__(self) -> int:
        return len(self._known)


def digest_of(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


# ── jobs ────────────────────────────────────────────────────────────────────────────────────


def job_row(job: Job, digest: str) -> Values:
    spec, status = job.spec, job.last_status
    return (
        spec.source,
        spec.id,
        digest,
        job.next_at,
        job.state,
        _said(job.reason) if job.reason else "",
        job.paused_until,
        job.passed,
        # Plain text: the driver looks long for what an enumeration's member might be.
        status._value_ if status is not None else None,
        job.last_success,
        job.failures,
        job.backs,
        job.late_at,
    )


def job_begun(job: Job, digest: str) -> Values | None:
    """The values of `statements.JOB_BEGUN`; None for a job of which there is more to say."""
    if (
        job.state != "scheduled"
        or job.reason
        or job.last_status is not None
        or job.last_success is not None
        or job.failures
        or job.backs
        or job.paused_until is not None
        or job.late_at is not None
    ):
        return None
    spec = job.spec
    return (spec.source, spec.id, digest, job.next_at, job.passed)


def job_move(job: Job, digest: str) -> Values:
    """The values of `statements.JOB_MOVE`."""
    spec, status = job.spec, job.last_status
    return (
        digest,
        job.next_at,
        job.state,
        _said(job.reason) if job.reason else "",
        job.paused_until,
        job.passed,
        status._value_ if status is not None else None,
        job.last_success,
        job.failures,
        job.backs,
        job.late_at,
        spec.source,
        spec.id,
    )


def check_id(id: str, dialect: str) -> None:
    """StoreError where a job of this id could never be written to a database of this kind."""
    if id.isascii() and dialect == "sqlite":
        return
    long = tables.ID.length or 0
    try:
        id.encode()
    except UnicodeEncodeError:
        raise StoreError(f"the id {id!a} cannot be stored: it is no Unicode text") from None
    if dialect != "sqlite" and len(id) > long:
        raise StoreError(
            f"the id {id[:20]!a}... cannot be stored: it has {len(id)} characters",
            hint=f"{long} are the most",
        )
    if dialect == "postgresql" and "\0" in id:
        raise StoreError(f"the id {id!a} cannot be stored: PostgreSQL has no NUL in its texts")


def _said(text: str) -> str:
    """What people and programs said, as every database takes it: no half of a surrogate pair, no NUL."""
    if not text or (text.isascii() and "\0" not in text):
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


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


class StepTexts:
    """The steps of live runs as text. Of a long run each step is encoded once, however often the run is written."""

    def __init__(self) -> None:
        self._known: dict[RunKey, dict[int, tuple[StepRun, str]]] = {}

    def of(self, run: Run) -> str:
        if len(run.steps) == 1:
            # The usual run. An occurrence is written twice, and this text is most of what writing it costs.
            (state,) = run.steps.values()
            return f"[{step_text(state)}]"
        if len(run.steps) < _LONG:
            return dumps([*run.steps.values()])
        known = self._known.pop(run.key, {})
        found: dict[int, tuple[StepRun, str]] = {}
        for state in run.steps.values():
            # By identity, which the value kept beside the text makes sure of.
            number = id(state)
            entry = known.get(number)
            found[number] = entry if entry is not None and entry[0] is state else (state, dumps(state))
        if not run.status.final:
            self._known[run.key] = found
        return f"[{','.join([text for _, text in found.values()])}]"


_LONG = 8
_CLEAR = re.compile(r"[\w.:/@+-]*", re.ASCII).fullmatch


@lru_cache(4096)
def _around(step: str, host: str) -> tuple[str, str] | None:
    """How a step's text begins and ends; None where a name does not stand in JSON as it is."""
    if not _CLEAR(step) or not _CLEAR(host):
        return None
    return f'{{"~":"StepRun","step":"{step}"', f',"host":"{host}"}}' if host else "}"


@lru_cache(64)
def _times(status: str, attempt: int, began: Moment | None, ended: Moment | None) -> str:
    """Those of a turn's steps are mostly the same."""
    text = f',"status":"{status}"' if status != "pending" else ""
    if attempt:
        text += f',"attempt":{attempt}'
    if began is not None:
        text += f',"started_at":{began}'
    if ended is not None:
        text += f',"ended_at":{ended}'
    return text


def step_text(state: StepRun) -> str:
    """What `codec.dumps` gives, written straight away where nothing in it needs care."""
    outcome, around = state.outcome, _around(state.step, state.host)
    if (
        around is None
        or state.instance
        or state.due is not None
        or state.reason
        or state.item is not None
        or (outcome is not None and (outcome.error or outcome.tail or outcome.outputs or outcome.traceback))
    ):
        return dumps(state)
    text, end = around
    text += _times(state.status._value_, state.attempt, state.started_at, state.ended_at)
    if outcome is not None:
        text += f',"outcome":{{"~":"Outcome","status":"{outcome.status._value_}"'
        if outcome.exit_code is not None:
            text += f',"exit_code":{outcome.exit_code}'
        if outcome.started_at is not None:
            text += f',"started_at":{outcome.started_at}'
        if outcome.ended_at is not None:
            text += f',"ended_at":{outcome.ended_at}'
        text += "}"
    return text + end


# ── runs ────────────────────────────────────────────────────────────────────────────────────


def run_row(run: Run, digest: str, steps: str) -> Values:
    key = run.key
    job = key.job
    return (
        job.source,
        job.id,
        key.slot,
        key.nonce,
        digest,
        run.status._value_,
        _said(run.reason) if run.reason else "",
        run.origin,
        _said(run.by) if run.by else "",
        dumps(dict(run.params)) if run.params else "{}",
        steps,
        run.created_at,
        run.started_at,
        run.ended_at,
        run.due,
        run.last_success,
        run.commit,
    )


def run_move(run: Run, steps: str) -> Values:
    """The values of `statements.RUN_MOVE`."""
    key = run.key
    job = key.job
    return (
        run.status._value_,
        _said(run.reason) if run.reason else "",
        steps,
        run.started_at,
        run.ended_at,
        run.due,
        job.source,
        job.id,
        key.slot,
        key.nonce,
    )


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
        row.config_commit or "",
    )


# ── the rest ────────────────────────────────────────────────────────────────────────────────


def occurrence_row(occurrence: Occurrence) -> Values:
    return (
        occurrence.job.source,
        occurrence.job.id,
        occurrence.slot,
        occurrence.nonce,
        occurrence.state,
        _said(occurrence.reason),
        occurrence.last,
        occurrence.count,
        occurrence.into,
        _said(occurrence.detail),
        occurrence.decided_at,
    )


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


def incident_row(incident: Incident) -> Values:
    return (
        incident.job.source,
        incident.job.id,
        incident.kind,
        incident.since,
        incident.closed_at,
        dumps(incident),
    )


def delivery_row(delivery: Delivery) -> Values:
    return (
        digest_of(delivery.id),
        delivery.news.job.source,
        delivery.state,
        delivery.created_at,
        dumps(delivery),
    )


def request_row(request: Request, codec: Codec) -> Values:
    return (
        request.id,
        request.source,
        request.state,
        request.asked_at,
        codec.dumps(request),
    )


def with_store(record: Any, store: str) -> Any:
    """The record with its job in the store it was read from, whatever its name was when it was written."""
    if isinstance(record, Incident):
        run = record.run and RunKey(record.run.job._replace(store=store), record.run.slot, record.run.nonce)
        return replace(record, job=record.job._replace(store=store), run=run)
    if isinstance(record, Delivery):
        return replace(record, news=replace(record.news, job=record.news.job._replace(store=store)))
    return record
