"""Checking, backing up and moving databases."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from runner.core.action import Save
from runner.core.run import Incident, Job, Occurrence, Record, Request, Run, RunKey, Status
from runner.errors import StoreError
from runner.history import History, backup, check, copy, export, import_, restore
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.jobstores.sqlalchemy.database import HEAD
from runner.jobstores.urls import sqlite_at
from runner.moment import MINUTE, parse_iso
from runner.spec import Command, JobSpec, Step
from tests.jobstores import store_servers

NOON = parse_iso("2026-11-24T12:00:00Z")
ETL = JobSpec("etl ☃", (Step("load", Command(script="true")),), source="/jobs.yaml")


def one(number: int) -> Run:
    slot = NOON + number * MINUTE
    return Run(RunKey(ETL.key, slot), ETL, Status.SUCCEEDED, created_at=slot, ended_at=slot + 1)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with something of everything in it."""
    url = f"sqlite:///{tmp_path / 'runner.db'}"
    store = SQLAlchemyJobStore(url)
    store.open()
    fence = store.hold(ETL.source, "me", NOON)
    records: list[Record] = [
        Job(ETL, NOON),
        *(one(number) for number in range(1200)),
        Occurrence(ETL.key, NOON - 1, "missed", "window"),
        Incident(ETL.key, "failure", NOON),
        Request("r", ETL.source, "pause", asked_at=NOON),
    ]
    store.write([Save(record) for record in records], fence)
    store.close()
    return url


def told(url: str) -> tuple[object, ...]:
    store = SQLAlchemyJobStore(url)
    store.open()
    history = History(store.engine)
    found = (
        history.jobs(),
        history.runs(limit=5000),
        history.occurrences(),
        store.load(ETL.source),
        store.asked(ETL.source),
    )
    assert history.unreadable == 0
    store.close()
    return found


def test_a_good_database(url: str) -> None:
    found = check(url)
    assert found.good
    assert found.version == HEAD
    assert found.rows["runner_runs"] == 1200


def test_damage_is_listed(url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "runner.db") as connection:
        connection.execute("UPDATE runner_runs SET steps = '{' WHERE slot = ?", (NOON,))
        connection.execute("UPDATE runner_jobs SET digest = 'gone'")
    connection.close()
    problems = check(url).problems
    assert len(problems) == 2
    assert problems[0].startswith(
        f"runner_runs (/jobs.yaml, etl ☃, {NOON}, ): steps: a stored value cannot be"
    )
    assert problems[1] == "runner_jobs: 1 rows whose definition is not in the database"


def test_a_torn_file_is_a_finding_and_stays_as_it_is(url: str, tmp_path: Path) -> None:
    file = tmp_path / "runner.db"
    torn = bytearray(file.read_bytes())
    torn[4096 * 3 : 4096 * 40] = b"\xff" * (4096 * 37)
    file.write_bytes(torn)
    assert not check(url).good
    assert file.read_bytes() == torn


