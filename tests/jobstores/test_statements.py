"""The statements as drivers take them: with names, or one value after the other."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.dialects import mysql, postgresql

from runner.jobstores.base import Fence
from runner.jobstores.sqlalchemy import leases
from runner.jobstores.sqlalchemy.statements import Statements


class Asked:
    """In a channel's place: what it was to execute."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Any]] = []

    def execute(self, text: str, values: Any = ()) -> None:
        self.statements.append((text, values))

    def scalar(self, text: str, values: Any = ()) -> int:
        self.statements.append((text, values))
        return 1

    def many(self, text: str, rows: Sequence[Any]) -> None:
        raise AssertionError("not on PostgreSQL")


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("driver", ["pg8000", "psycopg", "psycopg2"])
def test_values_come_as_the_driver_takes_them(driver: str, count: int) -> None:
    dialect: Any = getattr(postgresql, driver)
    asked: Any = Asked()
    Statements(dialect.dialect()).delete_job.run(asked, [("source", f"job {n}") for n in range(count)])
    ((text, values),) = asked.statements
    if driver == "pg8000":
        assert type(values) is tuple
        assert text.count("%s") == text.count("%") == len(values)
    else:
        assert type(values) is dict
        assert all(f"%({name})s" in text for name in values)
        assert text.count("%") == len(values)


def test_each_server_is_asked_for_the_lead_in_its_own_words() -> None:
    """MySQL 8 and MariaDB in one process: what one of them knows is a syntax error to the other."""
    told = []
    for shares in (True, False, True):
        dialect = mysql.pymysql.dialect()
        dialect.use_mysql_for_share = shares
        asked: Any = Asked()
        asked.connection = SimpleNamespace(dialect=dialect)
        leases.check(asked, Fence("/jobs.yaml", "me", 1))
        ((text, _),) = asked.statements
        told.append(text)
    assert [text.endswith("FOR SHARE") for text in told] == [True, False, True]
    assert told[1].endswith("LOCK IN SHARE MODE")
