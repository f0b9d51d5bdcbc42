"""Looking after a database: check it, back it up, copy it to another kind, write it out and read it in as text."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select

from runner.errors import RunnerError, StoreCorrupt, StoreError, StoreReplaced, StoreUnknown
from runner.jobstores.codec import loads
from runner.jobstores.sqlalchemy import tables
from runner.jobstores.sqlalchemy.database import (
    EARLIER,
    HEAD,
    connect,
    file_of,
    looking,
    migrate,
    reading,
    snapshot,
    transaction,
    translated,
    url_of,
    version_of,
)
from runner.jobstores.sqlalchemy.leases import led, led_now
from runner.jobstores.sqlalchemy.mark import Mark
from runner.jobstores.urls import sqlite_at

BATCH = 500
_TABLES = (
    tables.meta,
    tables.specs,
    tables.jobs,
    tables.runs,
    tables.occurrences,
    tables.incidents,
    tables.deliveries,
    tables.requests,
    tables.leases,
)
_TEXTS = {"spec": "specs", "steps": "runs", "params": "runs", "incident": "", "delivery": "", "request": ""}
"""Columns that hold a record as text."""


@dataclass(slots=True)
class Checked:
    """What `check` found: the schema's version, rows per table, and the problems, in words."""

    version: str | None = None
    rows: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    older: bool = False
    """Whether all that is wrong is that an earlier version wrote it: `db upgrade`, or a start, mends that."""

    @property
    def good(self) -> bool:
        return not self.problems


def recognise(url: str, mark: Path, name: str = "") -> None:
    """StoreReplaced where the database is not the one it was, by the file that remembers; StoreError where it cannot be
    read. Nothing is made or changed. `name`: what people call it, where they do not call it by its URL.
    """
    remembered = Mark(mark)
    if remembered.read() is None:
        return
    engine = looking(url)
    try:
        with translated("the database cannot be opened"), engine.connect() as connection, reading(connection):
            remembered.recognise(connection, name or named(url))
    finally:
        engine.dispose()


def check(url: str, mark: Path | None = None) -> Checked:
    """Read everything: the file's own structure (SQLite), the schema's version, and every stored record.

    `mark`: the file that remembers which database it was. Raises StoreError where the database cannot be reached at
    all, StoreReplaced where it is gone. Damage is listed in `problems`, and so is that it is not the one it was.
    """
    file = file_of(url)
    if file is not None and mark is not None:
        Mark(mark).look(file)
    _must_exist(url)
    found = Checked()
    engine = looking(url)
    try:
        with translated("the database cannot be checked"), engine.connect() as connection:
            if mark is not None:
                try:
                    Mark(mark).recognise(connection, named(url))
                except StoreReplaced as error:
                    found.problems.append(str(error))
                    return found
            if engine.dialect.name == "sqlite":
                said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
                found.problems += [f"the file: {line}" for line in said if line != "ok"]
            found.version = version_of(connection)
            if found.version != HEAD:
                known = found.version or "none of ours"
                found.older = found.version in EARLIER and not found.problems
                mend = ": runner db upgrade" if found.older else ""
                found.problems.append(f"the schema is {known}, this version's is {HEAD}{mend}")
                return found
        for table in _TABLES:
            number = 0
            for row in _rows_of(engine, table):
                number += 1
                found.problems += _unreadable(table, row)
            found.rows[table.name] = number
        found.problems += _orphans(engine)
    except StoreCorrupt as error:
        found.problems.append(error.fact)
    finally:
        engine.dispose()
    return found


def named(url: str) -> str:
    """What people call the database."""
    parsed = url_of(url)
    return str(parsed.database) if parsed.get_backend_name() == "sqlite" else parsed.render_as_string()


def _unreadable(table: Table, row: dict[str, Any]) -> Iterator[str]:
    for column in _TEXTS:
        if column not in row:
            continue
        try:
            loads(row[column])
        except (RunnerError, ValueError, LookupError) as error:
            key = ", ".join(str(row[each.name]) for each in table.primary_key.columns)
            yield f"{table.name} ({key}): {column}: {error}"


def _orphans(engine: Engine) -> Iterator[str]:
    s = tables.specs
    with translated("the database cannot be checked"), engine.connect() as connection, reading(connection):
        for table in (tables.jobs, tables.runs):
            there = select(s.c.digest).where(s.c.digest == table.c.digest).exists()
            question = select(func.count()).select_from(table).where(~there)
            if number := connection.execute(question).scalar_one():
                yield f"{table.name}: {number} rows whose definition is not in the database"


