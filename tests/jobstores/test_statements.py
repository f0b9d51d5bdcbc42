"""The statements as drivers take them: with names, or one value after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import pg8000, psycopg, psycopg2

from runner.jobstores.sqlalchemy.statements import Statements


class Asked:
    """In a channel's place: what it was to execute."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Any]] = []

    def execute(self, text: str, values: Any = ()) -> None:
        self.statements.append((text, values))

    def many(self, text: str, rows: Sequence[Any]) -> None:
        raise AssertionError("not on PostgreSQL")


@pytest.mark.parametrize(
    ("dialect", "form"),
    [(pg8000.dialect(), tuple), (psycopg.dialect(), dict), (psycopg2.dialect(), dict)],
    ids=["pg8000", "psycopg", "psycopg2"],
)
@pytest.mark.parametrize("count", [1, 2])
def test_values_come_as_the_driver_takes_them(dialect: Dialect, form: type, count: int) -> None:
    asked = Asked()
    Statements(dialect).delete_job.run(asked, [("source", f"job {n}") for n in range(count)])  # type: ignore[arg-type]  # only executes
    ((text, values),) = asked.statements
    assert type(values) is form
    marks = ["%s"] * len(values) if form is tuple else [f"%({name})s" for name in values]
    assert text.count("%") == len(marks)
    assert all(mark in text for mark in marks)
