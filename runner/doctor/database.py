"""The store: whether it answers, whether it is the one it was, and whether it is whole."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from runner.amounts import count
from runner.doctor.case import Case
from runner.doctor.finding import Finding, note, ok, problem, trouble
from runner.doctor.stored import Stored, look
from runner.errors import StoreError
from runner.history import check
from runner.history.move import must_be_file, named
from runner.jobstores.sqlalchemy.database import EARLIER, HEAD, file_of, url_of
from runner.jobstores.sqlalchemy.leases import skewed
from runner.jobstores.sqlalchemy.mark import Mark
from runner.jobstores.urls import Address, in_sql, without_password
from runner.service.place import Place

ABOUT = "database"
_PORTS = {"mongodb": 27017, "rethinkdb": 28015, "zookeeper": 2181}
_Read = TypeVar("_Read")
_SHOWN = 5
_READ = 20_000
"""Records that are read within some seconds."""


def opens(case: Case) -> Iterator[Finding]:
    place = case.place
    if in_sql(place.url) and url_of(place.url).get_backend_name() == "sqlite":
        absent = list(_absent(place))
        if absent:
            yield from absent
            return
    try:
        stored = settled(place.url, lambda: look(place, case.clock.now), lambda found: True)
    except StoreError as error:
        yield trouble(ABOUT, error)
        return
    if stored is None:
        yield from _answers(place.url)
        return
    case.stored = stored
    yield from _told(stored)


def settled(url: str, read: Callable[[], _Read], good: Callable[[_Read], bool]) -> _Read:
    """What is read, once more where the file changed meanwhile: a SQLite file that nobody has open is read as one that
    does not change, and a runner may begin or end just then."""
    file = file_of(url) if in_sql(url) else None
    before = _stamp(file)
    try:
        if good(found := read()) or _stamp(file) == before:
            return found
    except StoreError:
        if _stamp(file) == before:
            raise
    return read()


def _stamp(file: Path | None) -> tuple[object, ...]:
    if file is None:
        return ()
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, Path(f"{file}-wal").exists()


def _absent(place: Place) -> Iterator[Finding]:
    """Why there is no SQLite file to look into. StoreError where there should be one."""
    file = file_of(place.url)
    if file is None:
        yield note(
            ABOUT, f"{named(place.url)} is not looked into", "name a database by its path: sqlite:///PATH"
        )
        return
    Mark(place.mark).look(file)
    must_be_file(file)
    if file.exists():
        return
    if file.is_relative_to(place.state) or os.access(file.parent, os.W_OK | os.X_OK):
        yield ok(ABOUT, f"{file} is not there yet: the first run makes it")
    else:
        why = (
            "this user may not write there"
            if file.parent.is_dir()
            else f"there is no directory {file.parent}"
        )
        yield problem(ABOUT, f"{file} is not there, and cannot be made: {why}", "mend $RUNNER_DATABASE_URL")


def _told(stored: Stored) -> Iterator[Finding]:
    if not stored.current:
        yield _schema(stored)
        return
    found = len(stored.loaded.unreadable)
    if stored.older is not None:
        yield note(
            ABOUT,
            f"{stored.name} is an older copy of itself: what was written until {stored.older.written} is not all in it",
            "catch-up policies decide about what it does not know; put the newer one back if you have it",
        )
    if words := skewed(stored.skew):
        yield problem(ABOUT, words, "set the clock of this machine, or that of the server")
    if found:
        yield problem(
            ABOUT, f"{count(found, 'record')} in {stored.name} cannot be read", "runner db check names them"
        )
    schema = f"schema {stored.version}, " if stored.sql else ""
    yield ok(ABOUT, f"{stored.name} answers: {schema}{count(len(stored.jobs), 'job')} on record")


def _schema(stored: Stored) -> Finding:
    if stored.version is None:
        return note(
            ABOUT,
            f"{stored.name} is there, and holds nothing of a runner yet",
            "the first run makes its tables",
        )
    if stored.version in EARLIER:
        fact = f"{stored.name} has schema {stored.version}, of an earlier version; this one's is {HEAD}"
        return note(
            ABOUT, fact, "a start of runner serve upgrades it; take a copy before: runner db backup FILE"
        )
    return problem(
        ABOUT,
        f"{stored.name} has schema {stored.version}, and this version knows {HEAD}",
        "run the newer version, or restore a backup from before the upgrade",
    )


def _answers(url: str) -> Iterator[Finding]:
    """Of a store that cannot be opened without making something in it: whether its server takes connections."""
    address = Address.of(url)
    for host in address.hosts.split(","):
        where = address.placed(_PORTS[address.kind], host)
        try:
            socket.create_connection((where["host"], where["port"]), timeout=3).close()
        except OSError as error:
            fact = f"nobody answers at {where['host']}:{where['port']}: {error.strerror or error}"
            yield problem(ABOUT, fact, "start the server, or mend the store's address ($RUNNER_DATABASE_URL)")
        else:
            yield note(ABOUT, f"{without_password(url)} takes connections; its records are not looked at",
                       "look after that server with its own tools")  # fmt: skip


def damage(case: Case) -> Iterator[Finding]:
    """All of it is read, as `runner db check` does."""
    if case.stored is None or not case.stored.current or not in_sql(case.place.url):
        return
    if case.stored.past > _READ:
        fact = f"{count(case.stored.past, 'record')} are not read one by one here"
        yield note("damage", fact, "runner db check reads them all")
        return
    found = settled(
        case.place.url, lambda: check(case.place.url, case.place.mark), lambda checked: checked.good
    )
    for each in found.problems[:_SHOWN]:
        yield problem("damage", each, "nothing was changed; restore a backup with: runner db restore FILE")
    if len(found.problems) > _SHOWN:
        more = count(len(found.problems) - _SHOWN, "more problem")
        yield problem("damage", more, "runner db check lists all")
    if found.good:
        runs = found.rows["runner_runs"]
        yield ok(
            "damage",
            f"none: {count(sum(found.rows.values()), 'record')} read, {count(runs, 'run')} among them",
        )
