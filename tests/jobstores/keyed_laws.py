"""The contract suite, and what holds for all stores of keys and values besides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runner.core.action import Save
from runner.core.run import Job, Occurrence, Run, Status
from runner.errors import LeaseLost
from runner.history import history_of
from runner.moment import MINUTE
from runner.spec import Policy, Retention
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
        second = other.hold(SOURCE, "you", NOON)
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

    def test_a_job_keeps_as_many_runs_as_it_says(self, store: Any) -> None:
        short = spec("short", policy=Policy(retention=Retention(runs=3)))
        for n in range(4):
            store.write([Save(ended(run(short, NOON + n))), Save(ended(run(spec("long"), NOON + n)))])
        other = self.reopened(store)
        for n in range(4, 6):
            other.write([Save(ended(run(short, NOON + n)))])
        kept = sorted((each.key.job.id, each.key.slot - NOON) for each in other.finished())
        assert kept == [*(("long", n) for n in range(4)), ("short", 3), ("short", 4), ("short", 5)]


def ended(run: Run) -> Run:
    return replace(run, status=Status.SUCCEEDED, started_at=run.key.slot, ended_at=run.key.slot + 1)
