from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, update

from runner.core.action import Save
from runner.core.run import Job, Occurrence, Record, Run, RunKey, Status, StepRun
from runner.errors import StoreError
from runner.history import History
from runner.history.finding import parse_run_id
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore, tables
from runner.moment import HOUR, MINUTE, parse_iso
from runner.spec import Command, JobSpec, Step

NOON = parse_iso("2026-11-24T12:00:00Z")
ETL = JobSpec("etl", (Step("load", Command(script="true")),), source="/jobs.yaml", owner="kari")
PING = replace(ETL, id="ping")
WEB = replace(ETL, source="api:web")


def run(spec: JobSpec, hours: int, status: Status = Status.SUCCEEDED, **more: Any) -> Run:
    slot = NOON + hours * HOUR
    steps = {"load": StepRun("load", status=status, attempt=1, started_at=slot)}
    ended = slot + MINUTE if status.final else None
    made = Run(RunKey(spec.key, slot, more.pop("nonce", "")), spec, status, steps=steps, created_at=slot)
    return replace(made, started_at=slot, ended_at=ended, **more)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLAlchemyJobStore]:
    made = SQLAlchemyJobStore(f"sqlite:///{tmp_path / 'runner.db'}")
    made.open()
    yield made
    made.close()


def keep(store: SQLAlchemyJobStore, *records: Record) -> History:
    store.write([Save(record) for record in records])
    return History(store.engine)


def test_everything_comes_back_as_it_was(store: SQLAlchemyJobStore) -> None:
    job = Job(ETL, next_at=NOON, state="paused", paused_until=NOON + HOUR, failures=2)
    done, live = run(ETL, 0, params={"date": "x"}), run(PING, 1, Status.RUNNING)
    skipped = Occurrence(ETL.key, NOON + HOUR, "skipped", "overlap", decided_at=NOON + HOUR)
    history = keep(store, job, done, live, skipped)
    assert history.jobs() == [job]
    assert history.runs() == [live, done]
    assert history.occurrences() == [skipped]
    assert history.unreadable == 0


def test_the_newest_run_of_each_job(store: SQLAlchemyJobStore) -> None:
    again = run(ETL, 2, nonce="1", created_at=NOON + 9 * HOUR)
    jobs = [Job(spec) for spec in (ETL, PING, WEB, replace(ETL, id="idle"))]
    history = keep(store, *jobs, run(ETL, 0), run(ETL, 2), again, run(PING, 1), run(WEB, 5))
    assert {key: one.id for key, one in history.last().items()} == {
        ETL.key: "etl@2026-11-24T14:00:00Z+1",
        PING.key: "ping@2026-11-24T13:00:00Z",
        WEB.key: "etl@2026-11-24T17:00:00Z",
    }


def test_runs_are_narrowed_down(store: SQLAlchemyJobStore) -> None:
    bad = run(ETL, 3, Status.FAILED)
    history = keep(store, run(ETL, 0), run(ETL, 1), run(ETL, 2), bad, run(PING, 2), run(WEB, 2))
    assert history.runs(statuses=["failed"]) == [bad]
    assert [one.key.job.id for one in history.runs(source="/jobs.yaml", job="ping")] == ["ping"]
    assert [one.key.slot for one in history.runs(source="/jobs.yaml", job="etl", limit=2)] == [
        NOON + 3 * HOUR,
        NOON + 2 * HOUR,
    ]
    assert [
        one.key.slot
        for one in history.runs(job="etl", source=ETL.source, since=NOON + HOUR, until=NOON + 2 * HOUR)
    ] == [NOON + 2 * HOUR, NOON + HOUR]


def test_a_run_is_found_by_its_id_or_its_job(store: SQLAlchemyJobStore) -> None:
    odd = replace(ETL, id="a@b")
    by_hand = run(ETL, 0, nonce="1")
    history = keep(store, run(ETL, 0), by_hand, run(ETL, 1), run(odd, 2), run(WEB, 3))
    assert history.find(by_hand.id) == by_hand
    assert history.find("a@b@2026-11-24T14:00:00Z") == run(odd, 2)
    assert history.find("etl", source=ETL.source) == run(ETL, 1)
    assert history.find("a@b") == run(odd, 2)
    assert history.find("etl@2026-11-24T12:00:01Z") is None
    assert history.find("etl@2026-11-24T12:00:00Z+7") is None


@pytest.mark.parametrize("slot", [NOON, NOON + 1, 0, -1, NOON + 250_000])
@pytest.mark.parametrize("nonce", ["", "1", "c1"])
def test_an_id_is_read_back(slot: int, nonce: str) -> None:
    assert parse_run_id(str(RunKey(ETL.key, slot, nonce))) == ("etl", slot, nonce)


@pytest.mark.parametrize(
    "text",
    ["", "etl", "@", "etl@", "etl@Z", "etl@today", "@2026-11-24T12:00:00Z", "etl@2026-11-24T12:00:00Z1"],
)
def test_what_is_no_id(text: str) -> None:
    assert parse_run_id(text) is None


