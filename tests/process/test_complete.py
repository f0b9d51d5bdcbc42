"""examples/complete.yaml, every part of the language: its tests played, its jobs run for real.

Its programs, hosts and users are made up. Here stand-ins take their places: programs of the same names that write
down how they were called, and a web server on loopback. Nothing else of the file is changed.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.process.conftest import Desk
from tests.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"
# What a stand-in writes down: its name, its arguments, and the variables the file promises it.
NOTE = """#!/bin/sh
printf '%s|%s|%s\\n' "${{0##*/}}" "$*" "${{{variable}:-}}" >> "{notes}"
{more}
"""


class Stage:
    """A copy of the example among stand-ins."""

    def __init__(self, desk: Desk, server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk, self.server = desk, server
        self.here = desk.directory
        self.notes = self.here / "notes"
        programs = self.here / "bin"
        for directory in (programs, self.here / "etl", self.here / "billing", self.here / "backups"):
            directory.mkdir()
        self.program(programs / "pg_dump", "PGPASSWORD", "echo dump")
        self.program(programs / "zstd", "LANG", "cat")
        self.program(programs / "pass", "LANG", "echo the-api-key")
        self.program(self.here / "extract.py", "DAY", 'printf "1\\n2\\n3\\n" > data.csv')
        self.program(self.here / "load.sh", "RUNNER_STEP")
        self.program(self.here / "check.sh", "RUNNER_STEP", '[ "$2" != error ]')
        self.program(self.here / "report.sh", "RUNNER_JOB")
        self.program(programs / "python", "LANG", "exit 3")
        (self.here / "etl" / "tasks.py").write_text(
            "def clean(path, strict):\n    return {'lines': len(open(path).readlines()), 'strict': strict}\n"
        )
        (self.here / "password").write_text("hunter2-hunter2\n")
        for name, value in (
            ("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}"),
            ("SLACK_URL", server.url_for("/ops").replace("http", "json", 1)),
        ):
            monkeypatch.setenv(name, value)
            desk.environ[name] = value
        self.asked: list[tuple[str, Any, str]] = []
        server.expect_request("/loads").respond_with_handler(self.answer)
        server.expect_request("/ops").respond_with_handler(self.answer)
        for word in ("/start", "", "/fail"):
            server.expect_request(f"/ping/etl{word}").respond_with_handler(self.answer)

    def program(self, path: Path, variable: str, more: str = "") -> None:
        path.write_text(NOTE.format(variable=variable, notes=self.notes, more=more))
        path.chmod(0o755)

    def answer(self, request: Request) -> Response:
        self.asked.append(
            (request.path, request.get_json(silent=True), request.headers.get("Authorization", ""))
        )
        return Response("{}", 201, content_type="application/json")

    def write(self, text: str) -> None:
        """The example with the stand-ins' places in it; each must be there to be replaced."""
        for old, new in (
            ("/run/secrets/db_password", str(self.here / "password")),
            ('["mailto://user:pw@example.com?to=oncall@example.com", "pover://key@token"]', '["log:"]'),
            ("/srv/backups", str(self.here / "backups")),
            ("/srv/billing", str(self.here / "billing")),
            ("user: billing", f"user: {getpass.getuser()}"),
            ("https://api.example.com/loads", self.server.url_for("/loads")),
            ("https://example.com/ping/etl", self.server.url_for("/ping/etl")),
        ):
            assert old in text, old
            text = text.replace(old, new)
        self.desk.write(text)

    def pings(self) -> list[str]:
        return [path for path, _, _ in self.asked if path.startswith("/ping")]

    def noted(self, program: str) -> list[str]:
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return sorted(line.removeprefix(f"{program}|") for line in lines if line.startswith(f"{program}|"))

    def run(self, *args: str) -> dict[str, Any]:
        """Run a job as people do; its record."""
        self.desk.runner("run", *args)
        found: list[dict[str, Any]] = json.loads(self.desk.runner("history", "--json", "-n", "1").stdout)[
            "runs"
        ]
        (record,) = found
        return record


