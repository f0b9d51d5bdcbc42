"""Questions about what a database holds: for tables and pages, never for deciding.

Reading takes no lease and no lock: it works beside a running service and without one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, bindparam, func, or_, select

from runner.core.run import Incident, Job, Occurrence, Run, RunKey
from runner.errors import RunnerError, StoreError
from runner.history.finding import Finding
from runner.jobstores.codec import loads
from runner.jobstores.pickled import Codec
from runner.jobstores.sqlalchemy import rows, tables
from runner.jobstores.sqlalchemy.database import reading, translated
from runner.moment import Moment
from runner.spec import JobKey, JobSpec

_LONG_AGO: Moment = -(1 << 62)


class History(Finding):
    """Reads through an open engine. Rows that cannot be read back are left out and counted in `unreadable`."""

    most_specs = 10_000
    """So many specs are remembered from one question to the next."""

    def __init__(self, engine: Engine, *, alias: str = "default") -> None:
        self._engine = engine
        self._alias = alias
        self._digests = rows.Digests(Codec(opaque=True))
        self.unreadable = 0

    def jobs(self) -> list[Job]:
        """The jobs of all sources in the database, by source and id."""
        table = tables.jobs
        found = self._rows(_with_spec(table).order_by(table.c.source, table.c.id))
        return self._made(found, lambda row: rows.job_of(row, self._spec(row)))

    def last(self, others: Iterable[JobKey] = ()) -> dict[JobKey, Run]:
        """The newest run, live or finished, of each job on record, or of these, that has one.

        A job that only ever ran in the foreground has runs on record, and is not on record itself.
        """
        found: list[Any] = []
        jobs = select(tables.jobs.c.source, tables.jobs.c.id)
        with self._reading() as connection:
            # One seek in the key's index for each job, however long their histories are: a join reads them all.
            known = {(source, id) for source, id in connection.execute(jobs).all()}
            for source, id in sorted(known | {(key.source, key.id) for key in others}):
                found += connection.execute(_NEWEST, {"k_source": source, "k_job": id}).all()
        return {run.key.job: run for run in self._runs(found)}

    def runs(
        self,
        *,
        source: str | None = None,
        job: str | None = None,
        statuses: Iterable[str] = (),
        since: Moment | None = None,
        until: Moment | None = None,
        limit: int = 100,
    ) -> list[Run]:
        """Runs by slot, newest first; `since` and `until` bound the slot and are included."""
        table, wanted = tables.runs, list(statuses)
        newest_first = (table.c.slot.desc(), table.c.created_at.desc(), table.c.nonce.desc())
        found: dict[RunKey, Run] = {}
        # Each source by itself: what finds its runs by their job, or by their ends, begins with it.
        for each in [source] if source is not None else list(self._sources(table)):
            conditions = [*_named(table, each, job), *_between(table, since, until)]
            if wanted:
                conditions.append(table.c.status.in_(wanted))
            for some in self._parts(conditions, limit) if job is None and not wanted else [conditions]:
                ordered = _with_spec(table).where(*some).order_by(*newest_first).limit(limit)
                found.update((run.key, run) for run in self._runs(self._rows(ordered)))
        newest = sorted(found.values(), key=lambda run: (run.key.slot, run.created_at, run.key.nonce))
        return newest[: -limit - 1 : -1]

    def _parts(self, conditions: Sequence[Any], limit: int) -> Iterator[Sequence[Any]]:
        """The runs of a source in two parts, each found by the index of ends. One that ends meanwhile is in both."""
        ends = tables.runs.c.ended_at
        yield [*conditions, ends.is_(None)]
        # Slots of all jobs together have no index, ends have one, and a run ends after its slot.
        yield [*conditions, ends >= self._reach(tables.runs, ends, conditions, limit)]

    def _sources(self, table: Any) -> Iterator[str]:
        """Those that have rows there: one seek in the key's index for each."""
        question = select(func.min(table.c.source).label("source"))
        (found,) = self._rows(question)
        while found.source is not None:
            yield found.source
            (found,) = self._rows(question.where(table.c.source > found.source))

    def _reach(self, table: Any, ends: Any, conditions: Sequence[Any], limit: int) -> Moment:
        """A slot that at least `limit` of these rows are not older than; long ago where there are fewer."""
        recent = select(table.c.slot).where(*conditions, ends.is_not(None)).order_by(ends.desc()).limit(limit)
        slots = [row.slot for row in self._rows(recent)]
        return min(slots) if len(slots) == limit else _LONG_AGO

    def occurrences(
        self,
        *,
        source: str | None = None,
        job: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        limit: int = 100,
    ) -> list[Occurrence]:
        """What did not become a run of its own, by slot, newest first. One that covers a range is found by any
        moment of it."""
        table = tables.occurrences
        conditions = _named(table, source, job)
        if since is not None:
            conditions.append(or_(table.c.slot >= since, table.c.last >= since))
        if until is not None:
            conditions.append(table.c.slot <= until)
        if source is None or job is None:
            conditions.append(table.c.decided_at >= self._reach(table, table.c.decided_at, conditions, limit))
        question = select(table).where(*conditions)
        found = self._rows(question.order_by(table.c.slot.desc(), table.c.nonce.desc()).limit(limit))
        return [rows.occurrence_of(row, self._alias) for row in found]

    def clock_changes(
        self, *, source: str | None = None, since: Moment | None = None, limit: int = 100
    ) -> list[Incident]:
        """When a runner saw the clock set: from `since` to `closed_at`; the newest first. `since` bounds the latter."""
        t = tables.incidents
        conditions = [t.c.kind == "clock", *([t.c.source == source] if source is not None else [])]
        if since is not None:
            conditions.append(t.c.closed_at >= since)
        question = select(t.c.incident).where(*conditions).order_by(t.c.closed_at.desc()).limit(limit)
        return self._made(self._rows(question), lambda row: loads(row.incident))

    def oldest(self, key: JobKey) -> Moment | None:
        """The slot of the oldest record of a job."""
        slots = []
        for table in (tables.runs, tables.occurrences):
            question = select(func.min(table.c.slot).label("slot")).where(*_named(table, key.source, key.id))
            slots += [row.slot for row in self._rows(question) if row.slot is not None]
        return min(slots, default=None)

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _rows(self, question: Select[Any]) -> Sequence[Any]:
        with self._reading() as connection:
            return connection.execute(question).all()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        with (
            translated("the history cannot be read"),
            self._engine.connect() as connection,
            reading(connection),
        ):
            yield connection

    def _runs(self, found: Iterable[Any]) -> list[Run]:
        return self._made(found, lambda row: rows.run_of(row, self._spec(row), self._alias))

    def _made(self, found: Iterable[Any], make: Any) -> list[Any]:
        # Who looks on for weeks meets the specs of every job there ever was: each edit is one more.
        self._digests.forget(beyond=self.most_specs)
        made = []
        for row in found:
            try:
                made.append(make(row))
            except (RunnerError, ValueError, LookupError, TypeError):
                self.unreadable += 1
        return made

    def _spec(self, row: Any) -> JobSpec:
        if row.spec is None:
            raise StoreError("its definition is not in the database")
        spec = self._digests.spec(row.digest, row.spec)
        return spec if spec.store == self._alias else replace(spec, store=self._alias)


def _with_spec(table: Any) -> Select[Any]:
    joined = table.outerjoin(tables.specs, tables.specs.c.digest == table.c.digest)
    return select(table, tables.specs.c.spec).select_from(joined)


def _named(table: Any, source: str | None, job: str | None) -> list[Any]:
    conditions = []
    if source is not None:
        conditions.append(table.c.source == source)
    if job is not None:
        conditions.append(table.c.job == job)
    return conditions


def _between(table: Any, since: Moment | None, until: Moment | None) -> list[Any]:
    conditions = []
    if since is not None:
        conditions.append(table.c.slot >= since)
    if until is not None:
        conditions.append(table.c.slot <= until)
    return [and_(*conditions)] if conditions else []


_NEWEST = (
    _with_spec(tables.runs)
    .where(tables.runs.c.source == bindparam("k_source"), tables.runs.c.job == bindparam("k_job"))
    .order_by(tables.runs.c.slot.desc(), tables.runs.c.nonce.desc())
    .limit(1)
)