def test_a_range_is_found_by_any_moment_of_it(store: SQLAlchemyJobStore) -> None:
    lost = Occurrence(ETL.key, NOON, "missed", "window", last=NOON + 5 * HOUR, count=6, decided_at=NOON)
    history = keep(store, lost)
    assert history.occurrences(job="etl", since=NOON + 3 * HOUR, until=NOON + 3 * HOUR) == [lost]
    assert history.occurrences(job="etl", since=NOON + 6 * HOUR) == []
    assert history.occurrences(job="etl", until=NOON - HOUR) == []


def test_the_oldest_record(store: SQLAlchemyJobStore) -> None:
    history = keep(store, run(ETL, 2), Occurrence(ETL.key, NOON + HOUR, "missed", "window"))
    assert history.oldest(ETL.key) == NOON + HOUR
    assert history.oldest(PING.key) is None


def test_a_damaged_row_is_left_out_and_counted(store: SQLAlchemyJobStore) -> None:
    history = keep(store, run(ETL, 0), run(ETL, 1))
    with store.engine.connect() as connection:
        damage = update(tables.runs).where(tables.runs.c.slot == NOON).values(steps="{not json")
        connection.execute(damage)
        connection.commit()
    assert [one.key.slot for one in history.runs()] == [NOON + HOUR]
    assert history.unreadable == 1


def test_a_database_that_cannot_be_read_is_a_store_error(store: SQLAlchemyJobStore) -> None:
    with store.engine.connect() as connection:
        tables.runs.drop(connection)
        connection.commit()
    with pytest.raises(StoreError, match="the history cannot be read"):
        History(store.engine).runs()


@given(
    st.lists(
        st.tuples(st.sampled_from(["etl", "ping"]), st.integers(0, 30), st.sampled_from([None, 0, 1, 50])),
        max_size=30,
    ),
    st.integers(1, 8),
    st.one_of(st.none(), st.integers(0, 30)),
)
@settings(max_examples=40, deadline=None)
def test_the_newest_of_all_jobs_are_found_by_their_ends(
    made: list[tuple[str, int, int | None]], limit: int, since: int | None
) -> None:
    """Catch-up runs end late and live ones not at all: the order by slot is right all the same."""
    store = SQLAlchemyJobStore("sqlite://")
    store.open()
    runs = {}
    for id, hours, took in made:
        base = run(replace(ETL, id=id), hours, Status.RUNNING if took is None else Status.SUCCEEDED)
        runs[base.key] = base if took is None else replace(base, ended_at=base.key.slot + took * HOUR)
    history = keep(store, *runs.values())
    start = None if since is None else NOON + since * HOUR
    found = [one.key.slot for one in history.runs(limit=limit, since=start)]
    store.close()
    slots = sorted((key.slot for key in runs if start is None or key.slot >= start), reverse=True)
    assert found == slots[:limit]


def test_a_reader_that_looks_on_for_ever_does_not_remember_every_spec_there_ever_was(
    store: SQLAlchemyJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each edit of a job is another spec; what is forgotten is read again."""
    monkeypatch.setattr(History, "most_specs", 20)
    history, known = History(store.engine), 0
    for number in range(100):
        edited = run(replace(ETL, name=f"edit {number}"), number)
        store.write([Save(edited)])
        assert history.runs(limit=3)[0] == edited
        known = max(known, len(history._digests))
    assert 20 < known <= 20 + 3
    assert [each.spec.name for each in history.runs(limit=100)] == [f"edit {n}" for n in reversed(range(100))]


def test_no_question_looks_through_all_runs(store: SQLAlchemyJobStore) -> None:
    """One index finds those that live, and those that ended last, of one source or of each."""
    store.write([Save(run(ETL, 1)), Save(run(WEB, 2)), Save(run(PING, 3, Status.RUNNING))])
    history, asked = History(store.engine), list[tuple[str, Any]]()
    event.listen(
        store.engine,
        "before_cursor_execute",
        lambda connection, cursor, text, values, context, many: asked.append((text, values)),
    )
    assert {found.key.job for found in history.runs()} == {ETL.key, WEB.key, PING.key}
    assert [found.key.job for found in history.runs(source=WEB.source)] == [WEB.key]
    assert [found.key.job for found in store.live_of(ETL.source)] == [PING.key]
    store.load(ETL.source)
    plans: list[str] = []
    with store.engine.connect() as connection:
        for text, values in [each for each in asked if "FROM runner_runs" in each[0]]:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()
            steps = [row.detail for row in plan]
            # By its source alone a run is looked for in the order of the ends, until there are enough; not sorted.
            by_source = any(step.endswith("runner_runs_live (source=?)") for step in steps)
            assert not (by_source and any("TEMP B-TREE" in step for step in steps)), steps
            plans += [step for step in steps if "runner_runs" in step]
    assert [plan for plan in plans if not plan.startswith("SEARCH")] == []
    searched = {plan.partition(" INDEX ")[2] for plan in plans}
    assert {
        "runner_runs_live (source=? AND ended_at=?)",
        "runner_runs_live (source=? AND ended_at>?)",
    } < searched
    assert "sqlite_autoindex_runner_runs_1 (source=?)" not in searched
