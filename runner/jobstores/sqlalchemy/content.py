"""The rows of a database: read as records, and written a turn at a time. Transactions are the store's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Table, and_, select

from runner.core.run import Job, Run, RunKey
from runner.errors import RunExists, StoreError
from runner.jobstores.base import Loaded, Unreadable
from runner.jobstores.batch import Batch
from runner.jobstores.codec import loads
from runner.jobstores.pickled import Codec
from runner.jobstores.sqlalchemy import notify, rows, tables
from runner.jobstores.sqlalchemy.database import Channel
from runner.jobstores.sqlalchemy.statements import Question, Statements, Values
from runner.spec import JobKey, JobSpec

_SPARE = 256
"""So many specs of jobs that are gone are remembered all the same."""


class Content:
    """Knows what the database holds of what it read and wrote: which rows are there, which specs, in which words."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._digests = rows.Digests(codec)
        self._texts = rows.StepTexts()
        self._live: set[RunKey] = set()
        self._jobs: set[JobKey] = set()
        self._statements: Statements | None = None
        self._question: Question | None = None

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def live_of(self, connection: Connection, source: str, alias: str) -> Sequence[Run]:
        """The live runs of a source whose spec is there."""
        t = tables.runs
        live = and_(t.c.source == source, t.c.ended_at.is_(None))
        found = [row for row in self._joined(connection, t, live, t.c.slot) if row.spec is not None]
        return [rows.run_of(row, self._spec(row, alias), alias) for row in found]

    def load(self, connection: Connection, source: str, alias: str) -> Loaded:
        """All that lives of a source; `alias`: what its store is called here."""
        self._texts = rows.StepTexts()
        jobs: list[Job] = []
        runs: list[Run] = []
        unreadable: list[Unreadable] = []
        for row in self._joined(connection, tables.jobs, tables.jobs.c.source == source):
            try:
                jobs.append(rows.job_of(row, self._spec(row, alias)))
            except (StoreError, ValueError) as error:
                unreadable.append(Unreadable(JobKey(alias, row.source, row.id), str(error)))
        live = and_(tables.runs.c.source == source, tables.runs.c.ended_at.is_(None))
        for row in self._joined(connection, tables.runs, live, tables.runs.c.slot):
            try:
                runs.append(rows.run_of(row, self._spec(row, alias), alias))
            except (StoreError, ValueError) as error:
                unreadable.append(Unreadable(JobKey(alias, row.source, row.job), str(error)))
        t = tables.incidents
        open_ones = select(t.c.incident).where(t.c.source == source, t.c.closed_at.is_(None))
        incidents = [
            rows.with_store(loads(found), alias) for found in connection.execute(open_ones).scalars()
        ]
        d = tables.deliveries
        waiting = select(d.c.delivery).where(d.c.source == source, d.c.state == "waiting")
        deliveries = [rows.with_store(loads(found), alias) for found in connection.execute(waiting).scalars()]
        self._live = {key for key in self._live if key.job.source != source} | {run.key for run in runs}
        self._jobs = {key for key in self._jobs if key.source != source} | {job.key for job in jobs}
        self._jobs |= {each.key for each in unreadable}
        return Loaded(tuple(jobs), tuple(runs), tuple(incidents), tuple(deliveries), tuple(unreadable))

    def _joined(self, connection: Connection, table: Table, condition: Any, *order: Any) -> Iterable[Any]:
        joined = table.outerjoin(tables.specs, tables.specs.c.digest == table.c.digest)
        question = select(table, tables.specs.c.spec).select_from(joined).where(condition)
        return connection.execute(question.order_by(*order) if order else question)

    def _spec(self, row: Any, alias: str) -> JobSpec:
        if row.spec is None:
            raise StoreError("its definition is not in the database")
        spec = self._digests.spec(row.digest, row.spec)
        return spec if spec.store == alias else replace(spec, store=alias)

    # ── writing ─────────────────────────────────────────────────────────────────────────────

    def write(self, connection: Connection, batch: Batch) -> set[str]:
        """Every statement of the batch; the digests of specs that are in the database from now on."""
        do, channel = self._prepared(connection), Channel(connection)
        new: list[Run] = []
        moved: list[Run] = []
        for run in batch.runs:
            (moved if run.key in self._live else new).append(run)
        specs = [*[job.spec for job in batch.jobs], *[run.spec for run in batch.runs]]
        digests = self._digests.of_all(specs)
        fresh = self._write_specs(connection, channel, specs, digests) if batch.jobs or new else set()
        self._digests.texts.clear()
        do.delete_job.run(channel, [(key.source, key.id) for key in batch.gone])
        self._write_jobs(do, channel, batch.jobs, digests)
        text_of = self._texts.of
        do.insert_run.run(channel, [rows.run_row(run, digests[id(run.spec)], text_of(run)) for run in new])
        do.update_run.run(channel, [rows.run_row(run, digests[id(run.spec)], text_of(run)) for run in moved])
        do.replace(channel, tables.occurrences, list(map(rows.occurrence_row, batch.occurrences)))
        do.replace(channel, tables.incidents, list(map(rows.incident_row, batch.incidents)))
        do.replace(channel, tables.deliveries, list(map(rows.delivery_row, batch.deliveries)))
        do.replace(
            channel, tables.requests, [rows.request_row(request, self._codec) for request in batch.requests]
        )
        for source in {request.source for request in batch.requests if request.state == "asked"}:
            notify.knock(connection, source)
        return fresh

    def _write_specs(
        self,
        connection: Connection,
        channel: Channel,
        specs: Iterable[JobSpec],
        digests: Mapping[int, str],
    ) -> set[str]:
        """Those that are not in the database; their digests."""
        swept = self._swept(connection, channel)
        if swept != self._digests.swept:
            self._digests.written.clear()
            self._digests.swept = swept
        fresh = set(digests.values()) - self._digests.written
        if fresh:
            there = set(
                connection.execute(
                    select(tables.specs.c.digest).where(tables.specs.c.digest.in_(list(fresh)[:500]))
                ).scalars()
            )
            missing = {
                digest: spec
                for spec in specs
                if (digest := digests[id(spec)]) in fresh and digest not in there
            }
            found = [(digest, self._digests.text(spec)) for digest, spec in missing.items()]
            self._prepared(connection).replace(channel, tables.specs, found)
        return fresh

    def _write_jobs(
        self, do: Statements, channel: Channel, jobs: Iterable[Job], digests: Mapping[int, str]
    ) -> None:
        known: list[Values] = []
        new: list[Values] = []
        there, row_of = self._jobs, rows.job_row
        for job in jobs:
            spec = job.spec
            (known if spec.key in there else new).append(row_of(job, digests[id(spec)]))
        do.update_job.run(channel, known)
        do.replace(channel, tables.jobs, new)

    def _prepared(self, connection: Connection) -> Statements:
        if self._statements is None:
            self._statements = Statements(connection.dialect)
        return self._statements

    def _swept(self, connection: Connection, channel: Channel) -> str | None:
        if self._question is None:
            self._question = Question(tables.SWEPT, connection.dialect)
        found: str | None = self._question.scalar(channel)
        return found

    def remember(self, batch: Batch, fresh: set[str]) -> None:
        """What the database holds now, with what `write` said; only after the commit."""
        self._digests.written |= fresh
        for run in batch.runs:
            if run.status.final:
                self._live.discard(run.key)
            else:
                self._live.add(run.key)
        self._jobs.difference_update(batch.gone)
        self._jobs.update([job.spec.key for job in batch.jobs])
        self._digests.forget(beyond=_SPARE + 4 * (len(self._jobs) + len(self._live)))

    def forget_specs(self) -> None:
        """Another file has the database's name: which specs are in it is asked again."""
        self._digests.written.clear()

    def collided(self, connection: Connection, batch: Batch) -> bool:
        """Whether runs are there already that we wrote ourselves, by a commit whose answer was lost.

        RunExists where a run of the batch is over.
        """
        over: list[RunKey] = []
        ours: list[RunKey] = []
        t = tables.runs
        for run in batch.runs:
            if run.key in self._live:
                continue
            where = and_(*(t.c[name] == value for name, value in _run_key(run.key).items()))
            row = connection.execute(select(t.c.created_at, t.c.ended_at).where(where)).first()
            if row is None:
                continue
            same = row.created_at == run.created_at and row.ended_at is None
            (ours if same else over).append(run.key)
        if over:
            raise RunExists(over)
        self._live.update(ours)
        return bool(ours)


def _run_key(key: RunKey) -> dict[str, Any]:
    return {"source": key.job.source, "job": key.job.id, "slot": key.slot, "nonce": key.nonce}
