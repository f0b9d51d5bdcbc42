"""Watches over the file of a SQLite database that is in use: deleted, replaced, damaged.

SQLite itself goes on writing into a file that has lost its name, and what it writes is gone with the process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection

from runner.errors import StoreCorrupt, StoreError

_log = logging.getLogger("runner.store")

CHECKED: int = 32 << 20
"""Bytes; a larger file is not read whole at every start (`runner db check` does)."""
_DAMAGED = (
    "it is left as it is: restore a backup with runner db restore FILE; runner db check says what is wrong"
)


class Vigil:
    """Knows the file by its inode."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inode: tuple[int, int] | None = None
        self._rescued = False

    def known(self) -> None:
        """The file as it is now is the right one."""
        self._inode = _inode(self.path)
        self._rescued = False

    def look(self, connection: Connection | None) -> bool:
        """Whether it is the file it was. StoreError where it is gone; what it held is then kept aside first.

        False: another file has its name now, and has to be looked at.
        """
        inode = _inode(self.path)
        if inode == self._inode and inode is not None:
            return True
        if not self._rescued and connection is not None:
            self._rescued = True
            self._rescue(connection)
        if inode is None:
            raise StoreError(
                f"the database file {self.path} is gone",
                hint="put it back, or restore a backup with runner db restore FILE",
            )
        return False

    def _rescue(self, connection: Connection) -> None:
        """What the file without a name holds, in a file beside it."""
        names = [f"{self.path.name}.rescued", *(f"{self.path.name}.rescued-{n}" for n in range(2, 10))]
        dest = next((d for name in names if not (d := self.path.with_name(name)).exists()), None)
        if dest is None:
            return
        try:
            os.close(os.open(dest, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            source: Any = connection.connection.driver_connection
            with contextlib.closing(sqlite3.connect(dest)) as target:
                source.backup(target)
            # SQLite does not do it by itself for a file that was moved: it would lack what is in the write-ahead log,
            # and the log would be taken for that of the file which has the name now.
            source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (sqlite3.Error, OSError) as error:
            with contextlib.suppress(OSError):
                dest.unlink()
            _log.error("what the database held until now could not be kept aside: %s", error)
        else:
            _log.error("the database file %s was taken away; what it held is kept in %s", self.path, dest)


def quick_check(path: Path) -> None:
    """StoreCorrupt where the file is damaged. Nothing is written to it; one that is large is not read."""
    if not path.is_file() or not 0 < path.stat().st_size <= CHECKED:
        return
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            said = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.OperationalError:
        return  # it is busy, or may not be read: whoever opens it next says so
    except sqlite3.DatabaseError as error:
        raise StoreCorrupt(f"the database {path} is damaged: {error}", hint=_DAMAGED) from error
    if said != ["ok"]:
        raise StoreCorrupt(f"the database {path} is damaged: {'; '.join(said)}", hint=_DAMAGED)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
