"""The job store on SQLAlchemy Core: one transaction per turn, a few wide rows, one statement per kind of record."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Engine, Table, and_, select
from sqlalchemy.exc import IntegrityError

from runner.core.action import Change, Save
from runner.core.run import Job, Request, Run, RunKey
from runner.errors import LeaseLost, RunExists, StoreError, StoreFull, StoreReplaced
from runner.jobstores.base import LEASE, Fence, Loaded, Unreadable
from runner.jobstores.batch import Batch
from runner.jobstores.clients import given
from runner.jobstores.codec import loads
from runner.jobstores.notice import Ear
from runner.jobstores.pickled import Codec, CodecName
from runner.jobstores.retention import Purged
from runner.jobstores.sqlalchemy import leases, notify, rows, tables
from runner.jobstores.sqlalchemy.database import (
    Channel,
    connect,
    end_frozen,
    file_of,
    migrate,
    prepare_session,
    reading,
    transaction,
    translated,
)
from runner.jobstores.sqlalchemy.mark import Mark
from runner.jobstores.sqlalchemy.purge import purge
from runner.jobstores.sqlalchemy.reserve import Reserve
from runner.jobstores.sqlalchemy.silence import LONGEST, Silence, bounded
from runner.jobstores.sqlalchemy.statements import Question, Statements, Values
from runner.jobstores.sqlalchemy.vigil import Vigil, quick_check
from runner.moment import SECOND, Moment, Span
from runner.spec import JobKey, JobSpec, Retention

log = logging.getLogger("runner.jobstores")

MOST_SKEW: Span = 2 * SECOND
"""By how much this host's clock may differ from the database's before it is said."""


class SQLAlchemyJobStore:
    """Jobs, live and finished runs, occurrences, incidents, the outbox and requests in a SQL database.

    `url` as SQLAlchemy takes it, or an `engine` of one's own. One connection writes, from any one thread at a time.
    `mark`: a file that remembers which database it was; an empty or another one in its place is then refused with
    StoreReplaced, and a SQLite file is looked through before it is used.
    `tablename` keeps the jobs of several stores in one database apart; the tables are the same, and `metadata` means
    nothing. `tableschema`: the PostgreSQL schema that they are in. `engine_options`: for SQLAlchemy's `create_engine`.
    """

    def __init__(
        self,
        url: str | None = None,
        engine: Engine | str | None = None,
        tablename: str = "",
        metadata: Any = None,
        pickle_protocol: int | None = None,
        tableschema: str | None = None,
        engine_options: Mapping[str, Any] | None = None,
        *,
        codec: CodecName = "json",
        alias: str = "default",
        mark: Path | None = None,
    ) -> None:
        if (url is None) == (engine is None):
            raise ValueError("either url or engine is needed")
        if engine is not None and (tableschema or engine_options):
            raise ValueError("tableschema and engine_options are for a store that is given a url")
        self.alias = alias
        self.scope = "" if tablename == "apscheduler_jobs" else tablename  # APScheduler's default is no name
        self._codec = Codec.of(codec, pickle_protocol)
        self._url = url
        self._options = dict(engine_options or {})
        self._schema = tableschema
        self._given: Engine | None = given(engine)
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._lock = threading.RLock()
        self._digests = rows.Digests(self._codec)
        self._texts = rows.StepTexts()
        self._live: set[RunKey] = set()
        self._jobs: set[JobKey] = set()
        self._locks: leases.FileLocks | None = None
        self._fences: dict[str, Fence] = {}
        self._statements: Statements | None = None
        self._question: Question | None = None
        self._mark = Mark(mark) if mark is not None else None
        self._vigil: Vigil | None = None
        self._reserve: Reserve | None = None
        self._ears: list[Ear] = []
        self._skewed = False

    @property
    def engine(self) -> Engine:
        """The engine, for those who read history; StoreError before `open`."""
        if self._engine is None:
            raise StoreError(f"the store {self.alias!r} is not open")
        return self._engine

    def open(self) -> None:
        """Connect, and create or migrate the tables."""
        with self._lock, translated("the database cannot be opened"):
            if self._engine is not None:
                return
            file = None if self._given is not None else file_of(self._url or "")
            if file is not None and self._mark is not None:
                self._look_before(file)
            engine = (
                self._given
                if self._given is not None
                else connect(self._url or "", self._options, self._schema)
            )
            silence = bounded(engine) if self._given is None else Silence()
            if self._mark is not None:
                # Before anything is written: tables made in the wrong database would hide that it is the wrong one.
                self._verify(engine, first=True)
            silence.seconds = None
            migrate(engine)
            silence.seconds = LONGEST
            self._engine = engine
            if engine.dialect.name == "sqlite":
                database = engine.url.database or ":memory:"
                self._locks = None if database == ":memory:" else leases.FileLocks(Path(database))
            if self._mark is not None:
                self._verify(engine)
                if file is not None:
                    self._vigil = Vigil(file)
                    self._vigil.known()
                    self._reserve = Reserve(file.with_name(f"{file.name}.reserve"))
                    self._reserve.keep()

    def _look_before(self, file: Path) -> None:
        """A database that should be there and is not, or is damaged, is not opened."""
        said = self._mark.read() if self._mark is not None else None
        if said is not None and not file.exists():
            raise StoreReplaced(
                f"the database {file} is gone; it was used until {said.written}",
                hint="put it back, restore a backup with runner db restore FILE, or start anew: runner db accept",
            )
        quick_check(file)

    def _verify(self, engine: Engine, *, first: bool = False) -> None:
        """Whether it is the database it was; `first`: only look."""
        assert self._mark is not None
        name = engine.url.database if engine.dialect.name == "sqlite" else engine.url.render_as_string()
        with engine.connect() as connection:
            if first:
                with reading(connection):
                    self._mark.compare(connection, str(name))
            else:
                with transaction(connection):
                    self._mark.verify(connection, str(name))

    def close(self) -> None:
        ears, self._ears = self._ears, []
        for ear in ears:
            ear.close()
        with self._lock:
            if self._locks is not None:
                self._locks.give_all()
            self._drop_connection()
            if self._engine is not None and self._given is None:
                self._engine.dispose()
            self._engine = None
            self._fences.clear()
            if self._mark is not None:
                self._mark.close()

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def load(self, source: str) -> Loaded:
        with self._lock, translated("the jobs cannot be read"):
            connection = self._connected()
            try:
                with transaction(connection):
                    return self._load(connection, source)
            except Exception:
                self._drop_connection()
                raise

    def live_of(self, source: str) -> Sequence[Run]:
        t = tables.runs
        live = and_(t.c.source == source, t.c.ended_at.is_(None))
        with self._lock, translated("the runs cannot be read"):
            connection = self._connected()
            try:
                with reading(connection):
                    found = list(self._joined(connection, t, live, t.c.slot))
            except Exception:
                self._drop_connection()
                raise
            return [rows.run_of(row, self._spec(row), self.alias) for row in found if row.spec is not None]

    def _load(self, connection: Connection, source: str) -> Loaded:
        self._texts = rows.StepTexts()
        jobs: list[Job] = []
        runs: list[Run] = []
        unreadable: list[Unreadable] = []
        for row in self._joined(connection, tables.jobs, tables.jobs.c.source == source):
            try:
                jobs.append(rows.job_of(row, self._spec(row)))
            except (StoreError, ValueError) as error:
                unreadable.append(Unreadable(JobKey(self.alias, row.source, row.id), str(error)))
        live = and_(tables.runs.c.source == source, tables.runs.c.ended_at.is_(None))
        for row in self._joined(connection, tables.runs, live, tables.runs.c.slot):
            try:
                runs.append(rows.run_of(row, self._spec(row), self.alias))
            except (StoreError, ValueError) as error:
                unreadable.append(Unreadable(JobKey(self.alias, row.source, row.job), str(error)))
        t = tables.incidents
        open_ones = select(t.c.incident).where(t.c.source == source, t.c.closed_at.is_(None))
        incidents = [self._record(found) for found in connection.execute(open_ones).scalars()]
        d = tables.deliveries
        waiting = select(d.c.delivery).where(d.c.source == source, d.c.state == "waiting")
        deliveries = [self._record(found) for found in connection.execute(waiting).scalars()]
        self._live = {key for key in self._live if key.job.source != source} | {run.key for run in runs}
        self._jobs = {key for key in self._jobs if key.source != source} | {job.key for job in jobs}
        self._jobs |= {each.key for each in unreadable}
        return Loaded(tuple(jobs), tuple(runs), tuple(incidents), tuple(deliveries), tuple(unreadable))

    def _joined(self, connection: Connection, table: Table, condition: Any, *order: Any) -> Iterable[Any]:
        joined = table.outerjoin(tables.specs, tables.specs.c.digest == table.c.digest)
        question = select(table, tables.specs.c.spec).select_from(joined).where(condition)
        return connection.execute(question.order_by(*order) if order else question)

    def _spec(self, row: Any) -> JobSpec:
        if row.spec is None:
            raise StoreError("its definition is not in the database")
        spec = self._digests.spec(row.digest, row.spec)
        return spec if spec.store == self.alias else replace(spec, store=self.alias)

    def _record(self, text: str) -> Any:
        return rows.with_store(loads(text), self.alias)

    # ── writing ─────────────────────────────────────────────────────────────────────────────

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        with self._lock:
            batch = Batch(changes)
            try:
                self._write(batch, fence)
            except IntegrityError as error:
                self._settle_conflict(batch, error)
                with translated("the batch cannot be written"):
                    self._write(batch, fence)
            except StoreFull:
                if self._reserve is None or not self._reserve.give():
                    raise
                self._write(batch, fence)

    def _write(self, batch: Batch, fence: Fence | None) -> None:
        try:
            with translated("the batch cannot be written", conflicts=False):
                connection = self._connected()
                with transaction(connection):
                    fresh = self._perform(connection, batch)
                    if self._mark is not None and fence is not None:
                        self._mark.step(connection)
                    if fence is not None:
                        # Last, so that the lease's row is locked for the shortest time.
                        leases.check(connection, fence)
        except StoreError as error:
            self._drop_connection()
            end_frozen(self.engine, error)
            raise
        except IntegrityError:
            self._drop_connection()
            raise
        self._digests.written |= fresh
        self._remember(batch)
        if (
            self._mark is not None
            and fence is not None
            and self._mark.stepped()
            and self._reserve is not None
        ):
            self._reserve.keep()

    def _perform(self, connection: Connection, batch: Batch) -> set[str]:
        """Every statement of the batch; the digests of specs that are in the database from now on."""
        do, channel = self._prepared(connection), Channel(connection)
        new: list[Run] = []
        moved: list[Run] = []
        for run in batch.runs:
            (moved if run.key in self._live else new).append(run)
        digests = self._digests.of_all([*[job.spec for job in batch.jobs], *[run.spec for run in batch.runs]])
        fresh = self._write_specs(connection, channel, digests) if batch.jobs or new else set()
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

    def _write_specs(self, connection: Connection, channel: Channel, digests: Mapping[int, str]) -> set[str]:
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
            found = [(digest, self._digests.text(digest)) for digest in fresh if digest not in there]
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

    def _remember(self, batch: Batch) -> None:
        """What the database holds now; only after the commit."""
        for run in batch.runs:
            if run.status.final:
                self._live.discard(run.key)
            else:
                self._live.add(run.key)
        self._jobs.difference_update(batch.gone)
        self._jobs.update([job.spec.key for job in batch.jobs])

    def _settle_conflict(self, batch: Batch, error: IntegrityError) -> None:
        """A run's key is there already: our own row of a commit whose answer was lost, or a run that is over."""
        with translated("the batch cannot be written"):
            connection = self._connected()
            over: list[RunKey] = []
            ours: list[RunKey] = []
            t = tables.runs
            with transaction(connection):
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
            if not ours:
                raise StoreError(f"the batch cannot be written: {error.orig}")
            self._live.update(ours)

    # ── leading ─────────────────────────────────────────────────────────────────────────────

    def hold(self, source: str, owner: str, now: Moment) -> Fence | None:
        with self._lock, translated("the lead cannot be taken"):
            connection = self._connected()
            try:
                if connection.dialect.name == "sqlite":
                    return self._hold_file(connection, source, owner)
                with transaction(connection):
                    there = leases.database_time(connection, now)
                    number = leases.take_row(connection, source, owner, there)
                self._watch_skew(there - now)
                return None if number is None else Fence(source, owner, number, now + LEASE)
            except IntegrityError:
                # Somebody else wrote the source's first lease at this very moment.
                self._drop_connection()
                return None
            except Exception as error:
                self._drop_connection()
                end_frozen(self.engine, error)
                raise

    def _watch_skew(self, skew: Span) -> None:
        """Leases do not depend on this clock; the moments at which jobs start do."""
        skewed = abs(skew) > MOST_SKEW
        if skewed and not self._skewed:
            log.warning(
                "the clock of this host is %+.1f s off the database's: jobs start by the clock of whoever leads; "
                "keep the clocks of all hosts in step (NTP)",
                -skew / SECOND,
            )
        self._skewed = skewed

    def _hold_file(self, connection: Connection, source: str, owner: str) -> Fence | None:
        known = self._fences.get(source)
        if known is not None:
            return known if known.owner == owner else None
        if self._locks is not None and not self._locks.take(source):
            return None
        with transaction(connection):
            number = leases.take_number(connection, source, owner)
        fence = self._fences[source] = Fence(source, owner, number)
        return fence

    def release(self, fence: Fence) -> None:
        with self._lock, translated("the lead cannot be given back"):
            if self._fences.pop(fence.source, None) is not None:
                if self._locks is not None:
                    self._locks.give(fence.source)
                return
            if self._engine is not None:
                connection = self._connected()
                with transaction(connection):
                    leases.end_row(connection, fence)
                    notify.knock(connection, fence.source)

    # ── requests ────────────────────────────────────────────────────────────────────────────

    def listen(self, source: str, heard: Callable[[], None]) -> bool:
        if not notify.tells(self.engine):
            return False
        self._ears.append(Ear(partial(notify.notices, self.engine, source), heard))
        return True

    def check(self, values: Iterable[Any]) -> None:
        self._codec.check(values)

    def ask(self, request: Request) -> None:
        self.write([Save(request)])

    def asked(self, source: str) -> Sequence[Request]:
        t = tables.requests
        question = (
            select(t.c.request).where(t.c.source == source, t.c.state == "asked").order_by(t.c.asked_at)
        )
        return [self._codec.loads(found) for found in self._read(question)]

    def answer(self, request: str) -> Request | None:
        t = tables.requests
        found = self._read(select(t.c.request).where(t.c.id == request))
        return self._codec.loads(found[0]) if found else None

    def _read(self, question: Any) -> Sequence[Any]:
        with self._lock, translated("the requests cannot be read"):
            connection = self._connected()
            try:
                with reading(connection):
                    return connection.execute(question).scalars().all()
            except Exception:
                self._drop_connection()
                raise

    def purge(
        self,
        now: Moment,
        *,
        wanted: Mapping[JobKey, Retention] = MappingProxyType({}),
        pause: Callable[[], object] = lambda: None,
    ) -> Purged:
        return purge(self.engine, now, alias=self.alias, wanted=wanted, pause=pause)

    # ── the connection ──────────────────────────────────────────────────────────────────────

    def _connected(self) -> Connection:
        if self._vigil is not None and not self._vigil.look(self._connection):
            self._take_up(self._vigil)
        if self._connection is None:
            if self._mark is not None and self._vigil is None:
                self._verify(self.engine)
            connection = self.engine.connect()
            prepare_session(connection)
            self._connection = connection
        return self._connection

    def _take_up(self, vigil: Vigil) -> None:
        """Another file has the database's name. Where it is the same database, what it holds is read anew."""
        self._drop_connection()
        self.engine.dispose()
        quick_check(vigil.path)
        self._verify(self.engine, first=True)
        migrate(self.engine)
        self._verify(self.engine)
        vigil.known()
        self._digests.written.clear()
        led, self._fences = bool(self._fences), {}
        if led:
            raise LeaseLost(f"the database {vigil.path} was replaced: what it holds is read anew")

    def _drop_connection(self) -> None:
        """A connection that failed is not trusted again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.invalidate()
                connection.close()
            except Exception:
                return


def _run_key(key: RunKey) -> dict[str, Any]:
    return {"source": key.job.source, "job": key.job.id, "slot": key.slot, "nonce": key.nonce}
