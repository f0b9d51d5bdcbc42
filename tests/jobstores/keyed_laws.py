"""The contract suite, and what holds for all stores of keys and values besides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runner.core.action import Save
from runner.core.run import Incident, Job, Occurrence, Run, Status
from runner.errors import LeaseLost
from runner.history import history_of
from runner.jobstores.base import LEASE
from runner.jobstores.keyed import MOST_CLOCK_CHANGES
from runner.jobstores.retention import USUAL
from runner.moment import MINUTE, SECOND
from runner.spec import JobKey, Policy, Retention
from runner.testing.jobstore_suite import JobStoreSuite
from runner.testing.jobstore_values import NOON, SOURCE, run, spec


class KeyedLaws(JobStoreSuite):
    make: Callable[..., Any]
    stores: list[Any]

    def opened(self, **options: Any) -> Any:
        store = self.make(**options)
        store.open()
        self.stores = [*getattr(self, "stores", []), store]
        return store

    def reopened(self, store: Any) -> Any:
        return self.opened()

    def close(self) -> None:
        for store in self.stores:
            store.close()
        self.stores = []

    def expire(self, store: Any) -> None:
        """Let the lease of SOURCE run out on the server."""
        raise LookupError("say how a lease runs out")

    def test_the_lead_passes_on_when_its_time_is_up(self, store: Any) -> None:
        other = self.opened()
        first = store.hold(SOURCE, "me", NOON)
        assert first is not None
        assert other.hold(SOURCE, "you", NOON) is None
        self.expire(store)
        second = other.hold(SOURCE, "you", NOON, 100 * LEASE)
        assert second is not None
        assert second.number > first.number
        with pytest.raises(LeaseLost, match=f"the lead of {SOURCE} went to another runner"):
            store.write([Save(Job(spec()))], first)
        assert other.load(SOURCE).jobs == ()
        store.release(first)
        assert store.hold(SOURCE, "me", NOON) is None, "an old fence releases nothing"
        other.write([Save(Job(spec()))], second)

    def test_history_is_asked_the_same_questions(self, store: Any) -> None:
        done = [ended(run(spec(), NOON + n * MINUTE)) for n in range(3)]
        live = run(spec(), NOON + 9 * MINUTE)
        skipped = Occurrence(spec().key, NOON + 5 * MINUTE, "skipped", "overlap", decided_at=NOON)
        store.write([Save(Job(spec(), NOON)), *map(Save, done), Save(live), Save(skipped)])
        history = history_of(self.reopened(store))
        assert history.jobs() == [Job(spec(), NOON)]
        assert history.runs(limit=2) == [live, done[2]]
        assert history.runs(statuses=["succeeded"], until=NOON + MINUTE) == [done[1], done[0]]
        assert history.last() == {spec().key: live}
        assert history.find(done[1].id) == done[1]
        assert history.find("job") == live
        assert history.occurrences(job="job") == [skipped]
        assert history.oldest(spec().key) == NOON

    def test_when_the_clock_was_set_is_remembered(self, store: Any) -> None:
        changes = [clock_change(SOURCE, n) for n in range(3)]
        elsewhere = clock_change("/other.yaml", 9)
        store.write([Save(each) for each in changes])
        store.write([Save(elsewhere)])
        store = self.reopened(store)
        assert store.load(SOURCE).incidents == (), "it was over at once"
        history = history_of(store)
        assert history.clock_changes() == [elsewhere, *reversed(changes)]
        assert history.clock_changes(source=SOURCE, limit=1) == [changes[2]]
        assert history.clock_changes(since=changes[2].closed_at) == [elsewhere, changes[2]]
        assert store.purge(NOON + USUAL.age + 2 * MINUTE).incidents == 2
        assert history_of(self.reopened(store)).clock_changes() == [elsewhere, changes[2]]

    def test_of_changes_of_the_clock_the_newest_are_remembered(self, store: Any) -> None:
        store.write([Save(clock_change(SOURCE, n)) for n in range(MOST_CLOCK_CHANGES)])
        other = self.reopened(store)
        other.write([Save(clock_change(SOURCE, MOST_CLOCK_CHANGES))])
        known = history_of(other).clock_changes(limit=MOST_CLOCK_CHANGES + 1)
        assert len(known) == MOST_CLOCK_CHANGES
        assert known[0] == clock_change(SOURCE, MOST_CLOCK_CHANGES)

    def test_a_job_keeps_as_many_runs_as_it_says(self, store: Any) -> None:
        short = spec("short", policy=Policy(retention=Retention(runs=3)))
        for n in range(4):
            store.write([Save(ended(run(short, NOON + n))), Save(ended(run(spec("long"), NOON + n)))])
        other = self.reopened(store)
        for n in range(4, 6):
            other.write([Save(ended(run(short, NOON + n)))])
        kept = sorted((each.key.job.id, each.key.slot - NOON) for each in other.finished())
        assert kept == [*(("long", n) for n in range(4)), ("short", 3), ("short", 4), ("short", 5)]


def clock_change(source: str, minute: int) -> Incident:
    at = NOON + minute * MINUTE
    words = "the clock was set forward by 10s"
    return Incident(JobKey("default", source, ""), "clock", at - 10 * SECOND, closed_at=at, detail=words)


def ended(run: Run) -> Run:
    return replace(run, status=Status.SUCCEEDED, started_at=run.key.slot, ended_at=run.key.slot + 1)
