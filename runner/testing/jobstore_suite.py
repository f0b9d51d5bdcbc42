"""The contract of a job store, as tests: subclass `JobStoreSuite` and give it a `store` fixture.

    class TestMine(JobStoreSuite):
        @pytest.fixture
        def store(self):
            store = MyJobStore()
            store.open()
            yield store
            store.close()

`reopened` gives a second store on the same data where there is any, for what must outlive a process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from runner.core.action import Forget, Save
from runner.core.run import (
    Delivery,
    Incident,
    Job,
    News,
    Occurrence,
    Outcome,
    Request,
    RunKey,
    Status,
    StepRun,
)
from runner.errors import LeaseLost, RunExists, StoreError
from runner.jobstores.base import LEASE, JobStore
from runner.spec import JobKey
from runner.testing.jobstore_limits import JobStoreLimits
from runner.testing.jobstore_past import JobStorePast
from runner.testing.jobstore_values import NOON, SOURCE, run, spec

PATIENCE = 60.0
"""Seconds something may take that happens in another process."""
LONG = 100 * LEASE
"""A lead that does not run out because the machine stands still for a while."""


class JobStoreSuite(JobStoreLimits, JobStorePast):
    """The laws of `runner.jobstores.base.JobStore`."""

    tells = True
    """Whether the store tells of what others ask (`listen`), or is to be asked each second."""

    @pytest.fixture
    def store(self) -> Any:
        raise LookupError("give the suite a store fixture")

    def reopened(self, store: Any) -> Any:
        """A second store on the same data; the same one where the data lives in the process."""
        return store

    def test_an_empty_store_knows_nothing(self, store: JobStore) -> None:
        loaded = store.load(SOURCE)
        assert (loaded.jobs, loaded.runs, loaded.incidents, loaded.deliveries) == ((), (), (), ())

    def test_a_job_comes_back_equal(self, store: JobStore) -> None:
        job = Job(
            spec(), NOON, "paused", "for a while", NOON + 5, NOON - 5, Status.FAILED, NOON - 9, 3, 1, NOON + 7
        )
        store.write([Save(job)])
        assert self.reopened(store).load(SOURCE).jobs == (job,)

    def test_a_job_moves_and_changes(self, store: JobStore) -> None:
        store.write([Save(Job(spec(), NOON))])
        moved = Job(spec(description="another"), NOON + 60, failures=1)
        store.write([Save(Job(spec(), NOON + 30)), Save(moved)])
        assert self.reopened(store).load(SOURCE).jobs == (moved,)

    def test_a_forgotten_job_is_gone_and_its_run_is_not(self, store: JobStore) -> None:
        job = spec()
        store.write([Save(Job(job, NOON)), Save(run(job))])
        store.write([Forget(job.key)])
        loaded = self.reopened(store).load(SOURCE)
        assert loaded.jobs == ()
        assert [each.key for each in loaded.runs] == [RunKey(job.key, NOON)]

    def test_a_job_forgotten_and_added_in_one_batch_is_there(self, store: JobStore) -> None:
        job = Job(spec(), NOON)
        store.write([Save(job)])
        store.write([Forget(job.key), Save(replace(job, next_at=NOON + 1))])
        assert [each.next_at for each in self.reopened(store).load(SOURCE).jobs] == [NOON + 1]

    def test_sources_do_not_see_each_other(self, store: JobStore) -> None:
        store.write([Save(Job(spec())), Save(Job(spec(source="/other.yaml")))])
        assert [job.key.source for job in store.load("/other.yaml").jobs] == ["/other.yaml"]

    def test_a_live_run_comes_back_equal(self, store: JobStore) -> None:
        job = spec()
        outcome = Outcome(Status.FAILED, 3, "no", "tail\nüñ☃", {"rows": 5}, NOON, NOON + 1)
        steps = {
            "first": StepRun(
                "first", "eu", Status.WAITING, 2, NOON + 9, NOON, NOON + 1, outcome, "", {"region": "eu"}
            ),
            "second": StepRun("second"),
        }
        steps = {state.id: state for state in steps.values()}
        live = replace(
            run(job),
            status=Status.WAITING,
            origin="manual",
            by="me",
            params={"x": 1},
            steps=steps,
            due=NOON + 99,
        )
        store.write([Save(live)])
        assert self.reopened(store).load(SOURCE).runs == (live,)

    def test_a_run_that_ended_is_no_longer_live(self, store: JobStore) -> None:
        live = run(spec())
        store.write([Save(live)])
        store.write([Save(replace(live, status=Status.SUCCEEDED, ended_at=NOON + 1))])
        assert self.reopened(store).load(SOURCE).runs == ()

    def test_a_run_that_is_over_cannot_be_made_again(self, store: JobStore) -> None:
        over = run(spec(), status=Status.SUCCEEDED, ended_at=NOON + 1, started_at=NOON)
        store.write([Save(over)])
        again = replace(run(spec()), created_at=NOON + 77)
        other = Job(spec("other"), NOON)
        with pytest.raises(RunExists) as caught:
            self.reopened(store).write([Save(other), Save(again)])
        assert caught.value.keys == {again.key}
        loaded = store.load(SOURCE)
        assert (loaded.jobs, loaded.runs) == ((), ()), "nothing of the batch was written"

    def test_incidents_open_and_close(self, store: JobStore) -> None:
        key = spec().key
        incident = Incident(
            key, "failure", NOON, 2, NOON + 1, NOON + 2, ("ops",), None, RunKey(key, NOON), "no"
        )
        store.write([Save(replace(incident, count=1)), Save(incident)])
        assert self.reopened(store).load(SOURCE).incidents == (incident,)
        store.write([Save(replace(incident, closed_at=NOON + 3))])
        assert self.reopened(store).load(SOURCE).incidents == ()

    def test_deliveries_wait_until_they_arrived(self, store: JobStore) -> None:
        key = spec().key
        news = News("failure", key, NOON, RunKey(key, NOON), {"tail": "…", "exit_code": 3})
        waiting = Delivery("x" * 300, "ops", news, attempts=1, created_at=NOON, next_at=NOON + 5, error="no")
        store.write([Save(waiting)])
        assert self.reopened(store).load(SOURCE).deliveries == (waiting,)
        store.write([Save(replace(waiting, state="delivered", ended_at=NOON + 9))])
        assert self.reopened(store).load(SOURCE).deliveries == ()

    def test_occurrences_are_accepted_and_may_cover_ranges(self, store: JobStore) -> None:
        key = spec().key
        one = Occurrence(key, NOON, "missed", "window", last=NOON + 60, count=2, decided_at=NOON + 99)
        store.write([Save(one), Save(Occurrence(key, NOON + 90, "ran"))])
        store.write([Save(one)])

    def test_requests_are_asked_and_answered(self, store: JobStore) -> None:
        first = Request("a1", SOURCE, "pause", {"job": "job"}, asked_at=NOON)
        second = Request("a2", SOURCE, "resume", {"job": "job"}, asked_at=NOON + 1)
        for request in (first, second, Request("b1", "/other.yaml", "pause", asked_at=NOON)):
            store.ask(request)
        other = self.reopened(store)
        assert list(other.asked(SOURCE)) == [first, second]
        answered = replace(first, state="done", ended_at=NOON + 2, answer={"state": "paused"})
        other.write([Save(answered)])
        assert list(store.asked(SOURCE)) == [second]
        assert store.answer("a1") == answered
        assert store.answer("nobody") is None

    def test_others_hear_of_a_request_and_of_a_lead_given_up(self, store: JobStore) -> None:
        other = self.reopened(store)
        heard = threading.Event()
        assert other.listen(SOURCE, heard.set) is self.tells
        if not self.tells:
            return
        ask = (Request(f"r{number}", SOURCE, "pause", asked_at=NOON) for number in count())
        self.until_heard(heard, lambda: store.ask(next(ask)))
        for _ in range(3):
            self.quiet(heard)
            store.ask(next(ask))
            assert heard.wait(PATIENCE), "nobody told of the request"
        fence = store.hold(SOURCE, "me", NOON, LONG)
        assert fence is not None
        self.quiet(heard)
        store.release(fence)
        assert heard.wait(PATIENCE), "nobody told that the lead is free"

    def until_heard(self, heard: threading.Event, act: Callable[[], None]) -> None:
        """Do it until it is heard: the first may come before the other listens."""
        for _ in range(300):
            act()
            if heard.wait(0.2):
                return
        raise AssertionError("it never listens")

    def quiet(self, heard: threading.Event) -> None:
        """Wait until what was told before has been heard."""
        for _ in range(300):
            if not heard.wait(0.2):
                return
            heard.clear()
        raise AssertionError("notices of nothing never end")

    def test_nothing_is_heard_of_other_sources_or_after_the_end(self, store: JobStore) -> None:
        if not self.tells:
            return
        other = self.reopened(store)
        heard = threading.Event()
        other.listen("/other.yaml", heard.set)
        ask = (Request(f"r{number}", "/other.yaml", "pause", asked_at=NOON) for number in count())
        self.until_heard(heard, lambda: store.ask(next(ask)))
        mine = (Request(f"m{number}", SOURCE, "pause", asked_at=NOON) for number in count())
        assert self.unheard(heard, lambda: store.ask(next(mine)))
        other.close()
        other.open()
        assert self.unheard(heard, lambda: store.ask(next(ask)))

    def unheard(self, heard: threading.Event, act: Callable[[], None]) -> bool:
        """What is heard may be late news of before; if it is of what is done here, it comes each time."""
        for _ in range(5):
            self.quiet(heard)
            act()
            if not heard.wait(0.5):
                return True
        return False

    def test_one_leads_a_source_at_a_time(self, store: JobStore) -> None:
        fence = store.hold(SOURCE, "me", NOON, LONG)
        assert fence is not None
        assert store.hold(SOURCE, "you", NOON) is None
        again = store.hold(SOURCE, "me", NOON)
        assert again is not None
        assert again.number == fence.number
        assert store.hold("/other.yaml", "you", NOON) is not None
        store.release(fence)
        following = store.hold(SOURCE, "you", NOON)
        assert following is not None
        assert following.number > fence.number

    def test_a_lead_says_how_long_it_lasts(self, store: JobStore) -> None:
        """Longer where that was asked for and can be; as usual once it is renewed as usual."""
        long = store.hold(SOURCE, "me", NOON, 4 * LEASE)
        assert long is not None
        assert long.until in (None, NOON + LEASE, NOON + 4 * LEASE)
        usual = store.hold(SOURCE, "me", NOON)
        assert usual is not None
        assert usual.number == long.number
        assert usual.until in (None, NOON + LEASE)
        assert (usual.until is None) == (long.until is None)

    def test_a_writer_that_lost_the_lead_writes_nothing(self, store: JobStore) -> None:
        old = store.hold(SOURCE, "me", NOON, LONG)
        assert old is not None
        store.write([Save(Job(spec("kept")))], old)
        store.release(old)
        assert store.hold(SOURCE, "you", NOON) is not None
        with pytest.raises(LeaseLost):
            store.write([Save(Job(spec("lost")))], old)
        assert [job.key.id for job in store.load(SOURCE).jobs] == ["kept"]

    def test_a_write_is_all_or_nothing(self, store: JobStore) -> None:
        over = run(spec(), status=Status.SUCCEEDED, ended_at=NOON + 1)
        store.write([Save(over)])
        batch = [Save(Job(spec("a"))), Save(Job(spec("b"))), Save(replace(run(spec()), created_at=1))]
        with pytest.raises(StoreError):
            self.reopened(store).write(batch)
        assert store.load(SOURCE).jobs == ()

    def test_many_records_in_one_batch(self, store: JobStore) -> None:
        jobs = [spec(f"job{number}") for number in range(300)]
        store.write([Save(Job(job, NOON)) for job in jobs])
        store.write([Save(run(job)) for job in jobs] + [Save(Job(job, NOON + 1)) for job in jobs])
        loaded = self.reopened(store).load(SOURCE)
        assert len(loaded.jobs) == len(loaded.runs) == 300
        assert {job.next_at for job in loaded.jobs} == {NOON + 1}

    def test_keys_are_any_text(self, store: JobStore) -> None:
        key = JobKey(store.alias, SOURCE, "Ünï ☃ 'quoted' \"double\" \\ %s")
        store.write([Save(Job(spec(key.id), NOON))])
        assert [job.key for job in self.reopened(store).load(SOURCE).jobs] == [key]
