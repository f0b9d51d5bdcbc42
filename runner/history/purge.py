"""Forgetting what is old enough: finished records by each job's retention, in small batches.

Live runs, open incidents, waiting deliveries and unanswered requests are never touched. Whatever stops it half-way,
the next purge goes on; purging twice is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, delete, func, or_, select, update

from runner.core.run import RunKey
from runner.errors import RunnerError
from runner.jobstores.codec import loads
from runner.jobstores.sqlalchemy import tables
from runner.jobstores.sqlalchemy.database import transaction, translated
from runner.moment import Moment
from runner.spec import JobKey, Retention

BATCH = 500
"""Rows that one transaction deletes at most: the writer never waits long for its turn."""
USUAL = Retention()
SKIPPED_PER_RUN = 10
"""Occurrences that did not run are kept up to this many times the number of runs."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What was deleted. `runs` names the runs, so that their output can follow."""

    runs: tuple[RunKey, ...] = ()
    occurrences: int = 0
    incidents: int = 0
    deliveries: int = 0
    requests: int = 0
    specs: int = 0


def purge(engine: Engine, now: Moment, *, default: Retention = USUAL, alias: str = "default") -> Purged:
    """Delete what every job's retention no longer covers; `default` holds for jobs that are gone.

    Raises StoreError where the database fails; what was deleted until then stays deleted.
    """
    with translated("the history cannot be purged"), engine.connect() as connection:
        return _Purge(connection, now, default, alias).all()


class _Purge:
    def __init__(self, connection: Connection, now: Moment, default: Retention, alias: str) -> None:
        self.connection = connection
        self.now = now
        self.default = default
        self.alias = alias

    def all(self) -> Purged:
        runs: list[RunKey] = []
        occurrences = 0
        rules = self._rules()
        for key in self._jobs():
            rule = rules.get(key, self.default)
            runs += self._runs(key, rule)
            occurrences += self._occurrences(key, rule)
        oldest = self.now - self.default.age
        i, d, r = tables.incidents, tables.deliveries, tables.requests
        incidents = self._delete(i, i.c.closed_at < oldest)
        deliveries = self._delete(d, and_(d.c.state != "waiting", d.c.created_at < oldest))
        requests = self._delete(r, and_(r.c.state != "asked", r.c.asked_at < oldest))
        return Purged(tuple(runs), occurrences, incidents, deliveries, requests, self._specs())

    def _rules(self) -> dict[JobKey, Retention]:
        t = tables.jobs
        joined = t.join(tables.specs, tables.specs.c.digest == t.c.digest)
        question = select(t.c.source, t.c.id, tables.specs.c.spec).select_from(joined)
        rules: dict[JobKey, Retention] = {}
        for row in self._read(question):
            try:
                rules[JobKey(self.alias, row.source, row.id)] = loads(row.spec).policy.retention
            except (RunnerError, ValueError, AttributeError):
                continue
        return rules

    def _jobs(self) -> Sequence[JobKey]:
        found: dict[JobKey, None] = {}
        for table in (tables.runs, tables.occurrences):
            for row in self._read(select(table.c.source, table.c.job).distinct()):
                found[JobKey(self.alias, row.source, row.job)] = None
        return list(found)

    def _runs(self, key: JobKey, rule: Retention) -> list[RunKey]:
        t = tables.runs
        of_job = and_(t.c.source == key.source, t.c.job == key.id, t.c.ended_at.is_not(None))
        old = self._old(t, of_job, t.c.ended_at < self.now - rule.age, rule.runs)
        gone: list[RunKey] = []
        for rows in self._batches(t, old):
            gone += [RunKey(key, row.slot, row.nonce) for row in rows]
        return gone

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

    def _batches(self, table: Table, condition: ColumnElement[bool]) -> Iterator[Sequence[Any]]:
        keys = list(table.primary_key.columns)
        question = select(*keys).where(condition).limit(BATCH)
        while True:
            with transaction(self.connection):
                rows = self.connection.execute(question).all()
                for row in rows:
                    this = and_(*(key == value for key, value in zip(keys, row, strict=True)))
                    self.connection.execute(delete(table).where(this))
            if rows:
                yield rows
            if len(rows) < BATCH:
                return

    def _read(self, question: Any) -> Sequence[Any]:
        rows = self.connection.execute(question).all()
        if self.connection.in_transaction() and self.connection.dialect.name != "sqlite":
            self.connection.rollback()
        return rows


def kept(engine: Engine) -> dict[str, int]:
    """How many rows each table holds."""
    with translated("the history cannot be counted"), engine.connect() as connection:
        return {
            table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for table in tables.metadata.sorted_tables
        }
