"""`runner doctor`: what it says of a good place, of a file and a database that are not, and that it only looks."""

# ruff: noqa: E501 - whole texts

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.examined import NOBODY, examined, shown
from tests.cli.verb_place import Place

GOOD = """\
channels: {ops: {urls: ["log://"]}}
defaults: {timeout: 1h, timezone: UTC, notify: {on_failure: ops}}
jobs:
  hello: {schedule: every 1h, run: echo hello}
"""
NEW = """\
ok       program          runner N, Python N, as X on X
ok       clock            X
ok       jobs file        DIR/jobs.yaml is good: 1 job, 1 scheduled
ok       state directory  DIR/state is not there yet: the first run makes it
ok       disk             N free at DIR; output of commands is dropped below N
ok       database         DIR/state/runner.db is not there yet: the first run makes it
note     runner           no runner has begun here, or it has ended
           help: nothing runs on time until somebody does: runner serve -f DIR/jobs.yaml
ok       jobs             1 schedule with times to come
ok       alerts           1 channel (ops), every address can be read; nothing waits to be told
ok       commands         sh: found
ok       open files       X
no problem, 1 note
"""


@pytest.fixture
def used(place: Place) -> Place:
    """A place where a job has run."""
    place.write(GOOD)
    place.call("run", "hello")
    return place


def database(place: Place) -> Path:
    return place.directory / "state" / "runner.db"


def change(place: Place, statement: str) -> None:
    with closing(sqlite3.connect(database(place))) as connection, connection:
        connection.execute(statement)


def contents(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Every file there: its bytes, and when it was last written."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_new_machine(place: Place) -> None:
    place.write(GOOD)
    said = shown(place, code=0)
    said = re.sub(r"(?m)^(ok +(?:clock|open files) +)\S.*", r"\1X", said)
    said = re.sub(r"as \S+ on \S+", "as X on X", re.sub(r"[\d.]+ [KMGT]iB|\d+\.\d+\.\d+\w*", "N", said))
    assert said == NEW
    assert shown(place, "-q", code=0) == (
        "note     runner           no runner has begun here, or it has ended\n"
        "           help: nothing runs on time until somebody does: runner serve -f DIR/jobs.yaml\n"
        "no problem, 1 note\n"
    )
    assert [path.name for path in place.directory.iterdir()] == ["jobs.yaml"]


def test_it_only_looks(used: Place) -> None:
    before = contents(used.directory)
    assert examined(used, code=0) == NOBODY
    assert contents(used.directory) == before
    said = examined(used, "database", "damage", "runs", "output", code=0)
    assert re.sub(r"\d+ B", "N B", said) == (
        "ok output: N B kept, of 2.0 GiB (storage.logs)\n"
        "ok database: DIR/state/runner.db answers: schema 0003, 0 jobs on record\n"
        "ok damage: none: 5 records read, 1 run among them"
    )


def test_the_mistakes_of_a_file_are_told_and_the_rest_is_looked_at(used: Place) -> None:
    used.write("jobs:\n  hello: {rum: echo}\n")
    assert examined(used, code=1) == (
        "problem jobs file: DIR/jobs.yaml is broken, 1 mistake\n"
        "error[unknown-key]: no key is called `rum` here\n"
        "  --> DIR/jobs.yaml:2:11\n"
        "  |\n"
        "2 |   hello: {rum: echo}\n"
        "  |           ^^^\n"
        "  = help: did you mean `run`?\n"
        "\n"
        "1 problem in DIR/jobs.yaml\n"
        "  help: mend it; runner validate says whether it is good\n" + NOBODY
    )


def test_an_address_in_a_line_that_is_shown_keeps_its_password(place: Place) -> None:
    place.write('channels: {ops: {urls: ["mailtoo://me:hidden@host/x"]}}\njobs: {a: {run: x}}\n')
    said = place.call("doctor", code=1).stdout
    assert 'urls: ["mailtoo://****************"]' in said
    assert "hidden" not in said


def test_a_file_that_is_not_there(used: Place) -> None:
    used.file.unlink()
    used.environ["RUNNER_FILE"] = str(used.file)
    assert examined(used, code=1) == (
        "problem jobs file: there is no DIR/jobs.yaml\n"
        "  help: put it back, or give another with -f FILE; runner init writes a first one\n" + NOBODY
    )


def test_warnings_are_notes(place: Place) -> None:
    jobs = "".join(
        f"  j{number}: {{schedule: {{at: 2020-01-0{number}T00:00}}, run: echo}}\n" for number in range(1, 8)
    )
    place.write(f"{GOOD}{jobs}")
    said = examined(place, "jobs file", code=0).splitlines()
    assert said[:3] == [
        "ok jobs file: DIR/jobs.yaml is good: 8 jobs, 8 scheduled",
        "note jobs file: jobs.yaml:5: it never fires again; the last time was 2020-01-01 00:00",
        "  help: remove the job, or give it another schedule",
    ]
    assert said[-2:] == ["note jobs file: 2 more warnings", "  help: runner validate shows all"]


def gone(place: Place) -> str:
    database(place).unlink()
    return (
        "problem database: the database DIR/state/runner.db is gone; it was used until TIME\n"
        "  help: put it back, restore a backup with runner db restore FILE, or start anew: runner db accept\n"
    )


def emptied(place: Place) -> str:
    database(place).write_bytes(b"")
    return (
        "problem database: the database DIR/state/runner.db holds nothing; it is not the one that was used until TIME\n"
        "  help: put the right one back, or go on with this one: runner db accept\n"
    )


def another(place: Place) -> str:
    change(place, f"UPDATE runner_meta SET value = '{'0' * 32}' WHERE name = 'id'")
    return (
        "problem database: the database DIR/state/runner.db is another one; it is not the one that was used until TIME\n"
        "  help: put the right one back, or go on with this one: runner db accept\n"
    )


def older(place: Place) -> str:
    change(place, "UPDATE runner_meta SET value = '0' WHERE name = 'mark'")
    return (
        "note database: DIR/state/runner.db is an older copy of itself: what was written until TIME is not all in it\n"
        "  help: catch-up policies decide about what it does not know; put the newer one back if you have it\n"
    )


def overwritten(place: Place) -> str:
    database(place).write_bytes(b"nothing that is a database" * 200)
    return (
        "problem database: the database cannot be read: file is not a database\n"
        "  help: restore a backup with runner db restore FILE; runner db check says what is wrong\n"
    )


def half_a_value(place: Place) -> str:
    change(place, "UPDATE runner_runs SET steps = '{'")
    (key,) = rows(place, "SELECT source, job, slot, nonce FROM runner_runs")
    return (
        f"problem damage: runner_runs ({', '.join(map(str, key))}): steps: a stored value cannot be read: "
        "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)\n"
        "  help: nothing was changed; restore a backup with: runner db restore FILE\n"
    ).replace(str(place.directory), "DIR")


def newer(place: Place) -> str:
    change(place, "UPDATE runner_alembic_version SET version_num = '9999'")
    return (
        "problem database: DIR/state/runner.db has schema 9999, and this version knows 0003\n"
        "  help: run the newer version, or restore a backup from before the upgrade\n"
    )


def earlier(place: Place) -> str:
    change(place, "UPDATE runner_alembic_version SET version_num = '0002'")
    return (
        "note database: DIR/state/runner.db has schema 0002, of an earlier version; this one's is 0003\n"
        "  help: a start of runner serve upgrades it; take a copy before: runner db backup FILE\n"
    )


def rows(place: Place, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database(place))) as connection:
        return connection.execute(question).fetchall()


