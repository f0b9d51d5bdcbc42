"""What a job store forgets, and what it keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runner.core.action import Save
from runner.core.run import Incident, Job, Occurrence, Request, Run, Status
from runner.history import history_of
from runner.jobstores.base import JobStore
from runner.jobstores.retention import SKIPPED_PER_RUN, Purged
from runner.moment import DAY, MINUTE, Moment
from runner.spec import JobKey, JobSpec, Policy, Retention
from runner.testing.jobstore_values import NOON, SOURCE, run, spec

SHORT = spec("short", policy=Policy(retention=Retention(runs=3, age=10 * DAY)))
GONE = spec("gone")
"""A job that is not on record: the usual retention holds for what it left."""


class JobStorePast:
    def reopened(self, store: Any) -> Any:
        return store

    def test_more_runs_than_a_job_keeps_are_purged(self, store: JobStore) -> None:
        runs = [over(SHORT, NOON - ago * MINUTE) for ago in range(6)]
        store.write([Save(Job(SHORT, NOON)), *map(Save, reversed(runs))])
        self.reopened(store).purge(NOON)
        assert history_of(self.reopened(store)).runs(job="short") == runs[:3]

    def test_what_is_past_its_age_is_purged_however_little_it_is(self, store: JobStore) -> None:
        old, young = over(SHORT, NOON - 11 * DAY), over(SHORT, NOON - 9 * DAY)
        left, kept = over(GONE, NOON - 91 * DAY), over(GONE, NOON - 89 * DAY)
        store.write([Save(Job(SHORT, NOON)), *map(Save, (old, young, left, kept))])
        purged = store.purge(NOON)
        assert set(purged.runs) == {old.key, left.key}
        assert {each.run for each in purged.attempts} == {old.key, left.key}
        assert history_of(self.reopened(store)).runs() == [young, kept]
        assert store.purge(NOON) == Purged()

    def test_what_a_file_says_now_is_what_holds(self, store: JobStore) -> None:
        runs = [over(SHORT, NOON - ago * MINUTE) for ago in range(3)]
        store.write([Save(Job(SHORT, NOON)), *map(Save, runs)])
        store.purge(NOON, wanted={JobKey(store.alias, SOURCE, "short"): Retention(runs=1)})
        assert history_of(self.reopened(store)).runs() == runs[:1]

    def test_occurrences_that_did_not_run_are_purged(self, store: JobStore) -> None:
        most = 3 * SKIPPED_PER_RUN
        recent = [skipped(SHORT, NOON - ago * MINUTE) for ago in range(most + 5)]
        old = skipped(GONE, NOON - 91 * DAY)
        store.write([Save(Job(SHORT, NOON)), Save(old), *map(Save, reversed(recent))])
        assert store.purge(NOON).occurrences == 6
        assert history_of(self.reopened(store)).occurrences() == recent[:most]

    def test_what_is_not_over_is_never_purged(self, store: JobStore) -> None:
        live = run(SHORT, NOON - 400 * DAY)
        incident = Incident(SHORT.key, "failure", NOON - 400 * DAY)
        asked = Request("asked", SOURCE, "pause", asked_at=NOON - 400 * DAY)
        answered = replace(asked, id="answered", state="done", ended_at=NOON - 400 * DAY)
        store.write([Save(each) for each in (Job(SHORT, NOON), live, incident, asked, answered)])
        assert store.purge(NOON) == Purged(requests=1)
        loaded = self.reopened(store).load(SOURCE)
        assert (loaded.runs, loaded.incidents) == ((live,), (incident,))
        assert store.asked(SOURCE) == [asked]
        assert store.answer("answered") is None

    def test_a_run_goes_on_after_a_purge(self, store: JobStore) -> None:
        runs = [over(SHORT, NOON - ago * MINUTE) for ago in range(4, 0, -1)]
        store.write([Save(Job(SHORT, NOON)), *map(Save, runs)])
        store.purge(NOON)
        live = run(SHORT, NOON)
        store.write([Save(live)])
        store.write([Save(ended(live))])
        assert history_of(self.reopened(store)).runs()[0] == ended(live)


def over(job: JobSpec, slot: Moment) -> Run:
    made = ended(run(job, slot))
    return replace(made, steps={id: replace(state, attempt=1) for id, state in made.steps.items()})


def ended(made: Run) -> Run:
    slot = made.key.slot
    return replace(made, status=Status.SUCCEEDED, started_at=slot, ended_at=slot + 1)


def skipped(job: JobSpec, slot: Moment) -> Occurrence:
    return Occurrence(job.key, slot, "skipped", "overlap", decided_at=slot)
