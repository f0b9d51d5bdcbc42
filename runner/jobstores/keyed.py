"""The job store on top of keys and values: what is written where. Redis, MongoDB, ZooKeeper, etcd and RethinkDB stand
on it and bring their own way to write many values at once.

A row is text under (table, source, key). Tables: `jobs`, `runs` (the live ones), `past` (the finished), `occurrences`
(those that did not run), `incidents` (open), `clock` (when it was set), `deliveries` (waiting), `requests` (asked),
`answers` (all, source `*`).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from runner.core.action import Change, Save
from runner.core.run import Delivery, Incident, Job, Occurrence, Request, Run, RunKey
from runner.errors import LeaseLost, RunExists, RunnerError, StoreError, StoreUnreachable
from runner.jobstores.base import LEASE, Fence, Loaded, Unreadable
from runner.jobstores.batch import Batch
from runner.jobstores.keyed_rows import (
    Put,
    Row,
    job_fields,
    job_of,
    key_text,
    past_row,
    run_fields,
    run_of,
    slot_key,
    slot_parts,
)
from runner.jobstores.notice import Ear
from runner.jobstores.pickled import Codec
from runner.jobstores.retention import USUAL, Purged, Rules, attempts_of
from runner.moment import Moment, Span
from runner.spec import JobKey, JobSpec, Retention

MOST_SKIPPED = 1_000
"""Occurrences of a job that did not run and are remembered between two purges. Of finished runs, the job's retention
says how many."""
MOST_ANSWERS = 1_000
MOST_CLOCK_CHANGES = 100
"""Of a source."""
_AT_ONCE = 200
"""Rows that one turn of a purge deletes."""
ANYWHERE = "*"
_OPAQUE = Codec(opaque=True)


class KeyedJobStore(ABC):
    """Everything but the server's own commands, which are the abstract methods below.

    Whatever `errors` names is raised as StoreError, and what `unreachable` names, of those, as StoreUnreachable,
    but for what `refused` names: there somebody has answered.
    """

    errors: tuple[type[BaseException], ...] = (OSError,)
    unreachable: tuple[type[BaseException], ...] = (OSError,)
    refused: tuple[type[BaseException], ...] = ()
    chooses_lease = True
    """Whether a lead may last longer than `LEASE` once, and shorter again when it is renewed."""

    _given: Any = None
    """A client of the program's own."""

    @property
    def lent(self) -> bool:
        """Whether it works with a client of the program's, whose connections may be bound to a thread."""
        return self._given is not None

    def __init__(self, alias: str = "default", codec: Codec | None = None) -> None:
        self.alias = alias
        self._codec = codec or Codec()
        self._lock = threading.RLock()
        self._opened = False
        self._ears: list[Ear] = []
        self._live: set[RunKey] = set()
        self._specs: dict[int, tuple[JobSpec, str]] = {}
        self._trails: dict[tuple[str, str], dict[str, deque[str]]] = {}

    # ── what a server brings ────────────────────────────────────────────────────────────────

    @abstractmethod
    def _connect(self) -> None: ...

    @abstractmethod
    def _disconnect(self) -> None: ...

    @abstractmethod
    def _commit(self, fence: Fence | None, absent: Sequence[Row], puts: Sequence[Put]) -> Sequence[Row]:
        """All of `puts` or nothing. LeaseLost unless the fence is the newest. Rows of `absent` that are there after
        all are returned, and then nothing is written. Of a row that comes twice the last text stays."""

    @abstractmethod
    def _all(self, source: str, *tables: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        """(key, text) of every row of a source, by table, in any order; all tables as they were at one moment."""

    @abstractmethod
    def _get(self, row: Row) -> str | None: ...

    @abstractmethod
    def _sources(self) -> Sequence[str]:
        """Every source that ever wrote."""

    @abstractmethod
    def _take(self, source: str, owner: str, lease: Span) -> int | None:
        """Take or renew the lead for so long; its number, or None while it is somebody else's."""

    @abstractmethod
    def _end(self, fence: Fence) -> None:
        """Give the lead back, if it is still this one."""

    @abstractmethod
    def _notices(self, source: str, ear: Ear) -> Iterator[None]:
        """As `Ear` wants them: something was asked of the source, or its lead was given up."""

    def _tells(self) -> bool:
        """Whether the server can tell of what others do; asked once it is open."""
        return True

    # ── the protocol ────────────────────────────────────────────────────────────────────────

    def open(self) -> None:
        """Connect. May be called again after `close`."""
        with self._lock, self._translated("the store cannot be opened"):
            if not self._opened:
                self._connect()
                self._opened = True

    def close(self) -> None:
        ears, self._ears = self._ears, []
        for ear in ears:
            ear.close()
        with self._lock:
            if self._opened:
                self._opened = False
                self._trails.clear()
                self._live.clear()
                with self._translated("the store cannot be closed"):
                    self._disconnect()

    def load(self, source: str) -> Loaded:
        with self._using("the jobs cannot be read"):
            unreadable: list[Unreadable] = []
            rows = self._all(source, "jobs", "runs", "incidents", "deliveries")
            jobs = self._jobs(source, rows["jobs"], unreadable)
            runs = sorted(self._runs(source, rows["runs"], unreadable), key=lambda run: run.key.slot)
            incidents = [self._ours(self._codec.loads(text)) for _, text in rows["incidents"]]
            deliveries = [self._ours(self._codec.loads(text)) for _, text in rows["deliveries"]]
            self._live = {key for key in self._live if key.job.source != source} | {run.key for run in runs}
            # What another process finished meanwhile is counted again at the next write.
            self._trails = {key: trail for key, trail in self._trails.items() if key[1] != source}
            return Loaded(tuple(jobs), tuple(runs), tuple(incidents), tuple(deliveries), tuple(unreadable))

    def live_of(self, source: str) -> Sequence[Run]:
        with self._using("the runs cannot be read"):
            return self._runs(source, self._rows(source, "runs"), [])

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        with self._using("the batch cannot be written"):
            batch = Batch(changes)
            absent = {past_row(run.key): run.key for run in batch.runs if run.key not in self._live}
            puts = list(self._puts(batch))
            there = self._commit(fence, list(absent), puts)
            if there:
                raise RunExists(absent[row] for row in there)
            for run in batch.runs:
                (self._live.discard if run.status.final else self._live.add)(run.key)

    def hold(self, source: str, owner: str, now: Moment, lease: Span = LEASE) -> Fence | None:
        with self._using("the lead cannot be taken"):
            lease = lease if self.chooses_lease else LEASE
            number = self._take(source, owner, lease)
            return None if number is None else Fence(source, owner, number, now + lease)

    def release(self, fence: Fence) -> None:
        with self._using("the lead cannot be given back"):
            self._end(fence)

    def listen(self, source: str, heard: Callable[[], None]) -> bool:
        with self._using("notices cannot be heard"):
            if not self._tells():
                return False
            self._ears.append(Ear(partial(self._notices, source), heard))
            return True

    def check(self, values: Iterable[Any]) -> None:
        self._codec.check(values)

    def ask(self, request: Request) -> None:
        self.write([Save(request)])

    def asked(self, source: str) -> Sequence[Request]:
        with self._using("the requests cannot be read"):
            found = [self._codec.loads(text) for _, text in self._rows(source, "requests")]
            return sorted(found, key=lambda request: (request.asked_at, request.id))

    def answer(self, request: str) -> Request | None:
        with self._using("the requests cannot be read"):
            text = self._get(Row("answers", ANYWHERE, request))
            found: Request | None = self._codec.loads(text) if text is not None else None
            return found

    def purge(
        self,
        now: Moment,
        *,
        wanted: Mapping[JobKey, Retention] = MappingProxyType({}),
        pause: Callable[[], object] = lambda: None,
    ) -> Purged:
        rules = Rules(now, {job.key: job.spec.policy.retention for job in self.jobs()} | dict(wanted))
        runs = rules.runs(self.finished())
        skipped = rules.occurrences(self.occurrences())
        answered = self._answered(now - USUAL.age)
        doomed = [past_row(run.key) for run in runs]
        doomed += [
            Row("occurrences", each.job.source, slot_key(each.job.id, each.slot, each.nonce))
            for each in skipped
        ]
        doomed += answered
        clock = [each for each in self.clock_changes() if (each.closed_at or each.since) < now - USUAL.age]
        doomed += map(_clock_row, clock)
        for at in range(0, len(doomed), _AT_ONCE):
            with self._using("the history cannot be purged"):
                self._commit(None, (), [Put(row, None) for row in doomed[at : at + _AT_ONCE]])
            pause()
        attempts = tuple(each for run in runs for each in attempts_of(run))
        return Purged(
            tuple(run.key for run in runs),
            len(skipped),
            incidents=len(clock),
            requests=len(answered),
            attempts=attempts,
        )

    def _answered(self, before: Moment) -> list[Row]:
        """Requests that were asked before this moment and are answered."""
        with self._using("the requests cannot be read"):
            found = [self._codec.loads(text) for _, text in self._rows(ANYWHERE, "answers")]
            return [
                Row("answers", ANYWHERE, each.id)
                for each in found
                if each.state != "asked" and each.asked_at < before
            ]

    # ── for history ─────────────────────────────────────────────────────────────────────────

    def jobs(self) -> list[Job]:
        with self._using("the jobs cannot be read"):
            return [
                job
                for source in self._sources()
                for job in self._jobs(source, self._rows(source, "jobs"), [], _OPAQUE)
            ]

    def live(self) -> list[Run]:
        with self._using("the runs cannot be read"):
            return [
                run
                for source in self._sources()
                for run in self._runs(source, self._rows(source, "runs"), [], _OPAQUE)
            ]

    def finished(self) -> list[Run]:
        """The finished runs that are remembered: as many of each job as its retention says."""
        with self._using("the runs cannot be read"):
            return [
                run
                for source in self._sources()
                for run in self._runs(source, self._rows(source, "past"), [], _OPAQUE)
            ]

    def occurrences(self) -> list[Occurrence]:
        """The occurrences that did not run and are remembered."""
        with self._using("the occurrences cannot be read"):
            found = [
                self._codec.loads(text)
                for source in self._sources()
                for _, text in self._rows(source, "occurrences")
            ]
            return [replace(each, job=each.job._replace(store=self.alias)) for each in found]

    def clock_changes(self) -> list[Incident]:
        """When runners saw the clock set, as far as that is remembered."""
        with self._using("the changes of the clock cannot be read"):
            return [
                self._ours(self._codec.loads(text))
                for source in self._sources()
                for _, text in self._rows(source, "clock")
            ]

    # ── rows ────────────────────────────────────────────────────────────────────────────────

    def _puts(self, batch: Batch) -> Iterator[Put]:
        for key in batch.gone:
            yield Put(Row("jobs", key.source, key.id), None)
        for job in batch.jobs:
            yield Put(Row("jobs", job.key.source, job.key.id), self._with_spec(job))
        for run in batch.runs:
            yield from self._run_puts(run)
        for each in batch.occurrences:
            row = Row("occurrences", each.job.source, slot_key(each.job.id, each.slot, each.nonce))
            yield Put(row, self._codec.dumps(each))
            yield from self._forgotten(row, each.job.id, MOST_SKIPPED)
        for incident in batch.incidents:
            if incident.kind == "clock":
                row = _clock_row(incident)
                yield Put(row, self._codec.dumps(incident))
                yield from self._forgotten(row, "", MOST_CLOCK_CHANGES)
                continue
            row = Row("incidents", incident.job.source, key_text([incident.job.id, incident.kind]))
            yield Put(row, self._codec.dumps(incident) if incident.closed_at is None else None)
        for delivery in batch.deliveries:
            row = Row("deliveries", delivery.news.job.source, delivery.id)
            yield Put(row, self._codec.dumps(delivery) if delivery.state == "waiting" else None)
        for request in batch.requests:
            text = self._codec.dumps(request)
            yield Put(Row("requests", request.source, request.id), text if request.state == "asked" else None)
            row = Row("answers", ANYWHERE, request.id)
            yield Put(row, text)
            yield from self._forgotten(row, "", MOST_ANSWERS)

    def _run_puts(self, run: Run) -> Iterator[Put]:
        past = past_row(run.key)
        live = past._replace(table="runs")
        if not run.status.final:
            yield Put(live, self._with_spec(run))
            return
        yield Put(live, None)
        yield Put(past, self._with_spec(run))
        yield from self._forgotten(past, run.key.job.id, max(1, run.spec.policy.retention.runs))

    def _forgotten(self, row: Row, job: str, most: int) -> Iterator[Put]:
        """Deletes what a job's trail holds too much once this row is in it."""
        trail = self._trail(row.table, row.source)[job]
        if row.key not in trail:
            trail.append(row.key)
        while len(trail) > most:
            yield Put(row._replace(key=trail.popleft()), None)

    def _trail(self, table: str, source: str) -> dict[str, deque[str]]:
        """The keys of a table that only grows, oldest first, by job; read once."""
        found = self._trails.get((table, source))
        if found is None:
            found = self._trails[(table, source)] = defaultdict(deque)
            keys = [key for key, _ in self._rows(source, table)]
            if table == "answers":
                found[""].extend(keys)
            else:
                for slot, nonce, job in sorted(slot_parts(key) for key in keys):
                    found[job].append(slot_key(job, slot, nonce))
        return found

    def _with_spec(self, record: Job | Run) -> str:
        """A record and its spec as text; a spec is encoded once, however many rows bear it."""
        spec = record.spec
        known = self._specs.get(id(spec))
        if known is None or known[0] is not spec:
            if len(self._specs) > 20_000:
                self._specs.clear()
            known = self._specs[id(spec)] = (spec, self._codec.dumps(spec))
        if isinstance(record, Run):
            return f"[{known[1]},{self._codec.dumps(run_fields(record))}]"
        return f"[{known[1]},{self._codec.dumps(job_fields(record))}]"

    def _rows(self, source: str, table: str) -> Sequence[tuple[str, str]]:
        return self._all(source, table)[table]

    def _jobs(
        self,
        source: str,
        rows: Sequence[tuple[str, str]],
        unreadable: list[Unreadable],
        codec: Codec | None = None,
    ) -> list[Job]:
        codec, found = codec or self._codec, []
        for key, text in rows:
            try:
                spec, fields = codec.loads(text)
                found.append(job_of(replace(spec, store=self.alias), fields))
            except (RunnerError, ValueError, TypeError) as error:
                unreadable.append(Unreadable(JobKey(self.alias, source, key), str(error)))
        return found

    def _runs(
        self,
        source: str,
        rows: Sequence[tuple[str, str]],
        unreadable: list[Unreadable],
        codec: Codec | None = None,
    ) -> list[Run]:
        codec, found = codec or self._codec, []
        for key, text in rows:
            slot, nonce, job = slot_parts(key)
            try:
                spec, fields = codec.loads(text)
                run_key = RunKey(JobKey(self.alias, source, job), slot, nonce)
                found.append(run_of(run_key, replace(spec, store=self.alias), fields))
            except (RunnerError, ValueError, TypeError) as error:
                unreadable.append(Unreadable(JobKey(self.alias, source, job), str(error)))
        return found

    def _ours(self, record: Any) -> Any:
        """The record with its job in this store, whatever the store's name was when it was written."""
        if isinstance(record, Incident):
            run = record.run and record.run._replace(job=record.run.job._replace(store=self.alias))
            return replace(record, job=record.job._replace(store=self.alias), run=run)
        if isinstance(record, Delivery):
            return replace(record, news=replace(record.news, job=record.news.job._replace(store=self.alias)))
        return record

    # ── errors ──────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _using(self, what: str) -> Iterator[None]:
        with self._lock, self._translated(what):
            if not self._opened:
                raise StoreError(f"{what}: the store {self.alias!r} is not open")
            try:
                yield
            except BaseException:
                # What was planned was not written: what is known of the server is read again.
                self._trails.clear()
                raise

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except self.errors as error:
            gone = isinstance(error, self.unreachable) and not isinstance(error, self.refused)
            raise (StoreUnreachable if gone else StoreError)(f"{what}: {self._said(error)}") from error

    def _said(self, error: BaseException) -> str:
        """What an error of the client says, in one line."""
        words = str(error).strip().splitlines()
        return words[0] if words else type(error).__name__


def _clock_row(change: Incident) -> Row:
    return Row("clock", change.job.source, slot_key("", change.closed_at or change.since, ""))


def asked_of(puts: Sequence[Put]) -> list[str]:
    """The sources of which something is asked."""
    return sorted({row.source for row, text in puts if row.table == "requests" and text is not None})


def lost(fence: Fence) -> LeaseLost:
    return LeaseLost(f"the lead of {fence.source} went to another runner")