@pytest.mark.parametrize(
    "trouble",
    [gone, emptied, another, older, overwritten, half_a_value, newer, earlier],
    ids=lambda each: each.__name__,
)
def test_a_database_that_is_not_as_it_was(trouble: Callable[[Place], str], used: Place) -> None:
    expected = trouble(used)
    before = contents(used.directory)
    assert examined(used, code=int(expected.startswith("problem"))) == expected + NOBODY
    assert contents(used.directory) == before


def test_more_records_than_are_read_in_some_seconds(used: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    used.call("run", "hello")
    monkeypatch.setattr("runner.doctor.database._READ", 1)
    assert examined(used, "damage", code=0) == (
        "note damage: 2 records are not read one by one here\n  help: runner db check reads them all"
    )


def test_a_disk_that_is_nearly_full(used: Place) -> None:
    used.write(f"storage: {{keep_free: 900000G, logs: 1M}}\n{GOOD}")
    (used.directory / "state" / "logs" / "00").mkdir()
    (used.directory / "state" / "logs" / "00" / f"{'0' * 32}.log").write_bytes(b"x" * (2 << 20))
    said = re.sub(r"[\d.]+ GiB free", "N free", examined(used, "disk", "output", code=1))
    assert said == (
        "problem disk: nearly full: N free at DIR/state; below 878.9 TiB output of commands is dropped\n"
        "  help: make room; runner db purge forgets now what retention no longer covers\n"
        "note output: it takes 2.0 MiB, and storage.logs is 1.0 MiB\n"
        "  help: a runner at work forgets what is too much every hour; runner db purge does now"
    )
