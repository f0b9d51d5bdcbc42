"""Forgetting output: what is too old, and what is more than a job, or all of them together, may keep.

The newest output stays. What nobody can tell any more whose it was goes with age. What is being written is left alone.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from sqlalchemy import Connection, and_, select

from runner.core.run import AttemptKey, Run
from runner.executors import artifacts, output
from runner.executors.place import attempt_id
from runner.jobstores.base import JobStore
from runner.jobstores.retention import USUAL, attempts_of
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore, tables
from runner.jobstores.sqlalchemy.database import translated
from runner.jobstores.sqlalchemy.purge import attempts_of_row, read, rules_of
from runner.moment import Moment
from runner.spec import JobKey, Retention

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Trimmed:
    """How many attempts lost their output, and how many bytes that were; `kept`: what is left."""

    attempts: int = 0
    bytes: int = 0
    kept: int = 0


@dataclass(slots=True)
class _Lying:
    """Output of an attempt on the disk."""

    size: int = 0
    changed: Moment = 0


def trim(
    store: JobStore,
    state_dir: Path,
    now: Moment,
    total: int,
    *,
    default: Retention = USUAL,
    wanted: Mapping[JobKey, Retention] = MappingProxyType({}),
    pause: Callable[[], object] = lambda: None,
) -> Trimmed:
    """Delete output beyond each job's `retention` and beyond `total` bytes. `pause` is called between pieces of work.

    `wanted`: as for `purge`.

    Raises StoreError where the store fails; what was deleted until then stays deleted.
    """
    found = dict(_found(state_dir))
    if not found:
        return Trimmed()
    with _known_by(store) as known:
        rules = {**known.rules(), **wanted}
        if not _needed(found, [*rules.values(), default], now, total):
            return Trimmed(kept=sum(each.size for each in found.values()))
        doomed: list[str] = []
        left: dict[str, _Lying] = dict(found)
        live: set[str] = set()
        for key, attempts in known.jobs(pause):
            rule, sum_of_job = rules.get(key, default), 0
            for attempt, ended_at in attempts:
                name = attempt_id(attempt)
                kept = left.pop(name, None)
                if ended_at is None:
                    live.add(name)
                if kept is None or ended_at is None:
                    continue
                sum_of_job += kept.size
                if ended_at < now - rule.logs or sum_of_job > rule.bytes:
                    doomed.append(name)
    # Nobody on record has these: their runs were purged, or they belong to another database.
    doomed += [name for name, kept in left.items() if kept.changed < now - default.logs]
    gone = set(doomed)
    rest = sorted(
        ((kept.changed, name) for name, kept in found.items() if name not in gone and name not in live)
    )
    left_over = sum(kept.size for name, kept in found.items() if name not in gone)
    for _, name in rest:
        if left_over <= total:
            break
        left_over -= found[name].size
        doomed.append(name)
    for name in doomed:
        _remove(state_dir, name)
        pause()
    return Trimmed(len(doomed), sum(found[name].size for name in doomed), left_over)


def kept(state_dir: Path) -> int:
    """The bytes that output and artifacts take now."""
    return sum(each.size for _, each in _found(state_dir))


def remove(state_dir: Path, attempts: Iterable[AttemptKey]) -> None:
    """Delete the output and artifacts of attempts whose runs are forgotten."""
    for attempt in attempts:
        _remove(state_dir, attempt_id(attempt))


def _needed(found: dict[str, _Lying], rules: list[Retention], now: Moment, total: int) -> bool:
    """Whether anything can be too much: most times nothing is, and then no run has to be read."""
    size = sum(each.size for each in found.values())
    oldest = min(each.changed for each in found.values())
    return (
        size > total or size > min(rule.bytes for rule in rules) or oldest < now - min(r.logs for r in rules)
    )


Attempts = Iterator[tuple[AttemptKey, Moment | None]]
"""Of one job, newest first, with the end of its run; None while it is under way."""


class _Known(Protocol):
    """What a store knows of attempts, and of how long their output is kept."""

    def rules(self) -> Mapping[JobKey, Retention]: ...

    def jobs(self, pause: Callable[[], object]) -> Iterator[tuple[JobKey, Attempts]]: ...


@contextmanager
def _known_by(store: Any) -> Iterator[_Known]:
    if not isinstance(store, SQLAlchemyJobStore):
        yield _Listed(store)
        return
    with translated("the output cannot be looked through"), store.engine.connect() as connection:
        yield _InSql(connection, store.alias)


class _Listed:
    """A store that lists all it holds."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def rules(self) -> Mapping[JobKey, Retention]:
        return {job.key: job.spec.policy.retention for job in self._store.jobs()}

    def jobs(self, pause: Callable[[], object]) -> Iterator[tuple[JobKey, Attempts]]:
        by_job: dict[JobKey, list[Run]] = defaultdict(list)
        for run in (*self._store.live(), *self._store.finished()):
            by_job[run.key.job].append(run)
        for key, runs in by_job.items():
            runs.sort(key=lambda run: run.key.slot, reverse=True)
            yield key, ((attempt, run.ended_at) for run in runs for attempt in attempts_of(run))
            pause()


