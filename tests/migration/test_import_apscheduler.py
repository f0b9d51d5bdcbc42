"""Stores that the real APScheduler wrote, taken over by `runner import apscheduler`, from real servers."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from apscheduler.schedulers.background import BackgroundScheduler as Theirs

from runner.cli import main
from runner.job import Job
from runner.jobstores.urls import store_of
from runner.schedulers.background import BackgroundScheduler
from tests.differential import work
from tests.differential.library import Ears, Library
from tests.jobstores import store_servers
from tests.migration import old_etcd, old_jobs, old_rethinkdb

FACTS = (
    "id name func_ref args kwargs coalesce executor misfire_grace_time max_instances next_run_time".split()
)


SERVERS: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = {
    "postgresql": store_servers.postgresql,
    "mariadb": store_servers.mariadb,
    "redis": store_servers.redis,
    "mongodb": partial(store_servers.mongodb, "secantus"),
    "rethinkdb": store_servers.rethinkdb,
    "zookeeper": store_servers.zookeeper,
    "etcd": store_servers.etcd,
}


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('old')}/jobs.db"
        return
    with SERVERS[request.param]() as server:
        yield server if "://" in server else f"{request.param}://{server}"


def their_store(url: str) -> Any:
    parts = urlsplit(url)
    match parts.scheme:
        case "redis":
            return {"type": "redis", "host": parts.hostname, "port": parts.port}
        case "rethinkdb":
            return old_rethinkdb.Store(host=parts.hostname, port=parts.port)
        case "mongodb":
            return {"type": "mongodb", "host": url}
        case "zookeeper":
            return {"type": "zookeeper", "hosts": parts.netloc}
        case "etcd":
            return old_etcd.store(str(parts.hostname), parts.port or 0)
    return {"type": "sqlalchemy", "url": url}


@contextmanager
def theirs(url: str) -> Iterator[Any]:
    scheduler = Theirs(jobstores={"default": their_store(url)}, timezone="UTC")
    scheduler.start(paused=True)
    try:
        yield scheduler
    finally:
        scheduler.shutdown()


def shown(job: Any) -> dict[str, Any]:
    plain = Library("runner")._plain
    found = {name: plain(getattr(job, name)) for name in FACTS}
    found["args"], found["trigger"] = plain(tuple(job.args)), str(job.trigger)
    return found


def command(*args: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["import", "apscheduler", *args])
    return int(left.value.code or 0)


def test_every_job_is_taken_over(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with theirs(url) as scheduler:
        scheduler.remove_all_jobs()
        old_jobs.add_all(scheduler)
        before = {job.id: shown(job) for job in scheduler.get_jobs()}
        fires = {
            job.id: str(job.trigger.get_next_fire_time(job.next_run_time, job.next_run_time))
            for job in scheduler.get_jobs()
            if job.next_run_time and not getattr(job.trigger, "jitter", None)
        }
    assert len(before) == 15

    assert command(url, "--dry-run", "--json") == 0
    looked = json.loads(capsys.readouterr().out)
    assert looked["written"] is False
    assert {job["id"] for job in looked["jobs"]} == set(before)
    assert next(job for job in looked["jobs"] if job["id"] == "date") == {
        "id": "date",
        "name": "once",
        "schedule": "date[2040-01-01 12:30:00 UTC]",
        "function": "tests.differential.work:add",
        "next_at": "2040-01-01T12:30:00+00:00",
        "state": "scheduled",
        "result": "",
    }

    assert command(url, "--as-source", "mine") == 0
    assert "15 jobs of APScheduler" in capsys.readouterr().out
    assert command(url, "--as-source", "mine", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert {job["result"] for job in again["jobs"]} == {"kept"}

    scheduler = BackgroundScheduler(jobstores={"default": store_of(url)}, timezone="UTC", name="mine")
    scheduler.start(paused=True)
    try:
        after = {job.id: shown(job) for job in scheduler.get_jobs()}
        ours = {id: str(second_time(job)) for id in fires if (job := scheduler.get_job(id))}
    finally:
        scheduler.shutdown()
    for id, facts in before.items():
        if facts["trigger"].startswith("Calendar"):  # its text is one of the differences
            facts["trigger"], after[id]["trigger"] = "", ""
    assert after == before
    assert ours == fires
    with theirs(url) as scheduler:
        assert len(scheduler.get_jobs()) == 15, "the old store is only read"


def second_time(job: Job) -> datetime | None:
    assert job.next_run_time is not None
    return job.trigger.get_next_fire_time(job.next_run_time, job.next_run_time)


def test_a_job_taken_over_runs_when_it_is_due(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    with theirs(url) as scheduler:
        scheduler.add_job(
            work.note, "date", ["ran"], run_date=old_jobs.FAR, id="one", misfire_grace_time=None
        )
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        state = pickle.loads(connection.execute("SELECT job_state FROM apscheduler_jobs").fetchone()[0])
        state["next_run_time"] = datetime(2020, 1, 1, tzinfo=UTC)
        connection.execute("UPDATE apscheduler_jobs SET job_state = ?", (pickle.dumps(state),))
    assert command(url) == 0
    work.CALLS.clear()
    ears = Ears()
    scheduler = BackgroundScheduler(jobstores={"default": {"type": "sqlalchemy", "url": url}}, timezone="UTC")
    scheduler.add_listener(ears, 2**12)
    scheduler.start()
    ears.wait(2**12)
    scheduler.shutdown()
    assert work.CALLS == ["ran"]


def test_while_a_scheduler_is_at_work_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    with theirs(url) as scheduler:
        scheduler.add_job(work.nothing, "cron", hour=5, id="one")
    ours = BackgroundScheduler(jobstores={"default": {"type": "sqlalchemy", "url": url}})
    ours.start(paused=True)
    try:
        assert command(url) == 1
        assert "a scheduler leads api:default" in capsys.readouterr().err
        assert ours.get_jobs() == []
    finally:
        ours.shutdown()


@pytest.mark.parametrize("kind", ["sqlite", "redis", "mongodb"])
def test_places_with_names_of_their_own(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program keeps its arguments and finds its jobs, beside those it had under APScheduler in the same place."""
    with contextlib.ExitStack() as stack:
        options: dict[str, Any]
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path}/jobs.db"
            options, names = {"type": "sqlalchemy", "url": url, "tablename": "mine"}, ["--table", "mine"]
        elif kind == "redis":
            url = stack.enter_context(store_servers.redis())
            options = {**their_store(url), "jobs_key": "my.jobs", "run_times_key": "my.times"}
            names = ["--key", "my.jobs"]
        else:
            url = stack.enter_context(store_servers.mongodb("secantus"))
            options = {**their_store(url), "database": "mine", "collection": "tasks"}
            names = ["--database", "mine", "--collection", "tasks"]
        old = Theirs(jobstores={"default": dict(options)}, timezone="UTC")
        old.start(paused=True)
        for id in ("one", "two"):
            old.add_job(work.nothing, "cron", year=2050, id=id)
        old.shutdown()
        assert command(url, *names) == 0, capsys.readouterr().err
        new = BackgroundScheduler(jobstores={"default": dict(options)}, timezone="UTC")
        new.start(paused=True)
        assert [job.id for job in new.get_jobs()] == ["one", "two"]
        new.remove_job("one")
        new.shutdown()
        old = Theirs(jobstores={"default": dict(options)}, timezone="UTC")
        old.start(paused=True)
        if (
            kind != "mongodb"
        ):  # there the documents of both are in one collection, and the old one drops what it cannot read
            assert {job.id for job in old.get_jobs()} == {"one", "two"}
        old.shutdown()