@pytest.fixture
def stage(desk: Desk, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage(desk, httpserver, monkeypatch)
    made.write((EXAMPLES / "complete.yaml").read_text())
    return made


def test_it_is_good_and_its_tests_hold(desk: Desk) -> None:
    shutil.copy(EXAMPLES / "complete.yaml", desk.file)
    assert "7 jobs, good" in desk.runner("validate").stdout
    assert "2 tests, all good" in desk.runner("test").stdout


def test_the_small_jobs(stage: Stage) -> None:
    assert stage.run("hello")["status"] == "succeeded"
    for table in ("orders", "users", "audit"):
        assert stage.run(f"backup[{table}]")["status"] == "succeeded"
        (kept,) = (stage.here / "backups").glob(f"{table}-*.zst")
        assert kept.read_text() == "dump\n"
    assert stage.noted("pg_dump") == [f"{table}|hunter2-hunter2" for table in ("audit", "orders", "users")]
    assert stage.noted("zstd") == ["|C.UTF-8"] * 3
    # Exit code 3 counts as success there.
    invoices = stage.run("invoices")
    assert invoices["status"] == "succeeded"
    assert [step["exit_code"] for step in invoices["steps"]] == [3]
    assert stage.noted("python") == ["-m billing.send|C.UTF-8"]


def test_the_workflow(stage: Stage) -> None:
    run = stage.run("etl", "-p", "date=2026-05-04", "-p", "mode=full")
    assert run["status"] == "succeeded"
    assert {step["id"]: step["status"] for step in run["steps"]} == {
        "extract": "succeeded",
        "clean": "succeeded",
        "load[eu]": "succeeded",
        "load[us]": "succeeded",
        "load[apac]": "succeeded",
        "checks[schema,warn]": "succeeded",
        "checks[schema,error]": "failed",
        "checks[counts,warn]": "succeeded",
        "checks[counts,error]": "failed",
        "announce": "succeeded",
        "clean_up": "succeeded",
    }
    assert stage.noted("extract.py") == ["--day 2026-05-04 --out data.csv|2026-05-04"]
    assert stage.noted("load.sh") == ["apac|load[apac]", "eu|load[eu]", "us|load[us]"]
    assert stage.noted("check.sh")[0] == "counts error|checks[counts,error]"
    assert not (stage.here / "data.csv").exists()
    told = [each for each in stage.asked if each[0] == "/loads"]
    assert told == [("/loads", {"day": "2026-05-04", "rows": "3"}, "Bearer the-api-key")]
    kept = list((stage.here / "state" / "artifacts").rglob("data.csv"))
    assert [each.read_text() for each in kept] == ["1\n2\n3\n"]
    (note,) = (stage.here / "state" / "artifacts").glob("*.until")
    started = datetime.fromisoformat(run["started_at"]).timestamp()
    assert 6.9 < (int(note.read_text()) / 1e6 - started) / 86_400 < 7.1
    assert "the-api-key" not in "".join(
        path.read_text(errors="replace") for path in (stage.here / "state").rglob("*") if path.is_file()
    )


def test_a_dry_run_announces_nothing(stage: Stage) -> None:
    run = stage.run("etl", "-p", "dry_run=true")
    assert {step["id"]: step["status"] for step in run["steps"]}["announce"] == "skipped"
    assert stage.noted("pass") == []
    assert [path for path, _, _ in stage.asked if path == "/loads"] == []


def test_served_it_is_told_of_a_failure_and_of_the_recovery(stage: Stage) -> None:
    text = stage.desk.file.read_text()
    # Nobody waits here for the retries of a broken extract; and the first failure is told instead of the second.
    stage.desk.write(
        text.replace("retry: {max: 5, delay: 10s", "retry: {max: 1, delay: 10ms").replace("after: 2, ", "")
    )
    good = (stage.here / "extract.py").read_text()
    stage.program(stage.here / "extract.py", "DAY", "exit 75")
    served = stage.desk.serve()
    served.wait_for("7 jobs, 6 scheduled")
    stage.desk.runner("trigger", "etl")
    served.wait_for("told ops: failure of etl")
    assert len(stage.noted("extract.py")) == 2
    (stage.here / "extract.py").write_text(good)
    stage.desk.runner("trigger", "etl")
    served.wait_for("Nightly ETL succeeded")
    served.wait_for("told ops: recovery of etl")
    wait_until(lambda: stage.pings()[3:], "the watcher heard of it all")
    assert served.stop() == 0
    titles = [body.get("title", "") for path, body, _ in stage.asked if path == "/ops"]
    assert any("Nightly ETL failed in extract" in title for title in titles), titles
    assert len(titles) == 2
    assert stage.pings() == ["/ping/etl/start", "/ping/etl/fail", "/ping/etl/start", "/ping/etl"]