def backup(url: str, dest: Path) -> None:
    """A whole copy as a SQLite file, made for its owner alone, while runners go on writing.

    Raises StoreError where `dest` is there already or the database cannot be read.
    """
    if dest.exists():
        raise StoreError(f"{dest} is there already", hint="name a file that is not")
    _must_exist(url)
    parsed = url_of(url)
    if parsed.get_backend_name() != "sqlite":
        try:
            copy(url, sqlite_at(dest))
        except BaseException:
            dest.unlink(missing_ok=True)
            raise
        finally:
            for end in ("-wal", "-shm", ".migrate.lock"):
                Path(f"{dest}{end}").unlink(missing_ok=True)
        return
    partial = dest.with_name(f".{dest.name}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        source = sqlite3.connect(f"file:{quote(str(parsed.database))}?mode=ro", uri=True)
        target = sqlite3.connect(partial)
        try:
            source.backup(target)
        finally:
            target.close()
            source.close()
        # Only a whole backup ever bears the name.
        partial.rename(dest)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StoreError(f"the backup cannot be made in {dest.parent}: {error.strerror}") from error
    except sqlite3.Error as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"the backup cannot be made: {error}") from error


def restore(backup: Path, url: str, mark: Path) -> Path | None:
    """Put a backup in the place of a SQLite database; where what was there is kept, if anything was.

    Raises StoreError where the backup is damaged or none of ours, where a runner leads the database, and for servers:
    there `import` or `copy` fill an empty one.
    """
    target = file_of(url)
    if target is None:
        raise StoreError(
            "only a SQLite file can be put in place",
            hint="runner db import fills an empty database of a server",
        )
    found = check(sqlite_at(backup))
    if not found.good and not found.older:
        raise _not_good(found)
    if led(target):
        raise StoreError(f"a runner is using {target}", hint="stop it first")
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    kept = None
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(backup))}?mode=ro", uri=True)) as source:
            os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
            with contextlib.closing(sqlite3.connect(partial)) as copied:
                source.backup(copied)
        if found.older:
            _bring_up(partial)
        if target.exists():
            names = ("aside", *(f"aside-{number}" for number in range(2, 100)))
            paths = (target.with_name(f"{target.name}.{name}") for name in names)
            kept = next(path for path in paths if not path.exists())
            for end in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{target}{end}").rename(f"{kept}{end}")
        partial.rename(target)
        mark.unlink(missing_ok=True)
    except (sqlite3.Error, OSError) as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"the backup cannot be put in place: {error}") from error
    except StoreError:
        partial.unlink(missing_ok=True)
        raise
    return kept


def _bring_up(file: Path) -> None:
    """Give a database of an earlier version this one's schema, and look at it again."""
    engine = connect(sqlite_at(file))
    try:
        migrate(engine)
    finally:
        engine.dispose()
        Path(f"{file}.migrate.lock").unlink(missing_ok=True)
    found = check(sqlite_at(file))
    if not found.good:
        raise _not_good(found)


def _not_good(found: Checked) -> StoreError:
    return StoreError(f"the backup is not good: {found.problems[0]}", hint="take another one")


def in_use(url: str) -> bool:
    """Whether a runner leads a source of this database now."""
    file = file_of(url)
    if file is not None:
        return led(file)
    engine = connect(url)
    try:
        with translated("the database cannot be read"), engine.connect() as connection, reading(connection):
            return version_of(connection) == HEAD and led_now(connection)
    finally:
        engine.dispose()


def copy(source: str, dest: str) -> dict[str, int]:
    """Everything, as of one moment, from one database into an empty one of any kind; rows per table.

    Where the copy shall take the source's place nobody may lead that meanwhile: what is written there after the copy
    began is not in it, and would be done once more.
    """
    _must_exist(source)
    reader = connect(source)
    try:
        with translated("the database cannot be copied"):
            migrate(reader)
            with snapshot(reader) as connection:
                return _fill(dest, ((table, _rows(connection, table)) for table in _TABLES))
    finally:
        reader.dispose()