# ── hostile pickles ─────────────────────────────────────────────────────────────────────────


class Runs:
    """What a pickle can do to a reader that is not careful."""

    def __init__(self, call: Any, *args: Any) -> None:
        self.what = (call, args)

    def __reduce__(self) -> Any:
        return self.what


HOSTILE: dict[str, Callable[[Path], object]] = {
    "system": lambda where: Runs(os.system, f"touch {where}"),
    "eval": lambda where: Runs(eval, f"open({str(where)!r}, 'w')"),
    "getattr": lambda where: Runs(getattr, "text", "upper"),
    "open": lambda where: Runs(open, str(where), "w"),
    "import": lambda where: Runs(__import__, "antigravity"),
    "a class of the program": lambda where: work.Counter(5),
    "a function": lambda where: work.note,
    "a type": lambda where: dict,
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_hostile_pickles_are_named_and_nothing_is_executed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, protocol: int
) -> None:
    made = tmp_path / "made"
    url = f"sqlite:///{tmp_path}/jobs.db"
    with theirs(url) as scheduler:
        scheduler.add_job(work.nothing, "cron", hour=5, id="good", next_run_time=None)
    good = (
        sqlite3.connect(tmp_path / "jobs.db").execute("SELECT job_state FROM apscheduler_jobs").fetchone()[0]
    )
    whole = pickle.dumps(HOSTILE[kind](made), protocol)
    state = {**pickle.loads(good), "id": "inside", "args": (HOSTILE[kind](made),)}
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        for id, data in (("whole", whole), ("inside", pickle.dumps(state, protocol)), ("torn", good[:-20])):
            connection.execute("INSERT INTO apscheduler_jobs VALUES (?, ?, ?)", (id, 1.0, data))
    work.CALLS.clear()
    assert command(url, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [job["id"] for job in found["jobs"]] == ["good"]
    assert {each["id"] for each in found["refused"]} == {"whole", "inside", "torn"}
    assert not made.exists()
    assert work.CALLS == []
    reasons = {each["id"]: each["reason"] for each in found["refused"]}
    assert reasons["inside"].startswith(("it asks for ", "its args hold "))


def test_the_reader_itself_cannot_be_changed() -> None:
    """A pickle that sets attributes of what it is given changes nothing for the next one."""
    from runner.jobstores.apscheduler import Refused, loads

    build = (
        b"\x80\x02capscheduler.triggers.date\nDateTrigger\nN}X\x04\x00\x00\x00kindX\x01\x00\x00\x00xs\x86b."
    )
    for data in (
        build,
        b"\x80\x02czoneinfo\nZoneInfo\nN}X\x08\x00\x00\x00__code__X\x01\x00\x00\x00xs\x86b.",
        b"\x80\x02cdatetime\ndatetime\nN}X\x03\x00\x00\x00nowX\x01\x00\x00\x00xs\x86b.",
    ):
        with pytest.raises(Refused):
            loads(data)
    assert loads(pickle.dumps(datetime(2030, 1, 1, tzinfo=UTC))) == datetime(2030, 1, 1, tzinfo=UTC)


# ── export files ────────────────────────────────────────────────────────────────────────────


def test_a_file_apscheduler_exported_is_imported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "jobs.json"
    with theirs(f"sqlite:///{tmp_path}/old.db") as scheduler:
        old_jobs.add_all(scheduler)
        scheduler.export_jobs(str(file))
    with theirs(f"sqlite:///{tmp_path}/again.db") as scheduler:
        scheduler.import_jobs(str(file))
        before = {job.id: shown(job) for job in scheduler.get_jobs()}
    document = json.loads(file.read_text())
    hostile = base64.b64encode(pickle.dumps(Runs(os.system, f"touch {tmp_path}/made"))).decode()
    document["jobs"].append(
        {**document["jobs"][0], "id": "evil", "args": {"__apscheduler_pickle__": hostile}}
    )
    file.write_text(json.dumps(document))
    for stopped in (True, False):
        ours = BackgroundScheduler(timezone="UTC")
        if stopped:
            ours.import_jobs(str(file))
        ours.start(paused=True)
        if not stopped:
            with file.open() as opened:
                ours.import_jobs(opened)
        after = {job.id: shown(job) for job in ours.get_jobs()}
        ours.shutdown()
        for id in before:
            if before[id]["trigger"].startswith("Calendar") or id == "calendar":
                before[id]["trigger"], after[id]["trigger"] = "", ""
        assert after == before
    assert not (tmp_path / "made").exists()
    assert 'Job "evil" is not imported: it asks for posix.system' in caplog.text


def test_our_own_export_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "jobs.json"
    ours = BackgroundScheduler(timezone="UTC")
    with pytest.raises(RuntimeError, match="must have been started for job export"):
        ours.export_jobs(file)
    ours.start(paused=True)
    ours.add_job(work.add, "date", [1], {"c": 2}, run_date=old_jobs.FAR, id="one", timeout=5, retry=2)
    ours.add_job(work.nothing, "interval", hours=5, id="three", next_run_time=None)
    before = {job.id: (shown(job), job.record.spec.policy, job.record.spec.steps) for job in ours.get_jobs()}
    ours.export_jobs(file)
    ours.remove_all_jobs()
    ours.import_jobs(file)
    after = {job.id: (shown(job), job.record.spec.policy, job.record.spec.steps) for job in ours.get_jobs()}
    ours.shutdown()
    assert {id: facts[0] for id, facts in after.items()} == {id: facts[0] for id, facts in before.items()}
    assert {id: facts[1] for id, facts in after.items()} == {id: facts[1] for id, facts in before.items()}
    for wrong in ('{"version": 2, "jobs": []}', "[]", '{"version": 2, "library": "runner 9", "jobs": []}'):
        file.write_text(wrong)
        with pytest.raises(ValueError, match=r"unrecognized version: 2|no file of exported jobs"):
            BackgroundScheduler().import_jobs(file)
