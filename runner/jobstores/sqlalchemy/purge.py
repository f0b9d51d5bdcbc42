"""Forgetting what is old enough: finished records by each job's retention, in small batches.

Live runs, open incidents, waiting deliveries and unanswered requests are never touched. Whatever stops it half-way,
the next purge goes on; purging twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)

from runner.core.run import AttemptKey, RunKey
from runner.errors import RunnerError
from runner.jobstores.codec import loads
from runner.jobstores.retention import SKIPPED_PER_RUN, USUAL, Purged
from runner.jobstores.sqlalchemy import tables
from runner.jobstores.sqlalchemy.database import reading, transaction, translated
from runner.moment import Moment
from runner.spec import JobKey, Retention

BATCH = 500
"""Rows that one transaction deletes at most: the writer never waits long for its turn."""


def purge(
    engine: Engine,
    now: Moment,
    *,
    alias: str = "default",
    wanted: Mapping[JobKey, Retention] = MappingProxyType({}),
    pause: Callable[[], object] = lambda: None,
) -> Purged:
    """As `JobStore.purge` says. `pause` is called between two transactions: who waits for a lock of SQLite's looks for
    it from time to time only, and would go on missing it.
    """
    with translated("the history cannot be purged"), engine.connect() as connection:
        return _Purge(connection, now, alias, wanted, pause).all()


class _Purge:
    def __init__(
        self,
        connection: Connection,
        now: Moment,
        alias: str,
        wanted: Mapping[JobKey, Retention],
        pause: Callable[[], object],
    ) -> None:
        self.connection = connection
        self.now = now
        self.alias = alias
        self.wanted = wanted
        self.pause = pause

    def all(self) -> Purged:
        runs: list[RunKey] = []
        attempts: list[AttemptKey] = []
        occurrences = 0
        rules = {**rules_of(self.connection, self.alias), **self.wanted}
        for key in self._jobs():
            rule = rules.get(key, USUAL)
            for rows in self._runs(key, rule):
                runs += [RunKey(key, row.slot, row.nonce) for row in rows]
                attempts += [each for row in rows for each in attempts_of_row(key, row)]
            occurrences += self._occurrences(key, rule)
        oldest = self.now - USUAL.age
        i, d, r = tables.incidents, tables.deliveries, tables.requests
        incidents = self._delete(i, i.c.closed_at < oldest)
        deliveries = self._delete(d, and_(d.c.state != "waiting", d.c.created_at < oldest))
        requests = self._delete(r, and_(r.c.state != "asked", r.c.asked_at < oldest))
        return Purged(
            tuple(runs), occurrences, incidents, deliveries, requests, self._specs(), tuple(attempts)
        )

    def _jobs(self) -> Sequence[JobKey]:
        found: dict[JobKey, None] = {}
        for table in (tables.runs, tables.occurrences):
            for row in self._read(select(table.c.source, table.c.job).distinct()):
                found[JobKey(self.alias, row.source, row.job)] = None
        return list(found)

    def _runs(self, key: JobKey, rule: Retention) -> Iterator[Sequence[Any]]:
        t = tables.runs
        of_job = and_(t.c.source == key.source, t.c.job == key.id, t.c.ended_at.is_not(None))
        old = self._old(t, of_job, t.c.ended_at < self.now - rule.age, rule.runs)
        return self._batches(t, old, t.c.steps)

    def _occurrences(self, key: JobKey, rule: Retention) -> int:
        t = tables.occurrences
        of_job = and_(t.c.source == key.source, t.c.job == key.id)
        too_old = t.c.decided_at < self.now - rule.age
        return self._delete(t, self._old(t, of_job, too_old, rule.runs * SKIPPED_PER_RUN))

    def _old(
        self, table: Table, of_job: ColumnElement[bool], too_old: ColumnElement[bool], most: int
    ) -> ColumnElement[bool]:
        """Rows of a job past its age, or behind its newest `most`."""
        behind = select(table.c.slot).where(of_job).order_by(table.c.slot.desc()).offset(most).limit(1)
        found = self._read(behind)
        return and_(of_job, or_(too_old, table.c.slot <= found[0].slot)) if found else and_(of_job, too_old)

    def _specs(self) -> int:
        """Specs that neither a job nor a run refers to. The mark tells writers to look again before they refer."""
        s = tables.specs
        used = [
            select(t.c.digest).where(t.c.digest == s.c.digest).exists() for t in (tables.jobs, tables.runs)
        ]
        unused = and_(*(~each for each in used))
        if not self._read(select(s.c.digest).where(unused).limit(1)):
            return 0
        with transaction(self.connection):
            mark = self.connection.execute(tables.SWEPT).scalar()
            t = tables.meta
            if mark is None:
                self.connection.execute(t.insert().values(name="swept", value="1"))
            else:
                again = str(int(mark) + 1)
                self.connection.execute(update(t).where(t.c.name == "swept").values(value=again))
            return self.connection.execute(delete(s).where(unused)).rowcount

    # ── in small pieces ─────────────────────────────────────────────────────────────────────

    def _delete(self, table: Table, condition: ColumnElement[bool]) -> int:
        return sum(len(rows) for rows in self._batches(table, condition))

    def _batches(
        self, table: Table, condition: ColumnElement[bool], *more: ColumnElement[Any]
    ) -> Iterator[Sequence[Any]]:
        keys = list(table.primary_key.columns)
        question = select(*keys, *more).where(condition).limit(BATCH)
        this = delete(table).where(and_(*(key == bindparam(f"k_{key.name}") for key in keys)))
        while True:
            # Read before: what is over does not change, and a transaction keeps the writer waiting.
            rows = self._read(question)
            if rows:
                gone = [
                    {f"k_{key.name}": value for key, value in zip(keys, row, strict=False)} for row in rows
                ]
                with transaction(self.connection):
                    self.connection.execute(this, gone)
                yield rows
                self.pause()
            if len(rows) < BATCH:
                return

    def _read(self, question: Any) -> Sequence[Any]:
        return read(self.connection, question)


def read(connection: Connection, question: Any) -> Sequence[Any]:
    """The rows, without a transaction left open."""
    with reading(connection):
        return connection.execute(question).all()


def rules_of(connection: Connection, alias: str = "default") -> dict[JobKey, Retention]:
    """The retention of every job on record."""
    t = tables.jobs
    joined = t.join(tables.specs, tables.specs.c.digest == t.c.digest)
    question = select(t.c.source, t.c.id, tables.specs.c.spec).select_from(joined)
    rules: dict[JobKey, Retention] = {}
    for row in read(connection, question):
        try:
            rules[JobKey(alias, row.source, row.id)] = loads(row.spec).policy.retention
        except (RunnerError, ValueError, AttributeError):
            continue
    return rules


def attempts_of_row(job: JobKey, row: Any) -> Iterator[AttemptKey]:
    """Every attempt of a run, of a row with its slot, nonce and steps."""
    try:
        states = loads(row.steps)
    except RunnerError:
        return
    for state in states:
        for number in range(1, state.attempt + 1):
            yield AttemptKey(RunKey(job, row.slot, row.nonce), state.id, number)


def kept(engine: Engine) -> dict[str, int]:
    """How many rows each table holds."""
    with translated("the history cannot be counted"), engine.connect() as connection:
        return {
            table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for table in tables.metadata.sorted_tables
        }