def export(url: str, file: IO[str]) -> dict[str, int]:
    """Everything as text, as of one moment: a line of JSON for each row, the first one says which schema; rows per
    table."""
    _must_exist(url)
    engine = connect(url)
    counts: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        stack.callback(engine.dispose)
        with translated("the database cannot be exported"):
            migrate(engine)
            opened = stack.enter_context(snapshot(engine))
        file.write(json.dumps({"runner": "export", "schema": HEAD}) + "\n")
        for table in _TABLES:
            counts[table.name] = 0
            for row in _rows(opened, table):
                file.write(json.dumps([table.name, row], ensure_ascii=True) + "\n")
                counts[table.name] += 1
    return counts


def import_(file: IO[str], url: str) -> dict[str, int]:
    """Read what `export` wrote into an empty database; all or nothing; rows per table.

    Raises StoreError for a file that is none of ours, or a line that cannot be read, by its number.
    """
    return _fill(url, _lines(file))


def _lines(file: IO[str]) -> Iterator[tuple[Table, Iterable[dict[str, Any]]]]:
    by_name = {table.name: table for table in _TABLES}
    for number, line in enumerate(file, 1):
        try:
            value = json.loads(line)
            if number == 1:
                _first_line(value)
            else:
                name, row = value
                table = by_name[name]
                # An earlier version knew no values for the columns that came later.
                later = {each.name: None for each in table.columns if each.nullable}
                there = {
                    each.name: row[each.name]
                    for each in table.columns
                    if each.name in row or not each.nullable
                }
                yield table, [later | there]
        except (ValueError, TypeError, LookupError) as error:
            raise StoreError(f"not a line of an export: {error}", place=f"line {number}") from None


def _first_line(value: Any) -> None:
    if not isinstance(value, dict) or value.get("runner") != "export":
        raise StoreError("this file is no export", place="line 1", hint="runner db export writes one")
    if value.get("schema") not in (*EARLIER, HEAD):
        fact = f"the export has schema {value.get('schema')}, and this version knows {HEAD}"
        raise StoreError(fact, place="line 1", hint="import it with the version that wrote it")


def _fill(dest: str, source: Iterable[tuple[Table, Iterable[dict[str, Any]]]]) -> dict[str, int]:
    engine = connect(dest)
    counts = {table.name: 0 for table in _TABLES}
    try:
        with translated("the database cannot be filled"):
            migrate(engine)
            _must_be_empty(engine)
            waiting: list[dict[str, Any]] = []
            last: Table | None = None
            with engine.connect() as connection, transaction(connection):
                # The copy is the same store: it takes over the id.
                connection.execute(delete(tables.meta))
                for table, rows in source:
                    for row in rows:
                        if waiting and (table is not last or len(waiting) == BATCH):
                            assert last is not None
                            connection.execute(insert(last), waiting)
                            waiting = []
                        last = table
                        waiting.append(row | {"until": None} if table is tables.leases else row)
                        counts[table.name] += 1
                if waiting and last is not None:
                    connection.execute(insert(last), waiting)
    finally:
        engine.dispose()
    return counts


def _must_be_empty(engine: Engine) -> None:
    with engine.connect() as connection, reading(connection):
        for table in _TABLES:
            if (
                table is not tables.meta
                and connection.execute(select(func.count()).select_from(table)).scalar_one()
            ):
                raise StoreError(
                    f"the target is not empty: there are rows in {table.name}",
                    hint="copy into a new database; two histories are never mixed",
                )


def _must_exist(url: str) -> None:
    """Looking must not make a SQLite file."""
    parsed = url_of(url)
    path = Path(parsed.database or "")
    if parsed.get_backend_name() == "sqlite" and not path.is_file():
        must_be_file(path)
        raise StoreUnknown(
            f"there is no database {parsed.database}",
            hint="a first run or `runner serve` makes it; is it the right file (-f), state directory or URL?",
        )


def must_be_file(path: Path) -> None:
    """StoreUnknown where something else is in a SQLite database's place."""
    if path.exists() and not path.is_file():
        raise StoreUnknown(f"{path} is no file: no database", hint="put the right one back in its place")


def _rows_of(engine: Engine, table: Table) -> Iterator[dict[str, Any]]:
    with translated("the database cannot be read"), engine.connect() as connection, reading(connection):
        yield from _rows(connection, table)


def _rows(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    with translated("the database cannot be read"):
        found = connection.execution_options(yield_per=BATCH).execute(select(table))
        for row in found.mappings():
            yield dict(row)
