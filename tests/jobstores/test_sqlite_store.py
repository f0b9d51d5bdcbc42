"""The contract on a real SQLite file, and what is SQLite's own: modes, corruption, locks, migrations."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import StaticPool

from runner.core.action import Forget, Save
from runner.core.run import Job, Request
from runner.errors import LeaseLost, StoreCorrupt, StoreError
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore, database, rows
from runner.jobstores.sqlalchemy.database import EARLIER, HEAD, connect, upgrade
from runner.jobstores.sqlalchemy.tables import metadata
from runner.spec import JobSpec
from runner.testing.jobstore_suite import JobStoreSuite
from runner.testing.jobstore_values import NOON, SOURCE, run, spec


class TestSQLite(JobStoreSuite):
    tells = False

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SQLAlchemyJobStore]:
        self.url = f"sqlite:///{tmp_path / 'runner.db'}"
        self.others: list[SQLAlchemyJobStore] = []
        store = SQLAlchemyJobStore(self.url)
        store.open()
        yield store
        for each in (store, *self.others):
            each.close()

    def reopened(self, store: SQLAlchemyJobStore) -> SQLAlchemyJobStore:
        other = SQLAlchemyJobStore(self.url)
        other.open()
        self.others.append(other)
        return other


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runner.db"


@pytest.fixture
def store(file: Path) -> Iterator[SQLAlchemyJobStore]:
    store = SQLAlchemyJobStore(f"sqlite:///{file}")
    store.open()
    yield store
    store.close()


def test_only_the_owner_may_read_the_files(store: SQLAlchemyJobStore, file: Path) -> None:
    store.write([Save(Job(spec()))])
    store.hold(SOURCE, "me", NOON)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in file.parent.iterdir()}
    assert set(modes.values()) == {"0o600"}, modes


def test_a_url_that_was_read_before_makes_a_file_for_its_owner_too(tmp_path: Path) -> None:
    one = SQLAlchemyJobStore(make_url(f"sqlite:///{tmp_path / 'jobs.db'}"))
    one.open()
    one.close()
    assert stat.S_IMODE((tmp_path / "jobs.db").stat().st_mode) == 0o600


def test_a_url_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(StoreError, match="URL cannot be read"):
        SQLAlchemyJobStore("jobs.db")


def test_a_uri_is_a_file_with_locks_beside_it(tmp_path: Path) -> None:
    stores = [SQLAlchemyJobStore(f"sqlite:///file:{tmp_path}/a%20b.db?uri=true") for _ in range(2)]
    for one in stores:
        one.open()
    assert stores[0].hold(SOURCE, "first", NOON) is not None
    assert stores[1].hold(SOURCE, "second", NOON) is None
    for one in stores:
        one.close()
    assert (tmp_path / "a b.db").exists()


@pytest.mark.parametrize("options", [{}, {"poolclass": StaticPool}])
def test_an_engine_in_memory_for_one_thread_alone_is_refused(options: dict[str, Any]) -> None:
    engine = create_engine("sqlite://", **options)
    with pytest.raises(StoreError, match=r"cannot be used by another thread.*sqlite://"):
        SQLAlchemyJobStore(engine=engine).open()


def test_an_engine_in_memory_for_all_threads_is_taken() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    one = SQLAlchemyJobStore(engine=engine)
    one.open()
    one.write([Save(Job(spec(), NOON))])
    assert len(one.load(SOURCE).jobs) == 1
    one.close()


def test_every_commit_is_synced(store: SQLAlchemyJobStore) -> None:
    with store.engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
    assert found == ["wal", 2]


def test_a_lead_that_was_taken_since_the_last_write_is_noticed(store: SQLAlchemyJobStore, file: Path) -> None:
    fence = store.hold(SOURCE, "me", NOON)
    store.write([Save(Job(spec()))], fence)
    store.write([Save(Job(spec(), next_at=NOON))], fence)
    with sqlite3.connect(file) as other:
        other.execute("UPDATE runner_leases SET number = number + 1")
    with pytest.raises(LeaseLost):
        store.write([Save(Job(spec(), next_at=NOON + 1))], fence)
    assert [job.next_at for job in store.load(SOURCE).jobs] == [NOON]


def test_a_lead_that_was_taken_through_the_same_store_is_noticed(store: SQLAlchemyJobStore) -> None:
    fence = store.hold(SOURCE, "me", NOON)
    assert fence is not None
    store.write([Save(Job(spec()))], fence)
    store.release(fence)
    assert store.hold(SOURCE, "another", NOON) is not None
    with pytest.raises(LeaseLost):
        store.write([Save(Job(spec(), next_at=NOON))], fence)


def test_specs_that_were_purged_since_the_last_write_are_written_again(
    store: SQLAlchemyJobStore, file: Path
) -> None:
    fence = store.hold(SOURCE, "me", NOON)
    store.write([Save(Job(spec()))], fence)
    store.write([Forget(spec().key)], fence)
    store.purge(NOON)
    assert _count(file, "runner_specs") == 0
    # A write that refers to no spec looks at none: the next one that does still has to.
    request = Request("r", SOURCE, "pause", asked_at=NOON)
    store.write([Save(replace(request, state="done"))], fence)
    store.write([Save(Job(spec()))], fence)
    assert [job.spec.id for job in store.load(SOURCE).jobs] == [spec().id]


def test_others_write_while_what_was_read_is_still_made_sense_of(
    store: SQLAlchemyJobStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([Save(Job(spec()))])
    job_of, before = rows.job_of, _count(file, "runner_meta")

    def meanwhile(row: Any, spec: JobSpec) -> Job:
        with sqlite3.connect(file, timeout=0) as other:
            other.execute("INSERT INTO runner_meta (name, value) VALUES ('meanwhile', '')")
        return job_of(row, spec)

    monkeypatch.setattr(rows, "job_of", meanwhile)
    assert [job.spec.id for job in store.load(SOURCE).jobs] == [spec().id]
    assert _count(file, "runner_meta") == before + 1


def _count(file: Path, table: str) -> int:
    with sqlite3.connect(file) as other:
        return int(other.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Engine]:
    """A database that every migration has gone over."""
    engine = connect(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.connect() as connection:
        upgrade(connection)
    yield engine
    engine.dispose()


def test_the_migrations_make_what_the_tables_say(migrated: Engine) -> None:
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "runner_alembic_version"})
        assert compare_metadata(context, metadata) == []


def test_a_new_file_has_what_the_migrations_would_have_made(
    store: SQLAlchemyJobStore, migrated: Engine
) -> None:
    found = []
    for engine in (store.engine, migrated):
        with engine.connect() as connection:
            asked = connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_master").all()
            # The text of a table that a migration changed has the new column behind the keys: columns are compared.
            texts = {row.name: "".join((row.sql or "").split()) for row in asked if row.type != "table"}
            columns = {
                row.name: connection.exec_driver_sql(f"PRAGMA table_xinfo({row.name})").all()
                for row in asked
                if row.type == "table"
            }
            found.append((texts, columns))
            assert connection.exec_driver_sql("SELECT * FROM runner_alembic_version").all() == [(HEAD,)]
    assert found[0] == found[1]


@pytest.mark.parametrize("version", EARLIER)
def test_a_file_of_an_earlier_version_is_brought_up(
    store: SQLAlchemyJobStore, file: Path, version: str
) -> None:
    store.write([Save(run(spec()))])
    with store.engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.downgrade(config, version)
    store.close()
    assert _version(file) == version
    store.open()
    assert [each.key for each in store.live_of(SOURCE)] == [run(spec()).key]
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "runner_alembic_version"})
        assert compare_metadata(context, metadata) == []
    assert _version(file) == HEAD


def test_a_migration_that_was_killed_half_way_is_finished(store: SQLAlchemyJobStore, file: Path) -> None:
    store.close()
    with sqlite3.connect(file) as other:
        # The index is dropped already, and the version is still the old one.
        other.execute("UPDATE runner_alembic_version SET version_num = '0002'")
    store.open()
    with sqlite3.connect(file) as other:
        asked = "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'runner_runs%'"
        assert other.execute(asked).fetchall() == [("runner_runs_live",)]
    assert _version(file) == HEAD


def _version(file: Path) -> str:
    with sqlite3.connect(file) as other:
        return str(other.execute("SELECT version_num FROM runner_alembic_version").fetchone()[0])


def test_a_new_file_is_made_without_alembic(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom runner.jobstores.sqlalchemy import SQLAlchemyJobStore\n"
        f"SQLAlchemyJobStore('sqlite:///{tmp_path / 'new.db'}').open()\nprint('alembic' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def test_a_newer_schema_is_left_alone(store: SQLAlchemyJobStore, file: Path) -> None:
    store.close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE runner_alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="the database has schema 9999, and this version knows"):
        SQLAlchemyJobStore(f"sqlite:///{file}").open()


def test_a_damaged_file_is_named_and_left_as_it_is(file: Path) -> None:
    damaged = b"this is not a database at all, whatever its name says" * 100
    file.write_bytes(damaged)
    with pytest.raises(StoreCorrupt, match="file is not a database"):
        SQLAlchemyJobStore(f"sqlite:///{file}").open()
    assert file.read_bytes() == damaged


def test_a_file_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the database cannot be opened: No such file or directory"):
        SQLAlchemyJobStore(f"sqlite:///{tmp_path / 'no' / 'runner.db'}").open()


def test_a_locked_database_is_a_store_error_and_works_afterwards(
    store: SQLAlchemyJobStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.jobstores.sqlalchemy.database.BUSY_MILLISECONDS", 50)
    store.close()
    store.open()
    store.write([Save(Job(spec("before")))])
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="database is locked"):
        store.write([Save(Job(spec("meanwhile")))])
    other.execute("ROLLBACK")
    store.write([Save(Job(spec("after")))])
    assert {job.key.id for job in store.load(SOURCE).jobs} == {"before", "after"}


HOLDER = """
import sys
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore, rows
store = SQLAlchemyJobStore(sys.argv[1])
store.open()
print(store.hold(sys.argv[2], "child", 0).number, flush=True)
sys.stdin.read()
"""


def test_the_lead_ends_with_the_process_that_had_it(store: SQLAlchemyJobStore, file: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, f"sqlite:///{file}", SOURCE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    assert child.stdout is not None
    number = int(child.stdout.readline())
    assert store.hold(SOURCE, "me", NOON) is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    fence = store.hold(SOURCE, "me", NOON)
    assert fence is not None
    assert fence.number == number + 1
    child.stdout.close()


def test_a_job_that_cannot_be_read_is_named_and_kept(store: SQLAlchemyJobStore, file: Path) -> None:
    store.write([Save(Job(spec("good"))), Save(Job(spec("bad", description="odd")))])
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE runner_specs SET spec = '{\"~\":\"Nonsense\"}' WHERE spec LIKE '%odd%'")
    connection.close()
    again = SQLAlchemyJobStore(f"sqlite:///{file}")
    again.open()
    loaded = again.load(SOURCE)
    again.close()
    assert [job.key.id for job in loaded.jobs] == ["good"]
    assert [(bad.key.id, bad.reason) for bad in loaded.unreadable] == [
        ("bad", "a stored value is of an unknown kind, 'Nonsense' (was it written by a newer version?)")
    ]


WRITER = """
import sys
from runner.core.action import Forget, Save
from runner.core.run import Job, Request
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore, rows
from runner.testing.jobstore_values import spec
store = SQLAlchemyJobStore(sys.argv[1])
store.open()
for number in range(100000):
    store.write([Save(Job(spec("left"), number)), Save(Job(spec("right"), number))])
    if number == 5:
        print("writing", flush=True)
