"""The contract on PostgreSQL and MariaDB, real servers; and what is theirs: leases with a deadline, restarts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, delete, text

from runner.clock import SystemClock
from runner.core.action import Forget, Save
from runner.core.run import Job, Status
from runner.errors import LeaseLost, StoreError
from runner.history import History, check, copy
from runner.jobstores.base import LEASE
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.jobstores.sqlalchemy.database import Channel
from runner.jobstores.sqlalchemy.leases import check as check_fence
from runner.jobstores.sqlalchemy.tables import metadata
from runner.moment import DAY, SECOND
from runner.testing.jobstore_suite import JobStoreSuite
from runner.testing.jobstore_values import NOON, SOURCE, run, spec
from tests.jobstores import store_servers


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with getattr(store_servers, request.param)() as url:
        yield url


def emptied(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(delete(table))
    engine.dispose()


now = SystemClock().now


class TestServers(JobStoreSuite):
    @pytest.fixture
    def store(self, url: str) -> Iterator[SQLAlchemyJobStore]:
        self.url = url
        self.tells = url.startswith("postgresql")
        self.others: list[SQLAlchemyJobStore] = []
        store = SQLAlchemyJobStore(url)
        store.open()
        emptied(url)
        yield store
        for each in (store, *self.others):
            each.close()

    def reopened(self, store: SQLAlchemyJobStore) -> SQLAlchemyJobStore:
        other = SQLAlchemyJobStore(self.url)
        other.open()
        self.others.append(other)
        return other

    def test_the_migrations_make_what_the_tables_say(self, store: Any) -> None:
        with store.engine.connect() as connection:
            # MariaDB calls a text of that length by another name.
            types = store.engine.dialect.name == "postgresql"
            opts = {"version_table": "runner_alembic_version", "compare_type": types}
            context = MigrationContext.configure(connection, opts=opts)
            assert compare_metadata(context, metadata) == []

    def test_a_database_of_the_first_version_is_brought_up(self, store: Any) -> None:
        store.write([Save(run(spec()))])
        with store.engine.begin() as connection:
            connection.execute(text("CREATE INDEX runner_runs_recent ON runner_runs (ended_at)"))
            connection.execute(text("ALTER TABLE runner_runs DROP COLUMN config_commit"))
            connection.execute(text("UPDATE runner_alembic_version SET version_num = '0001'"))
        other = self.reopened(store)
        assert [each.commit for each in other.live_of(SOURCE)] == [""]
        self.test_the_migrations_make_what_the_tables_say(other)

    def test_the_lead_passes_on_when_its_time_is_up(self, store: Any) -> None:
        other = self.reopened(store)
        long = 100 * LEASE
        first = store.hold(SOURCE, "me", NOON, long)
        assert first is not None
        assert other.hold(SOURCE, "you", NOON + 99 * DAY) is None, "the database's clock decides, not ours"
        with store.engine.begin() as connection:
            connection.execute(text(f"UPDATE runner_leases SET until = until - {long + SECOND + 1}"))
        second = other.hold(SOURCE, "you", NOON, long)
        assert second is not None
        assert second.number == first.number + 1
        with pytest.raises(LeaseLost, match=f"the lead of {SOURCE} went to another runner"):
            store.write([Save(Job(spec()))], first)
        assert store.hold(SOURCE, "me", NOON) is None

    def test_a_lead_that_lasts_longer_does_so_in_the_database_and_is_short_again(self, store: Any) -> None:
        other = self.reopened(store)
        assert store.hold(SOURCE, "me", NOON, 10 * LEASE) is not None

        def later(seconds: int) -> None:
            with store.engine.begin() as connection:
                connection.execute(text(f"UPDATE runner_leases SET until = until - {seconds}000000"))

        later(4)
        assert other.hold(SOURCE, "you", NOON) is None
        assert store.hold(SOURCE, "me", NOON) is not None
        later(4)
        assert other.hold(SOURCE, "you", NOON) is not None

    def test_a_frozen_leader_amid_its_transaction_does_not_hold_up_the_next(self, store: Any) -> None:
        other = self.reopened(store)
        first = store.hold(SOURCE, "me", now())
        connection = store._connected()
        transaction = connection.begin()
        check_fence(Channel(connection), first)
        # Nothing comes after it, as when the process is frozen here: PostgreSQL counts no idle time then.
        connection.connection.cursor().executemany(
            "INSERT INTO runner_meta (name, value) VALUES (%s, 'x')", [("frozen1",), ("frozen2",)]
        )
        second = None
        until = time.monotonic() + 90
        while second is None and time.monotonic() < until:
            with contextlib.suppress(StoreError):
                second = other.hold(SOURCE, "you", now())
            time.sleep(0.1)
        assert second is not None
        assert second.number == first.number + 1
        with contextlib.suppress(Exception):
            transaction.rollback()

    def test_ids_that_differ_in_case_or_a_space_are_two(self, store: Any) -> None:
        ids = ["job", "Job", "job ", "jöb"]
        store.write([Save(Job(spec(id), NOON)) for id in ids])
        assert {job.key.id for job in self.reopened(store).load(SOURCE).jobs} == set(ids)

    def test_many_rows_of_one_turn_are_each_kept_as_they_are(self, store: Any) -> None:
        """More than go into one statement, with what means something to SQL, to JSON and to the driver."""
        words = ["%s", "%(rows)s", "it's", '"quoted"', "\\n\\u0041", ":name", "☃", "null", ""]
        jobs = [
            Job(
                spec(f"job {number}"),
                NOON + number,
                reason=words[number % len(words)],
                late_at=number % 2 or None,
            )
            for number in range(2_100)
        ]
        runs = [run(job.spec, NOON + n, status=Status.RUNNING) for n, job in enumerate(jobs[:1_100])]
        store.write([*map(Save, jobs), *map(Save, runs)])
        moved = [replace(job, next_at=None, passed=job.next_at, last_status=Status.FAILED) for job in jobs]
        going = [replace(each, reason="moved", due=NOON) for each in runs]
        store.write([*map(Save, moved), *map(Save, going)])
        found = self.reopened(store).load(SOURCE)
        assert {job.key: job for job in found.jobs} == {job.key: job for job in moved}
        assert {each.key: each for each in found.runs} == {each.key: each for each in going}
        store.write([Forget(job.key) for job in jobs[5:]])
        assert {job.key for job in self.reopened(store).load(SOURCE).jobs} == {job.key for job in jobs[:5]}

    def test_a_long_output_is_kept_whole(self, store: Any) -> None:
        long = replace(run(spec()), params={"x": "y" * 300_000})
        store.write([Save(long)])
        assert self.reopened(store).load(SOURCE).runs == (long,)

    def test_the_longest_keys(self, store: Any) -> None:
        source = "/" + "d" * 439
        job = Job(spec("☃" * 255, source=source), NOON)
        store.write([Save(job)])
        assert self.reopened(store).load(source).jobs == (job,)
        with pytest.raises(StoreError, match="the batch cannot be written"):
            store.write([Save(Job(spec("x" * 256)))])
        store.check([job.spec])
        with pytest.raises(StoreError, match="it has 256 characters"):
            store.check([spec("x" * 256)])

    def test_a_server_that_ends_the_connection_is_a_store_error_once(self, store: Any, url: str) -> None:
        store.write([Save(Job(spec("before")))])
        mysql = url.startswith("mysql")
        question = "SELECT CONNECTION_ID()" if mysql else "SELECT pg_backend_pid()"
        session = store._connected().execute(text(question)).scalar()
        store._connected().rollback()
        with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            kill = "KILL :session" if mysql else "SELECT pg_terminate_backend(:session)"
            connection.execute(text(kill), {"session": session})
        with pytest.raises(StoreError, match="the batch cannot be written"):
            store.write([Save(Job(spec("meanwhile")))])
        store.write([Save(Job(spec("after")))])
        assert {job.key.id for job in store.load(SOURCE).jobs} == {"before", "after"}

    def test_history_is_purged_and_moved(self, store: Any, url: str, tmp_path: Path) -> None:
        old = replace(run(spec(), NOON - 99 * DAY), status=Status.SUCCEEDED, ended_at=NOON - 99 * DAY)
        new = replace(run(spec()), status=Status.SUCCEEDED, ended_at=NOON)
        store.write([Save(Job(spec(), NOON)), Save(old), Save(new)])
        assert store.purge(NOON).runs == (old.key,)
        assert check(url).good
        file = f"sqlite:///{tmp_path / 'moved.db'}"
        before = (History(store.engine).runs(), store.load(SOURCE))
        copy(url, file)
        emptied(url)
        copy(file, url)
        assert (History(store.engine).runs(), self.reopened(store).load(SOURCE)) == before