class _InSql:
    def __init__(self, connection: Connection, alias: str) -> None:
        self._connection = connection
        self._alias = alias

    def rules(self) -> Mapping[JobKey, Retention]:
        return rules_of(self._connection, self._alias)

    def jobs(self, pause: Callable[[], object]) -> Iterator[tuple[JobKey, Attempts]]:
        t = tables.runs
        for row in read(self._connection, select(t.c.source, t.c.job).distinct()):
            key = JobKey(self._alias, row.source, row.job)
            yield key, _newest_first(self._connection, key, pause)


def _newest_first(connection: Connection, key: JobKey, pause: Callable[[], object]) -> Attempts:
    t = tables.runs
    before = 1 << 62
    while True:
        of_job = and_(t.c.source == key.source, t.c.job == key.id, t.c.slot < before)
        question = select(t.c.slot, t.c.nonce, t.c.steps, t.c.ended_at).where(of_job)
        rows = read(connection, question.order_by(t.c.slot.desc()).limit(_BATCH))
        if rows and len(rows) == _BATCH:
            # A slot with several runs is not cut in two.
            last = rows[-1].slot
            rows = [row for row in rows if row.slot != last] or rows
            before = rows[-1].slot
        for row in rows:
            for attempt in attempts_of_row(key, row):
                yield attempt, row.ended_at
        pause()
        if len(rows) == 0 or before > rows[-1].slot:
            return


def _found(state_dir: Path) -> Iterator[tuple[str, _Lying]]:
    """What lies on the disk, by the name of its attempt."""
    found: dict[str, _Lying] = {}
    for path, size, changed in _files(state_dir / "logs"):
        name = next((part[:32] for part in reversed(path.parts) if ".log" in part), "")
        _add(found, name, size, changed)
    root = state_dir / "artifacts"
    for path, size, changed in _files(root):
        _add(found, path.relative_to(root).parts[0], size, changed)
    yield from found.items()


def _add(found: dict[str, _Lying], name: str, size: int, changed: Moment) -> None:
    if len(name) != 32:
        return
    kept = found.setdefault(name, _Lying())
    kept.size += size
    kept.changed = max(kept.changed, changed)


def _files(root: Path) -> Iterator[tuple[Path, int, Moment]]:
    for directory, _, names in os.walk(root):
        for name in names:
            path = Path(directory, name)
            try:
                stat = path.lstat()
            except OSError:
                continue
            yield path, stat.st_size, stat.st_mtime_ns // 1_000


def _remove(state_dir: Path, name: str) -> None:
    output.remove(state_dir / "logs" / name[:2] / f"{name}.log")
    artifacts.remove(state_dir / "artifacts" / name)
