"""Where a SQLite database is: beside which file its locks stand, and whether one in memory is there for all threads."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import Engine
from sqlalchemy.engine import URL
from sqlalchemy.pool import SingletonThreadPool

from runner.errors import StoreError


def beside(url: URL) -> Path | None:
    """The SQLite file that locks stand beside, that of a `file:` URI too; None where the database is in memory."""
    name = url.database or ""
    if not name.startswith("file:"):
        return Path(name) if name and name != ":memory:" else None
    name = unquote(urlsplit(name).path)
    return None if url.query.get("mode") == "memory" or name in ("", ":memory:") else Path(name)


def usable_anywhere(engine: Engine) -> None:
    """StoreError where a database in memory is one for each thread, or for the thread alone that made it."""
    if isinstance(engine.pool, SingletonThreadPool) or _bound(engine):
        raise StoreError(
            "this engine's database in memory cannot be used by another thread, and the scheduler has threads",
            hint="give url='sqlite://' instead, or make the engine with poolclass=StaticPool and "
            "connect_args={'check_same_thread': False}",
        )


def _bound(engine: Engine) -> bool:
    bound: list[bool] = []
    with engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection

        def look() -> None:
            try:
                driver.execute("SELECT 1")
            except sqlite3.ProgrammingError:
                bound.append(True)

        thread = threading.Thread(target=look, name="runner-look")
        thread.start()
        thread.join()
    return bool(bound)
