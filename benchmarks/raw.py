"""The machine's limits, with nothing of ours: what the tables stand beside. Not a table itself."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    with sqlite3.connect(database) as here, sqlite3.connect(to) as there:
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
