"""The statements as drivers take them: with names, or one value after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.dialects import postgresql

from runner.jobstores.sqlalchemy.statements import Statements


class Asked:
    """In a channel's place: what it was to execute."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Any]] = []

    def execute(self, text: str, values: Any = ()) -> None:
        self.statements.append((text, values))

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
