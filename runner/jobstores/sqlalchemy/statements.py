"""The statements of a turn, compiled once for each dialect.

SQLAlchemy writes the SQL; what it would do again for every row of every turn (binding by name, keying its cache) is
done once here, and the rows go to the driver as they are: integers and texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    Column,
    Dialect,
    Executable,
    Integer,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    literal_column,
    text,
    update,
)

from runner.jobstores.sqlalchemy import tables
from runner.jobstores.sqlalchemy.database import Channel

Values = tuple[Any, ...]
"""The values of a row, in the order of its table's columns where nothing else is said."""

JOB_MOVE = (
    "digest next_at state reason paused_until passed last_status last_success failures backs late_at source id"
).split()
"""What changes of a job, and its key, in the order of the statement."""
RUN_MOVE = "status reason steps started_at ended_at due source job slot nonce".split()
RUN_KEY = ("source", "job", "slot", "nonce")
_JOB_KEY = ("source", "id")
JOB_BEGUN = "source id digest next_at passed".split()
"""What is not the same of all jobs that have just been added, in the order of the statement."""
_BEGUN = {"state": "'scheduled'", "reason": "''", "failures": "0", "backs": "0"}
"""What is, besides what is empty: as it stands in SQL."""


_AT_A_TIME = 1_000
"""Rows in one statement: a document of them is a megabyte or so."""


class Together:
    """The same for many rows in one statement, on PostgreSQL: they travel as one JSON document.

    A statement for each row costs the server more than the row. `sql` reads the rows as `v`; their values come in the
    order of the names `given`, and those of `columns` are sent.
    """

    def __init__(
        self, sql: str, table: Table, columns: Sequence[str], given: Sequence[str], dialect: Dialect
    ) -> None:
        kinds = (f"{_quoted(name)} {_kind(table.c[name])}" for name in columns)
        source = f"json_to_recordset(CAST(:rows AS json)) AS v({', '.join(kinds)})"
        compiled = text(sql.format(rows=source)).compile(dialect=dialect)
        self._text, self._positional = str(compiled), compiled.positional
        places = {name: number for number, name in enumerate(given)}
        self._fields = [(name, places[name]) for name in columns]

    def run(self, channel: Channel, rows: Sequence[Values]) -> None:
        fields = self._fields
        for first in range(0, len(rows), _AT_A_TIME):
            part = rows[first : first + _AT_A_TIME]
            document = [{name: row[place] for name, place in fields} for row in part]
            rows_as_json = json.dumps(document, ensure_ascii=False)
            channel.execute(self._text, (rows_as_json,) if self._positional else {"rows": rows_as_json})


def _kind(column: Column[Any]) -> str:
    return "bigint" if isinstance(column.type, Integer) else "text"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _listed(names: Iterable[str], form: str) -> str:
    return ", ".join(form.format(name=_quoted(name)) for name in names)


def _keyed(table: Table, keys: Iterable[str]) -> str:
    return " AND ".join(f"{table.name}.{_quoted(key)} = v.{_quoted(key)}" for key in keys)


class Prepared:
    """One statement for many rows, whose values come in the order of the names `given`."""

    def __init__(
        self,
        statement: Any,
        given: Sequence[str],
        dialect: Dialect,
        columns: Sequence[str] = (),
        together: Together | None = None,
    ) -> None:
        self._together = together
        keys = list(columns) or None
        compiled = statement.compile(dialect=dialect, column_keys=keys)
        self._text = str(compiled)
        places = {name: number for number, name in enumerate(given)}
        self._names: list[str] | None = None if compiled.positional else list(compiled.bind_names.values())
        names: list[str] = list((compiled.positiontup if compiled.positional else self._names) or ())
        # A bound name that is not the column's own begins with its part: `k_` the key, `v_` the value.
        where = [places[name if name in places else name[2:]] for name in names]
        self._pick = itemgetter(*where) if len(where) > 1 else None
        self._only = where[0]
        self._as_it_is = where == list(range(len(places)))

    def run(self, channel: Channel, rows: Sequence[Values]) -> None:
        """Execute for every row; nothing where there is none."""
        if not rows:
            return
        if self._together is not None and len(rows) > 1:
            self._together.run(channel, rows)
            return
        found: Sequence[Any]
        if self._pick is None:
            found = [(row[self._only],) for row in rows]
        elif self._as_it_is:
            found = rows
        else:
            found = list(map(self._pick, rows))
        if self._names is not None:
            found = [dict(zip(self._names, row, strict=True)) for row in found]
        if len(found) > 1:
            channel.many(self._text, found)
        else:
            channel.execute(self._text, found[0])


