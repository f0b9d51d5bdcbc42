"""What a store holds of a source, read without opening it as a runner does: nothing is made, migrated or led."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select

from runner.core.run import Delivery, Incident, Job, Run
from runner.history.move import named
from runner.jobstores.base import Loaded
from runner.jobstores.codec import loads
from runner.jobstores.pickled import Codec
from runner.jobstores.sqlalchemy import tables
from runner.jobstores.sqlalchemy.content import Content
from runner.jobstores.sqlalchemy.database import HEAD, file_of, looking, reading, translated, version_of
from runner.jobstores.sqlalchemy.leases import database_time, holder
from runner.jobstores.sqlalchemy.mark import Mark, Said
from runner.jobstores.sqlalchemy.silence import bounded
from runner.jobstores.urls import in_sql, store_of, without_password
from runner.moment import DAY, Moment, Span
from runner.service.place import Place

_SILENCE = 4.0
"""Seconds without a word from a server."""
_RECENT = 7 * DAY
_MOST_TOLD = 500
LISTED = ("redis", "rediss", "unix", "etcd", "etcds")
"""Stores that are opened by connecting alone; the others make what is missing in them."""


@dataclass(frozen=True, slots=True)
class Stored:
    """`older`: what its mark says, where it is an older copy of itself. `skew`: how far its clock is ahead of ours.
    `leader`: who leads the source; None where that is not known."""

    name: str
    version: str | None = HEAD
    loaded: Loaded = Loaded()
    older: Said | None = None
    skew: Span = 0
    leader: str | None = ""
    sql: bool = True
    """The others have no schema, and who leads is not known here."""
    past: int = 0
    """How many runs and occurrences are on record, with those that ended."""
    given_up: tuple[Delivery, ...] = ()
    """Messages of the last days that were given up, as far as a SQL database is asked; of a channel that has taken
    a later one since, none."""

    @property
    def current(self) -> bool:
        """Whether it has this version's schema; else nothing of it was read."""
        return self.version == HEAD

    @property
    def jobs(self) -> tuple[Job, ...]:
        return self.loaded.jobs

    @property
    def runs(self) -> tuple[Run, ...]:
        """The live ones."""
        return self.loaded.runs

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """The open ones."""
        return self.loaded.incidents

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Those that wait."""
        return self.loaded.deliveries


def look(place: Place, now: Callable[[], Moment]) -> Stored | None:
    """What is there; None where only opening the store would tell. StoreError where nobody answers."""
    if not in_sql(place.url):
        return _listed(place)
    engine = looking(place.url)
    bounded(engine).seconds = _SILENCE
    try:
        with translated("the database cannot be read"):
            return _read(engine, place, now)
    finally:
        engine.dispose()


def _read(engine: Engine, place: Place, now: Callable[[], Moment]) -> Stored:
    name, mark, content = named(place.url), Mark(place.mark), Content(Codec(opaque=True))
    said = mark.read()
    with engine.connect() as connection, reading(connection):
        mark.recognise(connection, name)
        version = version_of(connection)
        if version != HEAD:
            return Stored(name, version)
        before = now()
        there = database_time(connection, before)
        skew = there - (before + now()) // 2 if there != before else 0
        leader = _leader(connection, place.source, there)
        found = content.read(connection, place.source)
        older = mark.behind(connection, said)
        given_up = _lost(connection, place.source, before - _RECENT)
        past = sum(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (tables.runs, tables.occurrences)
        )
    # Read first, then understood: a transaction is not held open for that.
    loaded = content.understood(found, place.source, "default")
    return Stored(name, version, loaded, older, skew, leader, past=past, given_up=given_up)


def _lost(connection: Connection, source: str, since: Moment) -> tuple[Delivery, ...]:
    d = tables.deliveries
    ended = select(d.c.delivery).where(d.c.source == source, d.c.created_at >= since).order_by(d.c.created_at)
    given_up = connection.execute(ended.where(d.c.state == "given_up")).scalars().all()
    if not given_up:
        return ()
    lost: dict[str, list[Delivery]] = {}
    for each in map(loads, given_up):
        lost.setdefault(each.channel, []).append(each)
    told = ended.where(d.c.state == "delivered").limit(_MOST_TOLD)
    for each in map(loads, connection.execute(told.order_by(None).order_by(d.c.created_at.desc())).scalars()):
        lost[each.channel] = [one for one in lost.get(each.channel, ()) if one.created_at > each.created_at]
    return tuple(each for channel in lost.values() for each in channel)


def _leader(connection: Connection, source: str, there: Moment) -> str | None:
    lease = tables.leases
    row = connection.execute(select(lease).where(lease.c.source == source)).first()
    host, pid, *_ = [*str(row.owner).split(":"), ""] if row is not None else (socket.gethostname(), "")
    file = file_of(connection.engine.url)
    if file is None:
        leads = row is not None and row.until is not None and row.until >= there
        return f"process {pid} on {host}" if leads else ""
    held_by = holder(file, source)
    if held_by:
        return f"process {held_by} on this machine"
    # The kernel tells nothing of locks that another machine or container holds on the same file.
    return "" if held_by == 0 and host == socket.gethostname() else None


def _listed(place: Place) -> Stored | None:
    if place.url.partition(":")[0] not in LISTED:
        return None
    store = store_of(place.url)
    store.open()
    try:
        return Stored(without_password(place.url), loaded=store.load(place.source), sql=False)
    finally:
        store.close()
