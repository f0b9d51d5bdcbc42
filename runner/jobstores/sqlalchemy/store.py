"""The job store on SQLAlchemy Core: one transaction per turn, a few wide rows, one statement per kind of record."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import URL, Connection, Engine, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from runner.collector import MANY, seldom
from runner.core.action import Change, Save
from runner.core.run import Request, Run
from runner.errors import LeaseLost, StoreError, StoreFull
from runner.jobstores.base import LEASE, Fence, Loaded
from runner.jobstores.batch import Batch
from runner.jobstores.clients import given
from runner.jobstores.notice import Ear
from runner.jobstores.pickled import Codec, CodecName
from runner.jobstores.retention import Purged
from runner.jobstores.sqlalchemy import leases, notify, rows, tables
from runner.jobstores.sqlalchemy.content import AsOf, Content
from runner.jobstores.sqlalchemy.database import (
    Channel,
    connect,
    end_frozen,
    file_of,
    migrate,
    prepare_session,
    reading,
    store_error,
    transaction,
    translated,
    url_of,
)
from runner.jobstores.sqlalchemy.mark import Mark
from runner.jobstores.sqlalchemy.purge import purge
from runner.jobstores.sqlalchemy.reserve import Reserve
from runner.jobstores.sqlalchemy.silence import LONGEST, Silence, bounded
from runner.jobstores.sqlalchemy.sqlite import beside, usable_anywhere
from runner.jobstores.sqlalchemy.vigil import Vigil, quick_check
from runner.moment import Moment, Span
from runner.spec import JobKey, JobSpec, Retention

log = logging.getLogger("runner.jobstores")

DATA_VERSION = "PRAGMA data_version"
"""A number that each commit of another connection changes, and none of one's own."""


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
        url: str | URL | None = None,
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
            raise ValueError('Need either "engine" or "url" defined')
        if engine is not None and (tableschema or engine_options):
            raise ValueError("tableschema and engine_options are for a store that is given a url")
        if url is not None:
            url_of(url)  # one that cannot be read is refused here, not when the scheduler starts
        self.alias = alias
        self.scope = "" if tablename == "apscheduler_jobs" else tablename  # APScheduler's default is no name
        self._codec = Codec.of(codec, pickle_protocol)
        self._url: str | URL | None = url
        self._options = dict(engine_options or {})
        self._schema = tableschema
        self._given: Engine | None = given(engine)
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._lock = threading.RLock()
        self._content = Content(self._codec)
        self._locks: leases.FileLocks | None = None
        self._fences: dict[str, Fence] = {}
        self._checked: tuple[Fence, AsOf] | None = None
        """The fence that was the newest, and as of when."""
        self._mark = Mark(mark) if mark is not None else None
        self._vigil: Vigil | None = None
        self._reserve: Reserve | None = None
        self._ears: list[Ear] = []
        self._skewed = False

    @property
    def lent(self) -> bool:
        """Whether it works with an engine of the program's, whose connections may be bound to a thread."""
        return self._given is not None and self._given.dialect.name != "sqlite"

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
                database = beside(engine.url)
                self._locks = None if database is None else leases.FileLocks(database)
                if database is None and self._given is not None:
                    usable_anywhere(engine)
            if self._mark is not None:
                self._verify(engine)
                if file is not None:
                    self._vigil = Vigil(file)
                    self._vigil.known()
                    self._reserve = Reserve(file.with_name(f"{file.name}.reserve"))
                    self._reserve.keep()

    def _look_before(self, file: Path) -> None:
        """A database that should be there and is not, or is damaged, is not opened."""
        if self._mark is not None:
            self._mark.look(file)
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
                self._mark.verified()

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
            self._content = Content(self._codec)
            self._fences.clear()
            if self._mark is not None:
                self._mark.close()

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def load(self, source: str) -> Loaded:
        with self._lock, translated("the jobs cannot be read"):
            connection = self._connected()
            try:
                with transaction(connection):
                    found = self._content.read(connection, source)
            except Exception:
                self._drop_connection()
                raise
            return self._content.understood(found, source, self.alias)

    def live_of(self, source: str) -> Sequence[Run]:
        with self._lock, translated("the runs cannot be read"):
            connection = self._connected()
            try:
                with reading(connection):
                    return self._content.live_of(connection, source, self.alias)
            except Exception:
                self._drop_connection()
                raise

    # ── writing ─────────────────────────────────────────────────────────────────────────────

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        if len(changes) >= MANY:
            with seldom:
                self._write_all(changes, fence)
        else:
            self._write_all(changes, fence)

    def _write_all(self, changes: Sequence[Change], fence: Fence | None) -> None:
        with self._lock:
            batch = Batch(changes)
            try:
                self._write(batch, fence)
            except IntegrityError as error:
                with translated("the batch cannot be written"):
                    connection = self._connected()
                    with transaction(connection):
                        ours = self._content.collided(connection, batch)
                    if not ours:
                        raise StoreError(f"the batch cannot be written: {error.orig}") from error
                    self._write(batch, fence)
            except StoreFull:
                if self._reserve is None or not self._reserve.give():
                    raise
                self._write(batch, fence)

    def _write(self, batch: Batch, fence: Fence | None) -> None:
        try:
            connection = self._connected()
            channel = self._spoken(connection)
            with transaction(connection, channel):
                as_of = None if self._locks is None else (channel, channel.scalar(DATA_VERSION))
                fresh = self._content.write(channel, batch, as_of)
                if self._mark is not None and fence is not None:
                    self._mark.step(connection)
                if fence is not None and (as_of is None or self._checked != (fence, as_of)):
                    # Last, so that the lease's row is locked for the shortest time.
                    leases.check(channel, fence)
                    self._checked = (fence, as_of)
        except IntegrityError:
            # A key that is there already: for the caller to settle.
            self._drop_connection()
            raise
        except (StoreError, SQLAlchemyError, OSError) as error:
            # Not by `translated`: in a turn with one run, entering and leaving it takes longer than a row.
            self._drop_connection()
            told = store_error(error, "the batch cannot be written")
            end_frozen(self.engine, told)
            if told is error:
                raise
            raise told from error
        self._content.remember(batch, fresh)
        if (
            self._mark is not None
            and fence is not None
            and self._mark.stepped()
            and self._reserve is not None
        ):
            self._reserve.keep()

    # ── leading ─────────────────────────────────────────────────────────────────────────────

    def hold(self, source: str, owner: str, now: Moment, lease: Span = LEASE) -> Fence | None:
        with self._lock, translated("the lead cannot be taken"):
            connection = self._connected()
            try:
                if connection.dialect.name == "sqlite":
                    return self._hold_file(connection, source, owner)
                with transaction(connection):
                    there = leases.database_time(connection, now)
                    number = leases.take_row(connection, source, owner, there, lease)
                self._watch_skew(there - now)
                return None if number is None else Fence(source, owner, number, now + lease)
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
        words = leases.skewed(skew)
        if words and not self._skewed:
            log.warning("%s", words)
        self._skewed = bool(words)

    def _hold_file(self, connection: Connection, source: str, owner: str) -> Fence | None:
        self._checked = None
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
        given = list(values)
        for value in given:
            if isinstance(value, JobSpec):
                rows.check_id(value.id, self.engine.dialect.name)
        self._codec.check(given)

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
        self._content.forget_specs()
        led, self._fences = bool(self._fences), {}
        if led:
            raise LeaseLost(f"the database {vigil.path} was replaced: what it holds is read anew")

    def _spoken(self, connection: Connection) -> Channel:
        if self._channel is None:
            self._channel = Channel(connection)
        return self._channel

    def _drop_connection(self) -> None:
        """A connection that failed is not trusted again."""
        connection, self._connection = self._connection, None
        self._channel = self._checked = None
        if connection is not None:
            try:
                connection.invalidate()
                connection.close()
            except Exception:
                return
