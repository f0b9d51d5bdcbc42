"""What a job store bears: hostile names, long texts, many records, being closed and opened again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.core.action import Change, Forget, Save
from runner.core.run import Incident, Job, Occurrence, Record, Request, Status
from runner.errors import StoreError
from runner.jobstores.base import JobStore
from runner.spec import JobKey
from runner.testing.jobstore_values import NOON, SOURCE, run, spec

HOSTILE = [
    "/",
    "a/b/../c",
    ".",
    "..",
    " ",
    "trailing ",
    "line\nbreak\ttab\r",
    "'quoted' \"double\" `back` \\",
    "%s %(x)s {0} ${{ y }} ?*[#]",
    "jobs:runs\x1f\x7f",
    "Ünï ☃ 日本 🙂 e\u0301 \u202e",
    "x" * 255,
    "☃" * 255,
    "null",
]


class JobStoreLimits:
    durable = True
    """Whether records outlive a store that is closed."""

    def reopened(self, store: Any) -> Any:
        return store

    def test_hostile_names_come_back_as_they_were(self, store: JobStore) -> None:
        jobs = [Job(spec(id), NOON, reason=id) for id in HOSTILE]
        runs = [run(job.spec) for job in jobs]
        incidents = [Incident(job.key, "failure", NOON) for job in jobs]
        skipped = [Occurrence(job.key, NOON + 5, "skipped", "overlap", decided_at=NOON) for job in jobs]
        records: list[Record] = [*jobs, *runs, *incidents, *skipped]
        store.write([Save(record) for record in records])
        loaded = self.reopened(store).load(SOURCE)
        assert sorted(loaded.jobs, key=by_id) == sorted(jobs, key=by_id)
        assert sorted(loaded.runs, key=by_id) == sorted(runs, key=by_id)
        assert {each.job for each in loaded.incidents} == {job.key for job in jobs}
        store.write([Forget(job.key) for job in jobs[1:]])
        assert self.reopened(store).load(SOURCE).jobs == (jobs[0],)

    def test_hostile_sources_are_kept_apart(self, store: JobStore) -> None:
        sources = [f"/{name[:200]}" for name in HOSTILE]
        for number, source in enumerate(sources):
            store.write([Save(Job(spec(source=source), NOON, reason=source))])
            store.ask(Request(f"r{number}", source, "pause", asked_at=NOON))
        other = self.reopened(store)
        for number, source in enumerate(sources):
            assert [job.reason for job in other.load(source).jobs] == [source]
            assert [request.id for request in other.asked(source)] == [f"r{number}"]

    def test_long_texts_are_kept_whole(self, store: JobStore) -> None:
        long = replace(run(spec()), params={"x": "y" * 3_000_000, "z": "☃" * 100_000})
        store.write([Save(Job(spec(), NOON)), Save(long)])
        assert self.reopened(store).load(SOURCE).runs == (long,)
        over = replace(long, status=Status.SUCCEEDED, started_at=NOON, ended_at=NOON + 1)
        store.write([Save(over), Save(Job(spec(), NOON + 9))])
        loaded = self.reopened(store).load(SOURCE)
        assert (loaded.runs, [job.next_at for job in loaded.jobs]) == ((), [NOON + 9])

    def test_thousands_in_one_batch(self, store: JobStore) -> None:
        jobs = [Job(spec(f"job{number}"), NOON) for number in range(2000)]
        changes: list[Change] = [Save(job) for job in jobs]
        store.write([*changes, *(Save(run(job.spec)) for job in jobs)])
        loaded = self.reopened(store).load(SOURCE)
        assert (len(loaded.jobs), len(loaded.runs)) == (2000, 2000)
        assert {job.key for job in loaded.jobs} == {each.key.job for each in loaded.runs}
        store.write([Forget(job.key) for job in jobs])
        assert self.reopened(store).load(SOURCE).jobs == ()

    def test_a_closed_store_says_so_and_opens_again(self, store: JobStore) -> None:
        store.write([Save(Job(spec(), NOON))])
        fence = store.hold(SOURCE, "me", NOON)
        assert fence is not None
        store.release(fence)
        store.close()
        store.close()
        if self.durable:
            for act in (
                lambda: store.load(SOURCE),
                lambda: store.write([Save(Job(spec("other")))]),
                lambda: store.hold(SOURCE, "me", NOON),
                lambda: store.ask(Request("r", SOURCE, "pause")),
                lambda: store.asked(SOURCE),
                lambda: store.answer("r"),
            ):
                with pytest.raises(StoreError, match="the store 'default' is not open"):
                    act()
        store.open()
        store.open()
        assert [job.key.id for job in store.load(SOURCE).jobs] == ["job"]
        again = store.hold(SOURCE, "me", NOON)
        assert again is not None
        assert again.number > fence.number

    def test_what_cannot_be_stored_is_a_store_error_and_nothing_is_written(self, store: JobStore) -> None:
        if not self.durable:
            return
        bad = replace(run(spec("bad")), params={"x": object()})
        with pytest.raises(StoreError, match="a value of type object cannot be stored"):
            store.write([Save(Job(spec("good"))), Save(bad)])
        loaded = self.reopened(store).load(SOURCE)
        assert (loaded.jobs, loaded.runs) == ((), ())


def by_id(record: Any) -> JobKey:
    key: JobKey = record.key if isinstance(record, Job) else record.key.job
    return key