def test_looking_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no database"):
        check(f"sqlite:///{tmp_path / 'none.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_is_whole_and_private_while_a_writer_is_at_work(url: str, tmp_path: Path) -> None:
    store = SQLAlchemyJobStore(url)
    store.open()
    store.write([Save(replace(one(5000), created_at=NOON))])
    dest = tmp_path / "copy.db"
    backup(url, dest)
    store.close()
    assert dest.stat().st_mode & 0o777 == 0o600
    assert told(f"sqlite:///{dest}") == told(url)
    with pytest.raises(StoreError, match=r"copy\.db is there already"):
        backup(url, dest)


@pytest.mark.parametrize("name", ["50%41", "a#b", "what?"])
def test_a_backup_of_a_database_in_a_directory_with_any_name(url: str, tmp_path: Path, name: str) -> None:
    there = tmp_path / name
    there.mkdir()
    backup(url, there / "runner.db")
    backup(sqlite_at(there / "runner.db"), there / "again.db")
    assert told(sqlite_at(there / "again.db")) == told(url)


class Meddled(io.StringIO):
    """A new job comes, and runs, as soon as the first definitions are written out."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def write(self, text: str) -> int:
        if "runner_specs" in text and self._url:
            store = SQLAlchemyJobStore(self._url)
            self._url = ""
            store.open()
            spec = replace(ETL, id="new")
            run = Run(RunKey(spec.key, NOON), spec, Status.SUCCEEDED, created_at=NOON, ended_at=NOON + 1)
            store.write([Save(Job(spec, NOON)), Save(run)])
            store.close()
        return super().write(text)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_what_is_written_out_is_of_one_moment(url: str, tmp_path: Path, kind: str) -> None:
    with contextlib.ExitStack() as stack:
        source = url
        if kind != "sqlite":
            source = stack.enter_context(getattr(store_servers, kind)())
            copy(url, source)
        out = Meddled(source)
        counts = export(source, out)
    assert (counts["runner_specs"], counts["runner_jobs"], counts["runner_runs"]) == (1, 1, 1200)
    out.seek(0)
    there = f"sqlite:///{tmp_path / 'there.db'}"
    import_(out, there)
    assert check(there).problems == []


def test_a_copy_holds_the_same(url: str, tmp_path: Path) -> None:
    dest = f"sqlite:///{tmp_path / 'other.db'}"
    assert copy(url, dest)["runner_runs"] == 1200
    assert told(dest) == told(url)
    with pytest.raises(StoreError, match="the target is not empty: there are rows in runner_specs"):
        copy(url, dest)


def test_out_as_text_and_in_again(url: str, tmp_path: Path) -> None:
    text = io.StringIO()
    export(url, text)
    text.seek(0)
    dest = f"sqlite:///{tmp_path / 'other.db'}"
    assert import_(text, dest)["runner_runs"] == 1200
    assert told(dest) == told(url)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}\n", "line 1: this file is no export (runner db export writes one)"),
        ("nonsense\n", "line 1: not a line of an export: Expecting value: line 1 column 1 (char 0)"),
        (
            '{"runner": "export", "schema": "0000"}\n',
            "line 1: the export has schema 0000, and this version knows 0003 "
            "(import it with the version that wrote it)",
        ),
        (
            '{"runner": "export", "schema": "0003"}\n["runner_jobs", {"id": "x"}]\n',
            "line 2: not a line of an export: 'source'",
        ),
    ],
)
def test_a_file_that_is_no_export(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        import_(io.StringIO(text), f"sqlite:///{tmp_path / 'other.db'}")
    assert str(caught.value) == said


def aged(file: Path) -> None:
    """Make the database what the first version would have left."""
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE INDEX runner_runs_recent ON runner_runs (ended_at)")
        connection.execute("ALTER TABLE runner_runs DROP COLUMN config_commit")
        connection.execute("UPDATE runner_alembic_version SET version_num = '0001'")
    connection.close()


def test_an_earlier_database_is_a_finding_until_it_is_brought_up(url: str, tmp_path: Path) -> None:
    before = told(url)
    aged(tmp_path / "runner.db")
    found = check(url)
    assert found.problems == ["the schema is 0001, this version's is 0003: runner db upgrade"]
    assert told(url) == before
    assert check(url).good


def test_a_backup_of_an_earlier_version_is_put_in_place(url: str, tmp_path: Path) -> None:
    before, old, mark = told(url), tmp_path / "old.db", tmp_path / "mark"
    backup(url, old)
    aged(old)
    content = old.read_bytes()
    assert restore(old, url, mark) == tmp_path / "runner.db.aside"
    assert check(url).good
    assert told(url) == before
    assert old.read_bytes() == content
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_a_damaged_backup_of_an_earlier_version_is_not(url: str, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    backup(url, old)
    with sqlite3.connect(old) as connection:
        connection.execute("UPDATE runner_runs SET steps = '{' WHERE slot = ?", (NOON,))
    connection.close()
    aged(old)
    with pytest.raises(StoreError, match="the backup is not good: runner_runs "):
        restore(old, url, tmp_path / "mark")
    assert check(url).good
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_an_export_of_an_earlier_version_is_read(url: str, tmp_path: Path) -> None:
    text = io.StringIO()
    export(url, text)
    rows = [json.loads(line) for line in text.getvalue().splitlines()]
    rows[0]["schema"] = "0001"
    for row in rows[1:]:
        row[1].pop("config_commit", None)
    dest = f"sqlite:///{tmp_path / 'other.db'}"
    assert import_(io.StringIO("".join(f"{json.dumps(row)}\n" for row in rows)), dest)["runner_runs"] == 1200
    assert told(dest) == told(url)
