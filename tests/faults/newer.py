"""The runner one version on: its database has a column and its records a field that this version does not know.

`python newer.py ARGS ...`. The column is added as an expanding migration adds it: nullable, nothing else changes.
"""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy import Connection, create_engine, inspect, text

from runner.jobstores import codec
from runner.jobstores.sqlalchemy import rows


def expand(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        if not _has(connection):
            connection.execute(text("ALTER TABLE runner_runs ADD COLUMN mood VARCHAR(20)"))
    engine.dispose()


def _has(connection: Connection) -> bool:
    return any(column["name"] == "mood" for column in inspect(connection).get_columns("runner_runs"))


def main() -> None:
    plain = codec.dumps

    def dumps(value: Any) -> str:
        # Every step's record gets a field more.
        return plain(value).replace('{"~":"StepRun","step"', '{"~":"StepRun","mood":"good","step"')

    def step_text(state: Any) -> str:
        # What usual runs are written with.
        return usual(state).replace('{"~":"StepRun","step"', '{"~":"StepRun","mood":"good","step"')

    usual = rows.step_text
    vars(rows).update(dumps=dumps, step_text=step_text)
    url, *args = sys.argv[1:]
    expand(url)
    sys.argv = ["runner", *args]
    from runner.cli import main as run

    run()


if __name__ == "__main__":
    main()
