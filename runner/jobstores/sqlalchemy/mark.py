"""Whether a database is still the one it was: its id and a count that grows, in it and in a small file outside.

A database that was replaced by an empty or another one is refused: to go on silently would forget every run, or do
them again. One whose count is behind the file's is an older copy of itself; that is said, and catch-up policies
decide about what it does not know.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import DatabaseError

from runner.errors import StoreReplaced
from runner.jobstores.sqlalchemy import tables

_EVERY = 16
"""So many writes are one step of the count: a copy that is older by fewer is not told apart."""
_FORM = re.compile(rb"([0-9a-f]{32}) (\d{20})\n")


@dataclass(frozen=True, slots=True)
class Said:
    """What the file outside says; `written`: when, for people."""

    id: str
    count: int
    written: str


class Mark:
    """The file, and the same two values in the database's `runner_meta`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._id = ""
        self._count = 0
        self._writes = 0
        self._coming: int | None = None
        """The count of a transaction that is not yet committed, and may never be."""

    def look(self, file: Path) -> None:
        """StoreReplaced where a file that was there is gone. Nothing is written."""
        said = self.read()
        if said is not None and not file.exists():
            raise StoreReplaced(
                f"the database {file} is gone; it was used until {said.written}",
                hint="put it back, restore a backup with runner db restore FILE, or start anew: runner db accept",
            )

    def recognise(self, connection: Connection, name: str) -> None:
        """StoreReplaced where the database is not the one it was. Nothing is written.

        `name` is what people call the database.
        """
        said = self.read()
        if said is not None:
            self._same(connection, name, said, self._inside(connection)[0])

    def _same(self, connection: Connection, name: str, said: Said, id: str) -> None:
        if id != said.id:
            what = "is another one" if id or _holds_something(connection) else "holds nothing"
            raise StoreReplaced(
                f"the database {name} {what}; it is not the one that was used until {said.written}",
                hint="put the right one back, or go on with this one: runner db accept",
            )

    def behind(self, connection: Connection, said: Said | None) -> Said | None:
        """What the file said, where the database is an older copy of itself. Nothing is written.

        `said` was read before the connection's transaction began: both grow while a runner is at work.
        """
        return said if said is not None and self._inside(connection)[1] < said.count else None

    def compare(self, connection: Connection, name: str) -> tuple[str, int]:
        """The database's id and count, as `recognise`; where it is an older copy of itself that is said, once."""
        id, count = self._inside(connection)
        said = self.read()
        if said is not None:
            self._same(connection, name, said, id)
        if said is not None and count < said.count:
            logging.getLogger("runner.store").warning(
                "the database %s is an older copy of itself: what was written until %s is not all in it; "
                "catch-up policies decide about what it does not know",
                name,
                said.written,
            )
            self._path.unlink(missing_ok=True)
            self.close()
        return id, count

    def verify(self, connection: Connection, name: str) -> None:
        """As `compare`, and give the database an id where it has none. Within a transaction; then comes `verified`."""
        id, count = self.compare(connection, name)
        if not id:
            id = secrets.token_hex(16)
            connection.execute(tables.meta.insert().values(name="id", value=id))
        self._id, self._count = id, count

    def verified(self) -> None:
        """After its commit: who dies before it must not leave a file that remembers an id which no database has."""
        self._outside()

    def step(self, connection: Connection) -> None:
        """Within the transaction of a write."""
        self._writes += 1
        self._coming = None
        if self._writes % _EVERY != 1:
            return
        t = tables.meta
        # Runners of other hosts count on in the same place.
        known = connection.execute(select(t.c.value).where(t.c.name == "mark")).scalar()
        self._coming = max(self._count, int(known or 0)) + 1
        done = connection.execute(update(t).where(t.c.name == "mark").values(value=str(self._coming)))
        if not done.rowcount:
            connection.execute(t.insert().values(name="mark", value=str(self._coming)))

    def stepped(self) -> bool:
        """After its commit; whether that was a step of the count."""
        if self._coming is not None:
            self._count, self._coming = self._coming, None
        with contextlib.suppress(OSError):
            self._outside()
        return self._writes % _EVERY == 1

    def read(self) -> Said | None:
        """None where there is no file, or none that can be read."""
        try:
            text = self._path.read_bytes()
            changed = self._path.stat().st_mtime
        except OSError:
            return None
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        when = datetime.fromtimestamp(changed, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return Said(found[1].decode(), int(found[2]), when)

    def forget(self) -> None:
        """Take whatever is there from now on."""
        self.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _inside(self, connection: Connection) -> tuple[str, int]:
        t = tables.meta
        try:
            rows = connection.execute(select(t.c.name, t.c.value).where(t.c.name.in_(["id", "mark"]))).all()
            found = {row.name: row.value for row in rows}
        except DatabaseError as error:
            # SQLite, PostgreSQL, MariaDB.
            said = str(error.orig)
            if any(words in said for words in ("no such table", "does not exist", "doesn't exist")):
                return "", 0
            raise
        return found.get("id", ""), int(found.get("mark", "0"))

    def _outside(self) -> None:
        if self._file < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(self._path, flags, 0o600)
        # One small write in place: the time of the file says when the database was last written.
        os.pwrite(self._file, b"%s %020d\n" % (self._id.encode(), self._count), 0)


def _holds_something(connection: Connection) -> bool:
    try:
        return bool(connection.execute(select(func.count()).select_from(tables.jobs)).scalar())
    except DatabaseError:
        return False
