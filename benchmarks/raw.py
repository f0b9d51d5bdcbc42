"""The machine's limits, with nothing of ours: what the tables stand beside. Not a table itself."""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import check, directory
from runner.executors import shim
from runner.jobstores.sqlalchemy.database import Channel

Statements = list[tuple[str, Sequence[Any]]]


@contextmanager
def recorded() -> Iterator[Statements]:
    """Every statement with rows that is executed meanwhile, and each begin and commit: what `replayed` does again."""
    found: Statements = []
    execute, many = Channel.execute, Channel.many

    def executing(self: Channel, text: str, values: Any = ()) -> None:
        found.append((text, [values] if values else []))
        execute(self, text, values)

    def executing_many(self: Channel, text: str, rows: Sequence[Any]) -> None:
        found.append((text, rows))
        many(self, text, rows)

    Channel.execute, Channel.many = executing, executing_many  # type: ignore[method-assign]
    try:
        yield found
    finally:
        Channel.execute, Channel.many = execute, many  # type: ignore[method-assign]


def copied(database: Path, to: Path) -> None:
    """The database as it is now, for `replayed`."""
    with closing(sqlite3.connect(database)) as here, closing(sqlite3.connect(to)) as there:
        here.backup(there)


def replayed(database: Path, statements: Statements) -> float:
    """Seconds for the same rows in the same transactions through bare sqlite3, WAL and synchronous=FULL."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    began = time.perf_counter()
    for text, rows in statements:
        if rows:
            connection.executemany(text, rows)
        else:
            connection.execute(text)
    took = time.perf_counter() - began
    connection.close()
    return took


def commit() -> float:
    """Milliseconds of one synced commit of one row, the median of fifty."""
    found: list[float] = []
    with directory() as where, closing(sqlite3.connect(where / "one.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE one (value TEXT)")
        for number in range(50):
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO one VALUES (?)", (f"{number:0400}",))
            connection.execute("COMMIT")
            found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found)


PLAIN = ("/bin/sh", "-c", '"$@" >/dev/null 2>&1; :', "sh", shutil.which("true") or "/bin/true")
"""The least that starts two processes, a shell and `true`: by its path, for the shell has one of its own."""


def spawned(count: int, at_once: int) -> float:
    """Commands per second of a posix_spawn loop that starts, waits and forgets."""
    return _loop([PLAIN] * count, at_once, [])


def shims(where: Path, count: int, at_once: int) -> float:
    """The same of the very shims: each makes its marker and leaves the exit code; nobody reads, captures or records."""
    null = os.open(os.devnull, os.O_RDWR)
    numbers = (0, 1, 2, *shim.READ_FDS, *shim.WRITE_FDS, shim.LOCK_FD)
    argvs: list[tuple[str, ...]] = []
    for number in range(count):
        name = f"{number:032x}"
        marker = str(where / name)
        order = (name, marker, f"{marker}.{shim.STOP}", str(where), "", "0022")
        argvs.append(tuple(shim.argv(*order, os.devnull, os.devnull, "", ("true",))))
    rate = _loop(argvs, at_once, [(os.POSIX_SPAWN_DUP2, null, number) for number in numbers])
    os.close(null)
    for number in range(count):
        said = (where / f"{number:032x}").read_text().split()
        check(said[1:] == ["0"], f"a bare shim said {said}")
    return rate


def _loop(argvs: Sequence[tuple[str, ...]], at_once: int, actions: list[Any]) -> float:
    began = time.perf_counter()
    live = 0
    for argv in argvs:
        if live == at_once:
            os.waitpid(-1, 0)
            live -= 1
        os.posix_spawn("/bin/sh", argv, os.environ, setsid=True, file_actions=actions)
        live += 1
    for _ in range(live):
        os.waitpid(-1, 0)
    return len(argvs) / (time.perf_counter() - began)
