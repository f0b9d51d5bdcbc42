"""Who leads a source: a lock on a file beside a SQLite database, a row with a deadline elsewhere.

The file lock needs no heartbeat and ends with the process, however it ends. The row's deadline is in the database's
own time, so that runners whose clocks differ still agree.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, bindparam, delete, func, insert, select, text, update

from runner.errors import LeaseLost
from runner.jobstores.base import Fence
from runner.jobstores.sqlalchemy.database import Channel
from runner.jobstores.sqlalchemy.statements import Question
from runner.jobstores.sqlalchemy.tables import leases
from runner.moment import SECOND, Moment, Span

_TIME = {
    "postgresql": "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    "mysql": "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
    "mariadb": "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
}


MOST_SKEW: Span = 2 * SECOND
"""By how much this host's clock may differ from the database's before it is said."""


def database_time(connection: Connection, now: Moment) -> Moment:
    """The database's clock where it has one that is shared; else the given moment."""
    question = _TIME.get(connection.dialect.name)
    return now if question is None else int(connection.execute(text(question)).scalar_one())


def skewed(skew: Span) -> str:
    """What is to be said where the database's clock is so far ahead of this host's; empty where that is little."""
    if abs(skew) <= MOST_SKEW:
        return ""
    return (
        f"the clock of this host is {-skew / SECOND:+.1f} s off the database's: jobs start by the clock of whoever "
        "leads; keep the clocks of all hosts in step (NTP)"
    )


class FileLocks:
    """One locked file per source, beside the database."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._held: dict[str, int] = {}

    def take(self, source: str) -> bool:
        """Whether this process holds the source's lock now."""
        if source in self._held:
            return True
        descriptor = os.open(_lock_of(self._database, source), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._held[source] = descriptor
        return True

    def give(self, source: str) -> None:
        descriptor = self._held.pop(source, None)
        if descriptor is not None:
            os.close(descriptor)

    def give_all(self) -> None:
        for source in list(self._held):
            self.give(source)


def _lock_of(database: Path, source: str) -> Path:
    name = hashlib.blake2b(source.encode(), digest_size=6).hexdigest()
    return database.with_name(f"{database.name}.{name}.lock")


def holder(database: Path, source: str, locks: Path = Path("/proc/locks")) -> int | None:
    """The process that leads a source of this SQLite database, as far as the kernel tells: 0 where none does, None
    where that is not known.

    To try the lock would be to hold it for a moment, and keep a runner that begins just then from leading.
    """
    try:
        found = os.stat(_lock_of(database, source))
        lines = locks.read_text().splitlines()
    except FileNotFoundError:
        return None if not locks.exists() else 0
    except OSError:
        return None
    # 1: FLOCK  ADVISORY  WRITE 708 fe:00:1234 0 EOF; who waits for it has an arrow.
    held = [words for line in lines if (words := line.split())[1:4] == ["FLOCK", "ADVISORY", "WRITE"]]
    known = True
    for pid, file in ((int(words[4]), words[5]) for words in held):
        device, _, inode = file.rpartition(":")
        if inode != str(found.st_ino):
            continue
        if device == f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}":
            return pid
        # On btrfs, and in a container's layers, the kernel names another device there than stat does.
        if opened := _has_open(pid, found):
            return pid
        known = known and opened is not None
    return 0 if known else None


def _has_open(pid: int, file: os.stat_result) -> bool | None:
    """Whether a process has this very file open; None where that may not be looked at."""
    try:
        opened = list(os.scandir(f"/proc/{pid}/fd"))
    except OSError:
        return None
    for each in opened:
        with contextlib.suppress(OSError):  # closed meanwhile
            if os.path.samestat(file, each.stat()):
                return True
    return False


def led(database: Path) -> bool:
    """Whether some process leads a source of this SQLite database now."""
    for path in database.parent.glob(f"{database.name}.*.lock"):
        if path.name.endswith(".migrate.lock"):
            continue
        with open(path, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
    return False


def led_now(connection: Connection) -> bool:
    """Whether some runner leads a source of this server's database now."""
    there = database_time(connection, 0)
    return bool(connection.execute(select(func.count()).where(leases.c.until >= there)).scalar_one())


def take_number(connection: Connection, source: str, owner: str) -> int:
    """A new fencing number for a source whose lock is held by other means."""
    row = connection.execute(select(leases.c.number).where(leases.c.source == source)).first()
    number = 1 if row is None else int(row.number) + 1
    connection.execute(delete(leases).where(leases.c.source == source))
    connection.execute(insert(leases).values(source=source, number=number, owner=owner, until=None))
    return number


def take_row(connection: Connection, source: str, owner: str, there: Moment, lease: Span) -> int | None:
    """Take or renew the lease's row; its number, or None while another owner's has not run out.

    `there`: the database's time.
    """
    row = connection.execute(select(leases).where(leases.c.source == source).with_for_update()).first()
    until = there + lease
    if row is None:
        connection.execute(insert(leases).values(source=source, number=1, owner=owner, until=until))
        return 1
    mine = row.owner == owner and row.until is not None and row.until >= there
    if not mine and row.until is not None and row.until >= there:
        return None
    number = int(row.number) if mine else int(row.number) + 1
    connection.execute(
        update(leases).where(leases.c.source == source).values(number=number, owner=owner, until=until)
    )
    return number


def end_row(connection: Connection, fence: Fence) -> None:
    """Let the next one take it at once."""
    connection.execute(
        update(leases)
        .where(leases.c.source == fence.source, leases.c.number == fence.number)
        .values(until=None)
    )


def check(channel: Channel, fence: Fence) -> None:
    """LeaseLost unless the fence is the newest; on servers the row stays locked until the transaction ends."""
    dialect = channel.connection.dialect
    question = _numbers.get(dialect)
    if question is None:
        number_of = select(leases.c.number).where(leases.c.source == bindparam("of"))
        if dialect.name != "sqlite":
            number_of = number_of.with_for_update(read=True)
        question = _numbers[dialect] = Question(number_of, dialect)
    number = question.scalar(channel, of=fence.source)
    if number != fence.number:
        raise LeaseLost(f"the lead of {fence.source} went to another runner")


_numbers: WeakKeyDictionary[Dialect, Question] = WeakKeyDictionary()
"""What asks for a source's newest number: asked by every turn. Each engine has a dialect of its own, which knows its
server: MySQL 8 takes words that MariaDB does not."""
