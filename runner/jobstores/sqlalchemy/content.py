"""The rows of a database: read as records, and written a turn at a time. Transactions are the store's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from runner.jobstores.sqlalchemy.statements import Question, Statements, Values, statements_of
from runner.spec import JobKey, JobSpec

AsOf = tuple[Channel, int] | None
"""What others had committed, as one connection to a SQLite file counts it. While it is the same, what was read of
theirs still holds. None: it cannot be told, so ask."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was read of a source: rows of jobs and of live runs, texts of open incidents and waiting deliveries."""

    jobs: Sequence[Any]
    runs: Sequence[Any]
    incidents: Sequence[str]
    deliveries: Sequence[str]


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
        self._swept_at: AsOf = None

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def live_of(self, connection: Connection, source: str, alias: str) -> Sequence[Run]:
        """The live runs of a source whose spec is there."""
        t = tables.runs
        live = and_(t.c.source == source, t.c.ended_at.is_(None))
        found = [row for row in self._joined(connection, t, live, t.c.slot) if row.spec is not None]
        return [rows.run_of(row, self._spec(row, alias), alias) for row in found]

    def read(self, connection: Connection, source: str) -> Found:
        """All that lives of a source, as it stands there."""
        t, i, d = tables.runs, tables.incidents, tables.deliveries
        live = and_(t.c.source == source, t.c.ended_at.is_(None))
        open_ones = select(i.c.incident).where(i.c.source == source, i.c.closed_at.is_(None))
        waiting = select(d.c.delivery).where(d.c.source == source, d.c.state == "waiting")
        return Found(
            self._joined(connection, tables.jobs, tables.jobs.c.source == source),
            self._joined(connection, t, live, t.c.slot),
            connection.execute(open_ones).scalars().all(),
            connection.execute(waiting).scalars().all(),
        )

    def understood(self, found: Found, source: str, alias: str) -> Loaded:
        """What was read, as records; `alias`: what its store is called here.

        After the transaction: a server ends one that is idle for as long as a hundred thousand jobs take, and others
        wait for a file that is locked.
        """
        self._texts = rows.StepTexts()
        jobs: list[Job] = []
        runs: list[Run] = []
        unreadable: list[Unreadable] = []
        for row in found.jobs:
            try:
                jobs.append(rows.job_of(row, self._spec(row, alias)))
            except (StoreError, ValueError) as error:
                unreadable.append(Unreadable(JobKey(alias, row.source, row.id), str(error)))
        for row in found.runs:
            try:
                runs.append(rows.run_of(row, self._spec(row, alias), alias))
            except (StoreError, ValueError) as error:
                unreadable.append(Unreadable(JobKey(alias, row.source, row.job), str(error)))
        incidents = [rows.with_store(loads(text), alias) for text in found.incidents]
        deliveries = [rows.with_store(loads(text), alias) for text in found.deliveries]
        self._live = {key for key in self._live if key.job.source != source} | {run.key for run in runs}
        self._jobs = {key for key in self._jobs if key.source != source} | {job.key for job in jobs}
        self._jobs |= {each.key for each in unreadable}
        return Loaded(tuple(jobs), tuple(runs), tuple(incidents), tuple(deliveries), tuple(unreadable))

    def _joined(self, connection: Connection, table: Table, condition: Any, *order: Any) -> Sequence[Any]:
        joined = table.outerjoin(tables.specs, tables.specs.c.digest == table.c.digest)
        question = select(table, tables.specs.c.spec).select_from(joined).where(condition)
        return connection.execute(question.order_by(*order) if order else question).all()

    def _spec(self, row: Any, alias: str) -> JobSpec:
        if row.spec is None:
            raise StoreError("its definition is not in the database")
        spec = self._digests.spec(row.digest, row.spec)
        return spec if spec.store == alias else replace(spec, store=alias)

    # ── writing ─────────────────────────────────────────────────────────────────────────────

    def write(self, channel: Channel, batch: Batch, as_of: AsOf = None) -> set[str]:
        """Every statement of the batch; the digests of specs that are in the database from now on."""
        connection = channel.connection
        do, jobs = self._prepared(connection), batch.jobs
        new, moved = self._parted(batch)
        digests = self._digests.of_all([job.spec for job in jobs])
        digests_of_runs = self._digests.of_all([run.spec for run in new]) if new else []
        fresh = set[str]()
        if jobs or new:
            fresh = self._fresh(channel, digests, digests_of_runs, as_of)
            if fresh:
                specs = [job.spec for job in jobs] + [run.spec for run in new]
                self._write_specs(channel, specs, [*digests, *digests_of_runs], fresh)
        self._digests.texts.clear()
        if batch.gone:
            do.delete_job.run(channel, [(key.source, key.id) for key in batch.gone])
        if jobs:
            self._write_jobs(do, channel, batch, digests)
        text_of = self._texts.of
        if new:
            do.insert_run.run(channel, list(map(rows.run_row, new, digests_of_runs, map(text_of, new))))
        if moved:
            do.move_run.run(channel, list(map(rows.run_move, moved, map(text_of, moved))))
        if batch.rare:
            self._write_rare(do, channel, batch)
        return fresh

    def _parted(self, batch: Batch) -> tuple[Sequence[Run], Sequence[Run]]:
        """The runs that are new, and those that are on record as live."""
        there = batch.run_keys & self._live
        if not there:
            return batch.runs, ()
        if len(there) == len(batch.runs):
            return (), batch.runs
        return (
            [run for run in batch.runs if run.key not in there],
            [run for run in batch.runs if run.key in there],
        )

    def _write_rare(self, do: Statements, channel: Channel, batch: Batch) -> None:
        do.replace(channel, tables.occurrences, list(map(rows.occurrence_row, batch.occurrences)))
        do.replace(channel, tables.incidents, list(map(rows.incident_row, batch.incidents)))
        do.replace(channel, tables.deliveries, list(map(rows.delivery_row, batch.deliveries)))
        do.replace(
            channel, tables.requests, [rows.request_row(request, self._codec) for request in batch.requests]
        )
        for source in {request.source for request in batch.requests if request.state == "asked"}:
            notify.knock(channel.connection, source)

    def _fresh(
        self, channel: Channel, of_jobs: Sequence[str], of_runs: Sequence[str], as_of: AsOf
    ) -> set[str]:
        """The digests of those specs of which nobody has said that they are in the database."""
        known = as_of is not None and as_of == self._swept_at
        swept = self._digests.swept if known else self._swept(channel)
        self._swept_at = as_of
        written = self._digests.written
        if swept != self._digests.swept:
            written.clear()
            self._digests.swept = swept
        if written.issuperset(of_jobs) and written.issuperset(of_runs):
            return set()
        return {*of_jobs, *of_runs} - written

    def _write_specs(
        self, channel: Channel, specs: Sequence[JobSpec], digests: Sequence[str], fresh: set[str]
    ) -> None:
        """Those of the fresh ones that are not there."""
        connection = channel.connection
        there = set(
            connection.execute(
                select(tables.specs.c.digest).where(tables.specs.c.digest.in_(list(fresh)[:500]))
            ).scalars()
        )
        wanted, texts = fresh - there if there else fresh, self._digests.texts
        found = {digest: text for digest, text in texts.items() if digest in wanted}
        if len(found) < len(wanted):
            for spec, digest in zip(specs, digests, strict=True):
                if digest in wanted and digest not in found:
                    found[digest] = self._codec.dumps(spec)
        self._prepared(connection).replace(channel, tables.specs, list(found.items()), distinct=True)

    def _write_jobs(self, do: Statements, channel: Channel, batch: Batch, digests: Sequence[str]) -> None:
        if batch.job_keys <= self._jobs:
            do.move_job.run(channel, list(map(rows.job_move, batch.jobs, digests)))
            return
        jobs: Sequence[Job] = batch.jobs
        if not batch.job_keys.isdisjoint(self._jobs):
            known: list[Values] = []
            new: list[tuple[Job, str]] = []
            for job, digest in zip(jobs, digests, strict=True):
                if job.spec.key in self._jobs:
                    known.append(rows.job_move(job, digest))
                else:
                    new.append((job, digest))
            do.move_job.run(channel, known)
            jobs, digests = [job for job, _ in new], [digest for _, digest in new]
        if do.begin_job is not None:
            begun = list(map(rows.job_begun, jobs, digests))
            if None not in begun:
                do.begin_job.run(channel, begun)  # type: ignore[arg-type]  # not one of them is None
                return
        do.replace(channel, tables.jobs, list(map(rows.job_row, jobs, digests)), distinct=True)

    def _prepared(self, connection: Connection) -> Statements:
        if self._statements is None:
            self._statements = statements_of(connection.dialect)
        return self._statements

    def _swept(self, channel: Channel) -> str | None:
        if self._question is None:
            self._question = Question(tables.SWEPT, channel.connection.dialect)
        found: str | None = self._question.scalar(channel)
        return found

    def remember(self, batch: Batch, fresh: set[str]) -> None:
        """What the database holds now, with what `write` said; only after the commit."""
        self._digests.written |= fresh
        live = [run for run in batch.runs if not run.status.final]
        if len(live) == len(batch.runs):
            self._live |= batch.run_keys
        else:
            self._live -= batch.run_keys
            self._live.update([run.key for run in live])
        if batch.gone:
            self._jobs.difference_update(batch.gone)
        self._jobs |= batch.job_keys
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
