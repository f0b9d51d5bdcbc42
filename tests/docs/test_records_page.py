"""The page on records says what is there: its query runs on a real store, its reasons are those of the code."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

from runner.jobstores.sqlalchemy.tables import metadata

PAGE = Path("docs/records.md").read_text(encoding="utf-8")


def test_the_query_runs_on_a_store_that_the_runner_made(tmp_path: Path, store_of: Any) -> None:
    file = store_of(tmp_path)
    query = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)[0]
    with sqlite3.connect(file) as db:
        rows = db.execute(query).fetchall()
    assert [row[0] for row in rows] == ["hello"]


def test_every_table_is_named() -> None:
    named = set(re.findall(r"`(runner_\w+)`", PAGE))
    assert named == set(metadata.tables) - {"runner_meta"}