class Statements:
    """All that a turn executes."""

    def __init__(self, dialect: Dialect) -> None:
        t = tables
        self.insert_run = self._insert(t.runs, dialect)
        self.move_run = self._update(t.runs, RUN_KEY, RUN_MOVE, dialect)
        self.move_job = self._update(t.jobs, _JOB_KEY, JOB_MOVE, dialect)
        self.delete_job = self._delete(t.jobs, _JOB_KEY, dialect)
        # Where a value is bound for each row, that takes longer than to write the row.
        self.begin_job = self._begin(t.jobs, dialect) if dialect.name == "sqlite" else None
        self._delete_old: dict[str, Prepared] = {}
        self._insert_new: dict[str, Prepared] = {}
        # SQLite replaces in one statement; elsewhere what stood there is deleted first.
        self._at_once = dialect.name == "sqlite"
        for table in (t.jobs, t.specs, t.occurrences, t.incidents, t.deliveries, t.requests):
            self._delete_old[table.name] = self._delete(
                table, [key.name for key in table.primary_key], dialect
            )
            self._insert_new[table.name] = self._insert(table, dialect, replacing=self._at_once)

    def replace(
        self, channel: Channel, table: Table, rows: Sequence[Values], *, distinct: bool = False
    ) -> None:
        """Insert, whatever stood under the same key: the same on every database. `distinct`: no key comes twice."""
        if not rows:
            return
        if not distinct:
            keys = [number for number, column in enumerate(table.columns) if column.primary_key]
            rows = list({tuple(row[key] for key in keys): row for row in rows}.values())
        if not self._at_once:
            self._delete_old[table.name].run(channel, rows)
        self._insert_new[table.name].run(channel, rows)

    @staticmethod
    def _insert(table: Table, dialect: Dialect, *, replacing: bool = False) -> Prepared:
        statement = insert(table).prefix_with("OR REPLACE") if replacing else insert(table)
        names = [column.name for column in table.columns]
        together = None
        if dialect.name == "postgresql":
            into, values = _listed(names, "{name}"), _listed(names, "v.{name}")
            sql = f"INSERT INTO {table.name} ({into}) SELECT {values} FROM {{rows}}"
            together = Together(sql, table, names, names, dialect)
        return Prepared(statement, names, dialect, names, together)

    @staticmethod
    def _begin(table: Table, dialect: Dialect) -> Prepared:
        fixed: dict[str, Any] = {
            each.name: literal_column(_BEGUN.get(each.name, "NULL")) for each in table.columns
        }
        bound: dict[str, Any] = {name: bindparam(f"v_{name}") for name in JOB_BEGUN}
        statement = insert(table).prefix_with("OR REPLACE").values({**fixed, **bound})
        return Prepared(statement, JOB_BEGUN, dialect)

    @staticmethod
    def _update(table: Table, keys: Sequence[str], given: Sequence[str], dialect: Dialect) -> Prepared:
        columns = [name for name in given if name not in keys]
        moved: dict[str, Any] = {name: bindparam(f"v_{name}") for name in columns}
        together = None
        if dialect.name == "postgresql":
            moves = _listed(columns, "{name} = v.{name}")
            sql = f"UPDATE {table.name} SET {moves} FROM {{rows}} WHERE {_keyed(table, keys)}"
            together = Together(sql, table, given, given, dialect)
        statement = update(table).where(_is(table, keys)).values(moved)
        return Prepared(statement, given, dialect, together=together)

    @staticmethod
    def _delete(table: Table, keys: Sequence[str], dialect: Dialect) -> Prepared:
        names = [column.name for column in table.columns]
        together = None
        if dialect.name == "postgresql":
            sql = f"DELETE FROM {table.name} USING {{rows}} WHERE {_keyed(table, keys)}"
            together = Together(sql, table, list(keys), names, dialect)
        return Prepared(delete(table).where(_is(table, keys)), names, dialect, together=together)


_of_sqlite: dict[tuple[type, str], Statements] = {}


def statements_of(dialect: Dialect) -> Statements:
    """Those of a dialect. SQLite's are the same for every file, and one process may open many."""
    if dialect.name != "sqlite":
        return Statements(dialect)
    key = (type(dialect), dialect.paramstyle)
    found = _of_sqlite.get(key)
    if found is None:
        found = _of_sqlite[key] = Statements(dialect)
    return found


def _is(table: Table, keys: Iterable[str]) -> Any:
    return and_(*(table.c[key] == bindparam(f"k_{key}") for key in keys))


class Question:
    """A statement for one set of values by name, compiled once."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]  # every statement has it
        self._text = str(compiled)
        self._order = list(compiled.positiontup) if compiled.positional else None
        self._fixed = compiled.params

    def scalar(self, channel: Channel, **values: Any) -> Any:
        given = {**self._fixed, **values}
        found = tuple(given[name] for name in self._order) if self._order is not None else given
        return channel.scalar(self._text, found)
