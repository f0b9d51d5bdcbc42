from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.core.action import Forget, Save
from runner.core.run import Delivery, Incident, Job, News, Occurrence, Record, Request, Run, RunKey, Status
from runner.history import History
from runner.jobstores.retention import Purged
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.jobstores.sqlalchemy.purge import kept
from runner.moment import DAY, HOUR, MINUTE, parse_iso
from runner.spec import Command, JobSpec, Policy, Retention, Step

NOW = parse_iso("2026-11-24T12:00:00Z")
ETL = JobSpec(
    "etl",
    (Step("load", Command(script="true")),),
    source="/jobs.yaml",
    policy=Policy(retention=Retention(runs=3, age=10 * DAY)),
)


def run(spec: JobSpec, slot: int, status: Status = Status.SUCCEEDED, **more: Any) -> Run:
    ended = slot + MINUTE if status.final else None
    made = Run(RunKey(spec.key, slot), spec, status, created_at=slot, started_at=slot, ended_at=ended)
    return replace(made, **more)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLAlchemyJobStore]:
    made = SQLAlchemyJobStore(f"sqlite:///{tmp_path / 'runner.db'}")
    made.open()
    yield made
    made.close()


def keep(store: SQLAlchemyJobStore, *records: Record) -> History:
    store.write([Save(record) for record in records])
    return History(store.engine)


def test_the_newest_runs_are_kept(store: SQLAlchemyJobStore) -> None:
    runs = [run(ETL, NOW - number * HOUR) for number in range(1, 7)]
    history = keep(store, Job(ETL), *runs)
    found = store.purge(NOW)
    assert set(found.runs) == {one.key for one in runs[3:]}
    assert history.runs() == runs[:3]


def test_old_runs_go_however_few_they_are(store: SQLAlchemyJobStore) -> None:
    old, young = run(ETL, NOW - 11 * DAY), run(ETL, NOW - 9 * DAY)
    history = keep(store, Job(ETL), old, young)
    assert store.purge(NOW).runs == (old.key,)
    assert history.runs() == [young]


def test_what_is_not_over_is_never_touched(store: SQLAlchemyJobStore) -> None:
    past = NOW - 400 * DAY
    live = run(ETL, past, Status.RUNNING)
    incident = Incident(ETL.key, "failure", past)
    waiting = Delivery("d", "ops", News("failure", ETL.key, past), created_at=past)
    asked = Request("r", ETL.source, "pause", asked_at=past)
    history = keep(store, Job(ETL), live, incident, waiting, asked)
    assert store.purge(NOW) == Purged()
    assert history.runs() == [live]
    loaded = store.load(ETL.source)
    assert (loaded.incidents, loaded.deliveries) == ((incident,), (waiting,))
    assert store.answer("r") == asked


def test_what_is_over_goes_with_its_age(store: SQLAlchemyJobStore) -> None:
    past = NOW - 400 * DAY
    skipped = Occurrence(ETL.key, past, "skipped", "overlap", decided_at=past)
    closed = Incident(ETL.key, "failure", past, closed_at=past)
    sent = Delivery("d", "ops", News("failure", ETL.key, past), "delivered", created_at=past)
    done = Request("r", ETL.source, "pause", state="done", asked_at=past)
    keep(store, Job(ETL), skipped, closed, sent, done)
    assert store.purge(NOW) == Purged((), 1, 1, 1, 1, 0)
    counts = kept(store.engine)
    assert {name for name, number in counts.items() if number} == {
        "runner_jobs",
        "runner_specs",
    }


def test_a_job_that_is_gone_keeps_the_usual_length_of_past(store: SQLAlchemyJobStore) -> None:
    history = keep(store, Job(ETL), run(ETL, NOW - 80 * DAY), run(ETL, NOW - 91 * DAY))
    store.write([Forget(ETL.key)])
    assert len(store.purge(NOW).runs) == 1
    assert [one.key.slot for one in history.runs()] == [NOW - 80 * DAY]


def test_skips_of_a_busy_job_do_not_fill_the_disk(store: SQLAlchemyJobStore) -> None:
    skips = [Occurrence(ETL.key, NOW - n, "skipped", "overlap", decided_at=NOW - n) for n in range(1500)]
    history = keep(store, Job(ETL), *skips)
    assert store.purge(NOW).occurrences == 1470
    assert [one.slot for one in history.occurrences()] == [NOW - n for n in range(30)]


def test_purging_twice_is_harmless(store: SQLAlchemyJobStore) -> None:
    keep(store, Job(ETL), *[run(ETL, NOW - n * HOUR) for n in range(9)])
    assert len(store.purge(NOW).runs) == 6
    assert store.purge(NOW) == Purged()


def test_a_definition_goes_when_nothing_refers_to_it_and_comes_back_when_something_does(
    store: SQLAlchemyJobStore,
) -> None:
    keep(store, Job(ETL))
    store.write([Forget(ETL.key)])
    assert store.purge(NOW).specs == 1
    # The writer knows the definition as written; it must look again, and again after each purge.
    for _ in range(2):
        history = keep(store, Job(ETL), run(ETL, NOW))
        assert history.jobs() == [Job(ETL)]
        assert history.runs() == [run(ETL, NOW)]
        store.write([Forget(ETL.key), Save(replace(run(ETL, NOW + DAY), key=RunKey(ETL.key, NOW + DAY)))])
        assert len(store.purge(NOW + 99 * DAY).runs) == 2
