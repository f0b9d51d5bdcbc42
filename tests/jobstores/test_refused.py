"""What could never be written is refused at once: a batch that holds it would keep all others waiting."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import StoreError
from runner.jobstores.sqlalchemy.rows import check_id
from runner.schedulers.background import BackgroundScheduler


@pytest.mark.parametrize(
    ("id", "dialect", "said"),
    [
        ("x" * 256, "postgresql", "it has 256 characters"),
        ("x" * 256, "mysql", "it has 256 characters"),
        ("a\0b", "postgresql", "PostgreSQL has no NUL in its texts"),
        ("a\udcffb", "sqlite", "it is no Unicode text"),
        ("a\udcffb", "mysql", "it is no Unicode text"),
    ],
)
def test_an_id_that_no_row_can_have_is_refused(id: str, dialect: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        check_id(id, dialect)


@pytest.mark.parametrize(
    ("id", "dialect"),
    [
        ("☃" * 255, "postgresql"),
        ("☃" * 255, "mysql"),
        ("x" * 256, "sqlite"),
        ("a\0b", "sqlite"),
        ("a\0b", "mysql"),
    ],
)
def test_any_other_id_is_not(id: str, dialect: str) -> None:
    check_id(id, dialect)


def test_an_id_that_cannot_be_stored_harms_nothing_else(tmp_path: Path) -> None:
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": sqlite(tmp_path)})
    scheduler.start(paused=True)
    try:
        with pytest.raises(StoreError, match="it is no Unicode text"):
            scheduler.add_job(print, "interval", hours=1, id="\udcff")
        scheduler.add_job(print, "interval", hours=1, id="good")
        assert [job.id for job in scheduler.get_jobs()] == ["good"]
    finally:
        scheduler.shutdown()


def test_of_several_that_are_added_together_one_that_cannot_be_stored_is_named_at_once(
    tmp_path: Path,
) -> None:
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": sqlite(tmp_path)})
    scheduler.add_job(print, "interval", hours=1, id="good")
    scheduler.add_job(print, "interval", hours=1, id="bad", args=[object()])
    with pytest.raises(StoreError) as caught:
        scheduler.start(paused=True)
    # Not that the store does not answer, and that the change is kept: it is not.
    assert caught.value.fact.startswith("a value of type object cannot be stored")


def sqlite(tmp_path: Path) -> dict[str, str]:
    return {"type": "sqlalchemy", "url": f"sqlite:///{tmp_path / 'jobs.db'}"}
