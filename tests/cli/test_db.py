"""`runner db`, as people type it: every verb on a real database, and what is kept of the one that was there."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.jobstores import store_servers

Say = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with store_servers.postgresql() as url:
        yield url


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """A directory with one job that has run twice, and `runner` in it."""
    (tmp_path / "jobs.yaml").write_text("jobs:\n  hello:\n    run: echo hello\n")

    def runner(*args: str, url: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "RUNNER_STATE_DIR": str(tmp_path / "state")}
        if url:
            environ["RUNNER_DATABASE_URL"] = url
        command = [sys.executable, "-m", "runner", *args]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    runner("run", "hello", "-q")
    runner("run", "hello", "-q")
    return runner


def runs(say: Say, url: str = "") -> list[str]:
    found = json.loads(say("history", "--json", url=url).stdout)["runs"]
    return sorted(run["id"] for run in found)


def test_check_says_what_is_there(say: Say) -> None:
    assert "good, schema 0003" in say("db", "check").stdout
    found = json.loads(say("db", "check", "--json").stdout)
    assert (found["ok"], found["rows"]["runs"], found["problems"]) == (True, 2, [])


def test_check_lists_damage_and_changes_nothing(say: Say, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "state" / "runner.db") as connection:
        connection.execute("UPDATE runner_runs SET steps = '{'")
    connection.close()
    said = say("db", "check", code=1).stderr
    assert said.count("a stored value cannot be read") == 2
    assert "runner db restore" in said


def test_a_backup_is_put_back_and_what_was_there_is_kept(say: Say, tmp_path: Path) -> None:
    say("db", "backup", "good.db")
    before = runs(say)
    database = tmp_path / "state" / "runner.db"
    damaged = b"nothing that is a database" * 200
    database.write_bytes(damaged)
    said = say("run", "hello", "-q", code=1).stderr
    assert "is damaged: file is not a database" in said
    assert "runner db restore FILE" in said
    assert database.read_bytes() == damaged
    assert "what was there is kept in" in say("db", "restore", "good.db").stdout
    assert runs(say) == before
    assert database.with_name("runner.db.aside").read_bytes() == damaged
    say("run", "hello", "-q")
    assert len(runs(say)) == 3


def test_a_bad_backup_is_refused(say: Say, tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"no backup at all" * 100)
    before = runs(say)
    assert "the backup is not good" in say("db", "restore", "bad.db", code=1).stderr
    assert runs(say) == before


def test_a_database_that_is_gone_is_not_begun_anew(say: Say, tmp_path: Path) -> None:
    database = tmp_path / "state" / "runner.db"
    database.unlink()
    said = say("run", "hello", "-q", code=1).stderr
    assert "is gone; it was used until" in said
    assert "runner db accept" in said
    assert not database.exists()
    say("db", "accept")
    say("run", "hello", "-q")
    assert len(runs(say)) == 1


def test_a_database_that_was_replaced_is_told_by_who_only_looks_and_left_as_it_is(
    say: Say, tmp_path: Path
) -> None:
    """Else the first look would fill it, and the next one call it good."""
    database = tmp_path / "state" / "runner.db"
    database.write_bytes(b"")
    (tmp_path / "state" / "runner.db-wal").unlink(missing_ok=True)
    for words, code in ((["list"], 0), (["history", "--json"], 1), (["logs", "hello"], 1)):
        answered = say(*words, code=code)
        assert f"{database} holds nothing; it is not the one that was used until" in answered.stderr
        assert "runner db accept" in answered.stderr
        assert not code or answered.stdout == "", "an empty history would be a wrong answer"
    assert "holds nothing" in say("db", "check", code=1).stderr
    assert "holds nothing" in json.loads(say("db", "check", "--json", code=1).stdout)["problems"][0]
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    database.unlink()
    for words in (
        ["history"],
        ["history", "--all", "--json"],
        ["history", "hello@2026-11-26T11:17:36Z"],
        ["logs", "hello"],
    ):
        answered = say(*words, code=1)
        assert f"{database} is gone; it was used until" in answered.stderr
        assert answered.stdout == ""
    assert f"{database} is gone; it was used until" in say("list").stderr
    assert f"{database} is gone; it was used until" in say("db", "check", code=1).stderr
    database.mkdir()
    said = say("db", "check", code=2).stderr
    assert f"{database} is no file" in said


def test_only_a_whole_export_ever_bears_its_name(say: Say, tmp_path: Path) -> None:
    say("db", "check", url=f"sqlite:///{tmp_path / 'none.db'}", code=2)
    say("db", "export", "out.jsonl", url=f"sqlite:///{tmp_path / 'none.db'}", code=2)
    assert not (tmp_path / "out.jsonl").exists()
    said = say("db", "export", "none/out.jsonl", code=1).stderr
    assert "none/out.jsonl cannot be written: No such file or directory" in said
    said = say("db", "backup", "none/b.db", code=1).stderr
    assert "the backup cannot be made in none: No such file or directory" in said


def test_out_as_text_and_into_an_empty_one(say: Say, tmp_path: Path) -> None:
    say("db", "export", "all.jsonl")
    assert (tmp_path / "all.jsonl").stat().st_mode & 0o777 == 0o600
    assert "is there already" in say("db", "export", "all.jsonl", code=1).stderr
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert "2 runs" in say("db", "import", "all.jsonl", url=other).stdout
    assert runs(say, other) == runs(say)
    assert "the target is not empty" in say("db", "import", "all.jsonl", url=other, code=1).stderr


def test_to_postgresql_and_back(say: Say, tmp_path: Path, postgresql: str) -> None:
    before = runs(say)
    assert "2 runs" in say("db", "copy", postgresql).stdout
    assert runs(say, postgresql) == before
    say("run", "hello", "-q", url=postgresql)
    say("db", "backup", "from-server.db", url=postgresql)
    say("db", "export", "server.jsonl", url=postgresql)
    back = f"sqlite:///{tmp_path / 'back.db'}"
    say("db", "import", "server.jsonl", url=back)
    assert set(before) < set(runs(say, back))
    assert runs(say, back) == runs(say, postgresql) == runs(say, f"sqlite:///{tmp_path / 'from-server.db'}")
    assert "good" in say("db", "check", url=postgresql).stdout


def test_upgrade_is_done_already(say: Say) -> None:
    assert "runner.db is up to date" in say("db", "upgrade").stdout


def test_purge_forgets_what_the_file_says(say: Say, tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text("jobs:\n  hello:\n    run: echo hello\n    retention: {runs: 1}\n")
    assert "forgot 1 runs" in say("db", "purge").stdout
    assert len(runs(say)) == 1
    assert len(list((tmp_path / "state" / "logs").rglob("*.log"))) == 1
    (tmp_path / "jobs.yaml").write_text("jobs:\n  hello:\n    run: echo hello\nstorage: {logs: 0}\n")
    found = json.loads(say("db", "purge", "--json").stdout)
    assert (found["runs"], found["output"]["attempts"], found["output"]["kept"]) == (0, 1, 0)


def test_each_verb_as_json(say: Say, tmp_path: Path) -> None:
    database = str(tmp_path / "state" / "runner.db")

    def told(*args: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(say("db", *args, "--json").stdout)
        assert found.pop("version") == 1
        return found

    assert told("upgrade") == {"database": database, "schema": "0003"}
    assert told("backup", "b.db") == {"file": "b.db", "bytes": (tmp_path / "b.db").stat().st_size}
    assert told("export", "e.jsonl")["rows"] == told("check")["rows"]
    assert told("restore", "b.db") == {"database": database, "kept": f"{database}.aside"}
    assert told("accept") == {"database": database}
    (tmp_path / "state" / "runner.db").unlink()
    assert told("import", "e.jsonl")["rows"] == told("check")["rows"]
