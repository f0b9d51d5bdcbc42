"""How each verb ends: 0 fine, 1 failed, 2 usage, 3 configuration, 4 nobody answers, 5 no such thing, 124, 130."""

# ruff: noqa: E501 - tables

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from runner.cli import VERBS
from tests.cli.verb_place import Place
from tests.closed import closed_port
from tests.waiting import PATIENCE

GOOD = """\
jobs:
  good: {schedule: every 1h, timezone: UTC, run: echo fine}
  bad: {timezone: UTC, run: exit 7}
  slow: {timezone: UTC, timeout: 200ms, stop_grace_period: 1s, run: sleep 60}
  long: {timezone: UTC, stop_grace_period: 1s, run: "echo began; sleep 60"}
  asks: {timezone: UTC, params: {n: {type: integer}}, run: "true"}
tests:
  - {job: good, expect: {status: succeeded}}
"""
FAILING = GOOD.replace("expect: {status: succeeded}", "expect: {status: failed}")
MESSY = GOOD.replace("good: {", "good:   {")

TABLE: list[tuple[int, str, list[str]]] = [
    (0, GOOD, ["validate"]),
    (0, GOOD, ["schema"]),
    (0, GOOD, ["schema", "jobs"]),
    (0, GOOD, ["explain", "good"]),
    (0, GOOD, ["fmt", "--check"]),
    (0, GOOD, ["test"]),
    (0, GOOD, ["simulate", "--days", "1"]),
    (0, GOOD, ["plan", "--against", "jobs.yaml", "--exit-code"]),
    (0, GOOD, ["run", "good"]),
    (0, GOOD, ["list"]),
    (0, GOOD, ["next"]),
    (0, GOOD, ["calendar"]),
    (0, GOOD, ["history"]),
    (0, GOOD, ["why", "good", "--at", "2026-01-01T00:00"]),
    (0, GOOD, ["completion", "zsh"]),
    (0, GOOD, ["version"]),
    (0, GOOD, ["doctor"]),
    (0, GOOD, ["init", "new.yaml"]),
    (1, GOOD, ["run", "bad"]),
    (1, FAILING, ["test"]),
    (1, MESSY, ["fmt", "--check"]),
    (1, GOOD, ["plan", "--against", "other.yaml", "--exit-code"]),
    (1, GOOD, ["plan", "--against", "running"]),
    (1, GOOD, ["init"]),
    (1, "jobs: [", ["doctor"]),
    (1, "", ["doctor", "--file", "none.yaml"]),
    (2, GOOD, ["doctor", "--wrong"]),
    (2, GOOD, ["nothing"]),
    (2, GOOD, ["validate", "--format", "xml"]),
    (2, GOOD, ["schema", "--wrong"]),
    (2, GOOD, ["explain"]),
    (2, GOOD, ["fmt", "--wrong"]),
    (2, GOOD, ["test", "--wrong"]),
    (2, GOOD, ["simulate", "--fail", "x"]),
    (2, GOOD, ["plan", "--against", "no-such-commit"]),
    (0, GOOD, ["import", "crontab", "crontab"]),
    (0, GOOD, ["import", "crontab", "crontab", "--json"]),
    (0, GOOD, ["db", "purge", "--json"]),
    (0, GOOD, ["init", "new.yaml", "--json"]),
    (0, GOOD, ["db", "upgrade", "--json"]),
    (0, GOOD, ["db", "accept", "--json"]),
    # What is to be read and is not there: one code, whatever it is.
    *((2, GOOD, [*args, *more]) for args in (
        ["import", "crontab", "none"], ["import", "yacron", "none"], ["import", "apscheduler", "sqlite:///none.db"],
        ["import", "apscheduler", "none"], ["db", "check"], ["db", "backup", "new.db"], ["db", "restore", "none"],
        ["db", "export", "new"], ["db", "import", "none"], ["db", "copy", "sqlite:///new.db"],
    ) for more in ([], ["--json"])),
    *((2, GOOD, [*args]) for args in (
        ["import", "crontab", "."], ["import", "yacron", "."], ["db", "restore", "."], ["db", "import", "."],
        ["db", "export", "--json"], ["db", "backup"],
    )),
    *((2, GOOD, ["db", verb, "--wrong"]) for verb in (
        "check", "upgrade", "backup", "restore", "export", "import", "copy", "purge", "accept",
    )),
    *((2, GOOD, ["import", verb, "--wrong"]) for verb in ("crontab", "yacron", "apscheduler")),
    *((3, "", ["db", *args, "--file", "none.yaml"]) for args in (
        ["check"], ["upgrade"], ["backup", "new.db"], ["restore", "crontab"], ["export", "new"], ["import", "crontab"],
        ["copy", "sqlite:///new.db"], ["purge"], ["accept"],
    )),
    (2, GOOD, ["import", "nothing"]),
    (2, GOOD, ["db", "nothing"]),
    (2, GOOD, ["serve", "--grace", "soon"]),
    (2, GOOD, ["run", "asks", "-p", "n=x"]),
    (2, GOOD, ["run", "good", "-p", "n"]),
    (2, GOOD, ["list", "--state", "x"]),
    (2, GOOD, ["next", "--count", "x"]),
    (2, GOOD, ["next", "--at", "soon"]),
    (2, GOOD, ["calendar", "--days", "0"]),
    (2, GOOD, ["history", "--status", "x"]),
    (2, GOOD, ["history", "--since", "soon"]),
    (2, GOOD, ["logs"]),
    (2, GOOD, ["why", "good", "--at", "soon"]),
    (2, GOOD, ["status", "--wrong"]),
    (2, GOOD, ["trigger", "asks", "-p", "n=x"]),
    (2, GOOD, ["stop"]),
    (2, GOOD, ["pause"]),
    (2, GOOD, ["pause", "good", "--until", "soon"]),
    (2, GOOD, ["pause", "good", "--until", "-1h"]),
    (2, GOOD, ["resume"]),
    (2, GOOD, ["reload", "--wrong"]),
    (2, GOOD, ["completion", "tcsh"]),
    (2, GOOD, ["version", "--wrong"]),
    (2, GOOD, ["init", "--wrong"]),
    *((3, "jobs: [", [*args]) for args in (
        ["validate"], ["explain", "good"], ["fmt"], ["test"], ["simulate"], ["plan"], ["serve"], ["run", "good"],
        ["list"], ["next"], ["calendar"], ["history"], ["why", "good", "--at", "now"], ["trigger", "good"],
    )),
    (3, "", ["doctor"]),
    *((3, "", [*args, "--file", "none.yaml"]) for args in (
        ["validate"], ["explain", "good"], ["fmt"], ["test"], ["simulate"], ["plan"], ["serve"], ["run", "good"],
        ["list"], ["next"], ["calendar"], ["history"], ["logs", "good"], ["why", "good", "--at", "now"], ["status"],
        ["trigger", "good"], ["stop", "good"], ["pause", "good"], ["resume", "good"], ["reload"],
    )),
    *((4, GOOD, args) for args in (
        ["status"], ["trigger", "good"], ["stop", "good"], ["pause", "good"], ["resume", "good"], ["reload"],
    )),
    *((5, GOOD, args) for args in (
        ["explain", "none"], ["test", "--job", "none"], ["simulate", "none"], ["run", "none"], ["next", "none"],
        ["calendar", "none"], ["history", "none"], ["history", "good@2026-01-01T00:00:00Z"], ["logs", "none"],
        ["why", "none", "--at", "2026-01-01T00:00"], ["trigger", "none"], ["schema", "jobs.*.rety"],
    )),
    (124, GOOD, ["run", "slow"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "text", "args"), TABLE, ids=[f"{code} {' '.join(args)}" for code, _, args in TABLE]
)
def test_it_ends_as_the_table_says(code: int, text: str, args: list[str], place: Place) -> None:
    if text:
        place.write(text)
    place.write("jobs: {other: {run: 'true'}}\n", "other.yaml")
    place.write("0 2 * * * ls\n", "crontab")
    said = place.call(*args, code=code)
    assert "Traceback" not in said.stderr
    if code in (2, 3, 4, 5):
        assert said.stdout == ""
        assert said.stderr


@pytest.mark.parametrize("url", ["postgresql+psycopg://u@", "mariadb+pymysql://u@", "redis://"])
@pytest.mark.parametrize("args", [["list"], ["status"], ["trigger", "good"]], ids=" ".join)
def test_a_server_that_is_down_is_one_that_nobody_answers_for(
    url: str, args: list[str], place: Place
) -> None:
    place.write(GOOD)
    with closed_port() as port:
        place.environ["RUNNER_DATABASE_URL"] = f"{url}127.0.0.1:{port}/0"
        said = place.call(*args, code=4)
    assert said.stdout == ""
    assert "refused" in said.stderr
    assert "help: start the server, or mend the store's address ($RUNNER_DATABASE_URL)" in said.stderr


def test_the_table_knows_every_verb() -> None:
    assert {args[0] for _, _, args in TABLE} - {"nothing"} == set(VERBS)


@pytest.mark.parametrize("served", [False, True], ids=["here", "by a service"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_told_to_end_is_cancelled(number: signal.Signals, served: bool, place: Place) -> None:
    """Nothing of it stays under way, and it has its end on record."""
    place.write("jobs: {long: {run: 'echo began; sleep 600'}}\n")
    service = begin(place, "serve") if served else None
    try:
        if service is not None:
            wait_for(service.stdout, "1 job")
        process = begin(place, "run", "long")
        wait_for(process.stdout, "began")
        process.send_signal(number)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        (run,) = json.loads(place.call("history", "--json").stdout)["runs"]
        assert run["status"] == "cancelled"
        assert run["steps"][0]["status"] == "cancelled"
    finally:
        if service is not None:
            service.terminate()
            service.communicate(timeout=PATIENCE)


def begin(place: Place, *args: str) -> subprocess.Popen[str]:
    environ = {name: value for name, value in place.environ.items() if value is not None}
    return subprocess.Popen(
        [sys.executable, "-m", "runner", *args],
        cwd=place.directory,
        env={**os.environ, **environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(stream: IO[str] | None, words: str) -> None:
    assert stream is not None
    seen = ""
    for line in stream:
        seen += line
        if words in line:
            return
    raise AssertionError(f"it ended without {words!r}: {seen}")


HEAVY = {
    "sqlalchemy",
    "pydantic",
    "apprise",
    "jinja2",
    "yaml",
    "watchfiles",
    "alembic",
    "holidays",
    "requests",
    "rich",
}
QUICK = [
    ["--version"],
    ["--help"],
    ["version"],
    ["completion", "fish"],
    ["run", "--help"],
    ["simulate", "--help"],
]
READS = [["validate"], ["explain", "good"], ["schema", "jobs"], ["test"], ["simulate"], ["plan", "--against", "other.yaml"],
         ["next"], ["fmt", "--check"]]  # fmt: skip


@pytest.mark.parametrize("args", QUICK, ids=" ".join)
def test_what_answers_at_once_loads_nothing_heavy(args: list[str], tmp_path: Path) -> None:
    assert _loaded(args, tmp_path) & HEAVY == set()


def test_completion_loads_neither_models_nor_a_database(place: Place) -> None:
    place.write(GOOD)
    words = {"COMP_WORDS": "runner run g", "COMP_CWORD": "2", "_RUNNER_COMPLETE": "bash_complete"}
    assert _loaded([], place.directory, **words) & (HEAVY - {"yaml"}) == set()
    words["COMP_WORDS"] = "runner simu"
    words["COMP_CWORD"] = "1"
    assert _loaded([], place.directory, **words) & HEAVY == set()


@pytest.mark.parametrize("args", READS, ids=" ".join)
def test_what_only_reads_the_file_loads_no_database_and_no_alerts(args: list[str], place: Place) -> None:
    place.write(GOOD)
    place.write("jobs: {other: {run: 'true'}}\n", "other.yaml")
    assert _loaded(args, place.directory) & {"sqlalchemy", "apprise", "alembic", "watchfiles"} == set()


def _loaded(args: list[str], directory: Path, **environ: str) -> set[str]:
    """The packages that are there after a call."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('|'.join({n.partition('.')[0] for n in sys.modules}), file=sys.stderr))\n"
        f"from runner.cli import main\nmain({args!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "RUNNER_STATE_DIR": str(directory / "state"),
            "PYTHONPATH": os.pathsep.join(sys.path),
            **environ,
        },
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout or "all in form" in done.stderr
    found = set(done.stderr.strip().splitlines()[-1].split("|"))
    assert "click" in found
    return found


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("foo", 2, "the store's URL cannot be read"),
        ("mysql+no_such_driver://u@h/x", 2, "there is no kind of database 'mysql+no_such_driver'"),
        ("mysql+cymysql://u:hidden@127.0.0.1:1/x", 1, "pip install 'runner[mariadb]'"),
    ],
)
@pytest.mark.parametrize("verb", [["run", "good"], ["db", "check"]])
def test_a_database_that_cannot_be_is_an_error_in_words(
    url: str, code: int, words: str, verb: list[str], place: Place
) -> None:
    place.write(GOOD)
    place.environ["RUNNER_DATABASE_URL"] = url
    said = place.call(*verb, code=code)
    assert words in said.stderr
    assert "hidden" not in said.stderr


def test_output_that_cannot_be_written_is_an_error_in_words(place: Place) -> None:
    """A redirection to a full disk; and closed streams, whose places no database file may take."""
    place.write(GOOD)
    full = _in_a_shell(place, '"$@" > /dev/full', "list")
    assert full.returncode == 1
    assert full.stderr == "runner: reading or writing failed: No space left on device\n"
    closed = _in_a_shell(place, '"$@" >&- <&-', "run", "good")
    assert closed.returncode == 0
    assert "Traceback" not in closed.stderr
    assert "good succeeded" in closed.stderr
    assert "good" in _in_a_shell(place, '"$@"', "history").stdout


def _in_a_shell(place: Place, script: str, *args: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in place.environ.items() if value is not None}
    return subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "runner", *args],
        cwd=place.directory,
        env={**os.environ, **environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