"""


def test_a_writer_killed_in_the_middle_leaves_whole_batches(store: SQLAlchemyJobStore, file: Path) -> None:
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, f"sqlite:///{file}"], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "writing\n"
        child.kill()
        child.wait()
        child.stdout.close()
        assert len({job.next_at for job in store.load(SOURCE).jobs}) == 1


RACER = """
import sys
from runner.core.action import Forget, Save
from runner.core.run import Job, Status
from runner.errors import RunExists
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore, rows
from runner.testing.jobstore_values import NOON, run, spec
from dataclasses import replace
store = SQLAlchemyJobStore(sys.argv[1])
store.open()
print("ready", flush=True)
sys.stdin.readline()
won = 0
for number in range(200):
    made = replace(run(spec(), NOON + number), created_at=int(sys.argv[2]), ended_at=NOON, status=Status.SUCCEEDED)
    try:
        store.write([Save(made)])
        won += 1
    except RunExists:
        pass
print(won, flush=True)
"""


def test_two_processes_cannot_both_write_a_run(store: SQLAlchemyJobStore, file: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, f"sqlite:///{file}", str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in (1, 2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    won = []
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        said, _ = child.communicate(timeout=150)
        won.append(int(said))
    assert sum(won) == 200


def test_text_that_is_no_utf8_is_kept(store: SQLAlchemyJobStore) -> None:
    odd = replace(run(spec()), params={"bytes": "\udce9t\udce9", "nul": "\0"})
    store.write([Save(odd)])
    assert store.load(SOURCE).runs == (odd,)


def test_a_reason_that_is_no_utf8_stops_no_write(store: SQLAlchemyJobStore) -> None:
    odd = Job(spec(), reason="its trigger failed: no file b\udce9t\0")
    store.write([Save(odd), Save(replace(run(spec()), reason="é", by="\udce9"))])
    found = store.load(SOURCE)
    assert [job.reason for job in found.jobs] == ["its trigger failed: no file b\\udce9t\\0"]
    assert [(each.reason, each.by) for each in found.runs] == [("é", "\\udce9")]


def test_specs_of_jobs_that_are_gone_are_not_remembered_for_ever(store: SQLAlchemyJobStore) -> None:
    for number in range(2_000):
        once = replace(spec(), id=f"once{number}")
        store.write([Save(Job(once))])
        store.write([Forget(once.key)])
    assert len(store._content._digests) <= 300
    assert len(store._content._digests.written) <= 300
    kept = replace(spec(), id="kept")
    store.write([Save(Job(kept)), Save(run(kept))])
    loaded = store.load(SOURCE)
    assert [job.spec for job in loaded.jobs] == [kept]
    assert [each.spec for each in loaded.runs] == [kept]
