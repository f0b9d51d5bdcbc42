"""The count that tells an older copy of a database: no false word of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from runner.jobstores.sqlalchemy import tables
from runner.jobstores.sqlalchemy.mark import Mark


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path / 'runner.db'}")
    tables.metadata.create_all(made)
    yield made
    made.dispose()


def opened(engine: Engine, path: Path) -> Mark:
    mark = Mark(path)
    with engine.begin() as connection:
        mark.verify(connection, "it")
    mark.verified()
    return mark


def write(engine: Engine, mark: Mark, times: int) -> None:
    for _ in range(times):
        with engine.begin() as connection:
            mark.step(connection)
        mark.stepped()


def looked_at(engine: Engine, path: Path) -> None:
    with engine.connect() as connection:
        Mark(path).compare(connection, "it")


def test_a_step_that_was_rolled_back_is_none(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark = opened(engine, tmp_path / "mark")
    with engine.connect() as connection, connection.begin() as begun:
        mark.step(connection)
        begun.rollback()
    write(engine, mark, 1)
    looked_at(engine, tmp_path / "mark")
    assert "older copy" not in caplog.text


def test_runners_of_two_hosts_count_in_one_place(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (opened(engine, tmp_path / name) for name in ("first", "second"))
    write(engine, second, 100)
    write(engine, first, 20)
    looked_at(engine, tmp_path / "second")
    assert "older copy" not in caplog.text


def test_an_older_copy_is_told(engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(engine, opened(engine, tmp_path / "mark"), 40)
    with engine.begin() as connection:
        connection.execute(tables.meta.update().where(tables.meta.c.name == "mark").values(value="1"))
    looked_at(engine, tmp_path / "mark")
    assert "older copy" in caplog.text


def test_who_dies_as_it_begins_leaves_nothing_that_keeps_the_next_one_out(
    engine: Engine, tmp_path: Path
) -> None:
    """A file that remembered an id before the database had it would have every start refused."""
    with engine.connect() as connection, connection.begin() as begun:
        Mark(tmp_path / "mark").verify(connection, "it")
        begun.rollback()
    opened(engine, tmp_path / "mark").close()
    looked_at(engine, tmp_path / "mark")
