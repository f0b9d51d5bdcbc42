"""Jobs of a Python program in a shared store, seen and commanded from the command line like those of a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.cli.verb_place import Place
from tests.jobstores import store_servers
from tests.waiting import PATIENCE

PROGRAM = """
import signal, sys, time
from runner.jobstores.urls import store_of
from runner.schedulers.background import BackgroundScheduler

def report(name):
    return name

def hold():
    time.sleep(60)

def fragile():
    raise ConnectionError("the other side is away")

if __name__ == "__main__":
    scheduler = BackgroundScheduler(
        jobstores={"default": store_of(sys.argv[1])}, timezone="UTC", name="shop", channels={"ops": sys.argv[2]}
    )
    scheduler.start()
    scheduler.add_job(report, "cron", ["x"], day=1, hour=4, id="report", replace_existing=True)
    scheduler.add_job(hold, "cron", year=2099, id="hold", replace_existing=True, timeout="5m")
    scheduler.add_job(fragile, id="fragile", jobstore="default", replace_existing=True, notify="ops")
    scheduler.add_job(fragile, "cron", year=2099, id="brittle", replace_existing=True, notify="ops")
    scheduler.add_job(report, "cron", ["y"], hour=5, id="both", replace_existing=True)
    print("ready", flush=True)
    signal.sigwait([signal.SIGTERM])
    scheduler.shutdown(wait=False)
"""


class World:
    def __init__(self, where: Path, url: str = "", channel: str = "json://127.0.0.1:9") -> None:
        """`channel`: who hears when `fragile` fails."""
        self.where = where
        self.channel = channel
        self.environ = {
            **os.environ,
            "RUNNER_DATABASE_URL": url or f"sqlite:///{where}/shared.db",
            "RUNNER_STATE_DIR": str(where / "state"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        (where / "program.py").write_text(PROGRAM)

    def start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "program.py", self.environ["RUNNER_DATABASE_URL"], self.channel],
            cwd=self.where,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environ,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def run(self, *args: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "runner", *args],
            cwd=self.where,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environ,
        )
        assert done.returncode == code, (args, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def json(self, *args: str) -> Any:
        return json.loads(self.run(*args, "--json"))

    def state(self, job: str) -> str:
        states: dict[str, str] = {each["id"]: each["state"] for each in self.json("list")["jobs"]}
        return states[job]


def eventually(condition: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    process = made.start()
    try:
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()


def test_a_programs_jobs_are_seen_and_commanded(world: World) -> None:
    listed = {job["id"]: job for job in world.json("list")["jobs"]}
    assert {"report", "hold", "both"} <= set(listed)
    assert (listed["report"]["source"], listed["report"]["schedule"]) == (
        "api:shop",
        "cron[day='1', hour='4']",
    )

    run = world.run("trigger", "report").strip()
    assert run.startswith("report@")
    (past,) = eventually(
        lambda: [each for each in world.json("history", "report")["runs"] if each["status"] == "succeeded"]
    )
    assert past["id"] == run

    world.run("pause", "report", "--note", "until the audit is over")
    assert world.state("report") == "paused"
    world.run("resume", "report")
    assert world.state("report") == "scheduled"

    failed = eventually(lambda: world.json("history", "fragile")["runs"])
    assert failed[0]["status"] == "failed"
    assert "ConnectionError: the other side is away" in world.run("logs", "fragile")

    held = world.run("trigger", "hold").strip()
    world.run("stop", held)
    eventually(lambda: world.json("history", "hold")["runs"][0]["status"] == "cancelled")
    assert "there is no job 'never'" in world.run("trigger", "never", "--source", "api:shop", code=5)


def test_beside_a_jobs_file_in_the_same_store(world: World) -> None:
    file = world.where / "jobs.yaml"
    file.write_text('jobs:\n  both:\n    schedule: "0 6 * * *"\n    run: echo from the file\n')
    service = subprocess.Popen(
        [sys.executable, "-m", "runner", "serve"],
        cwd=world.where,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=world.environ,
    )
    try:

        def sources() -> set[str]:
            return {job["source"] for job in world.json("list")["jobs"] if job["id"] == "both"}

        assert sources() == {str(file), "api:shop"}
        eventually(lambda: (world.where / "state" / "leader.json").exists())
        assert "runs" in world.json("history")
        assert world.json("status")
        ours = world.run("trigger", "both").strip()
        theirs = world.run("trigger", "both", "--source", "api:shop").strip()
        eventually(
            lambda: (
                {each["id"] for each in world.json("history")["runs"] if each["status"] == "succeeded"}
                >= {ours, theirs}
            )
        )
        world.run("pause", "both", "--source", "api:shop")
        states = {job["source"]: job["state"] for job in world.json("list")["jobs"] if job["id"] == "both"}
        assert states == {str(file): "scheduled", "api:shop": "paused"}
        assert "SOURCE" in world.run("list")
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(PATIENCE)


def test_what_nobody_runs_cannot_be_commanded(tmp_path: Path) -> None:
    world = World(tmp_path)
    process = world.start()
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)
    assert process.stdout is not None
    process.stdout.close()
    assert world.state("report") == "scheduled"
    assert "no scheduler answers for api:shop" in world.run("pause", "report", code=4)


def _followed_stopped_and_told(verbs: Place, httpserver: HTTPServer) -> None:
    """Of a program's jobs: `run` hands over and follows, `stop` ends, and a failure is told to its channel."""
    assert "succeeded" in verbs.call("run", "report").stderr
    assert verbs.call("run", "brittle", code=1).stderr.count("ConnectionError: the other side is away") == 1
    held = verbs.call("trigger", "hold").stdout.strip()
    eventually(lambda: _last(verbs, "hold")["status"] == "running")
    assert held in verbs.call("stop", held).stdout
    eventually(lambda: _last(verbs, "hold")["status"] == "cancelled")
    assert "cancelled" in verbs.call("logs", held, "--follow").stderr

    def told(job: str) -> list[str]:
        texts = [str(request.get_json()["message"]) for request, _ in httpserver.log]
        return [text for text in texts if f"runner logs {job}@" in text]

    for job in ("fragile", "brittle"):
        (said,) = eventually(partial(told, job))
        assert "ConnectionError: the other side is away" in said


def _last(verbs: Place, job: str) -> Any:
    return verbs.call("history", job, "--json").json["runs"][0]


SERVERS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "postgresql": store_servers.postgresql,
    "mariadb": store_servers.mariadb,
    "redis": store_servers.redis,
    "mongodb": partial(store_servers.mongodb, "secantus"),
    "rethinkdb": store_servers.rethinkdb,
    "zookeeper": store_servers.zookeeper,
    "etcd": store_servers.etcd,
}


@pytest.mark.parametrize("kind", SERVERS)
def test_on_every_kind_of_server(kind: str, tmp_path: Path, httpserver: HTTPServer) -> None:
    """A program and `runner serve` on one store: both are listed, commanded and remembered from the command line."""
    with SERVERS[kind]() as server:
        url = str(server) if "://" in server else f"{kind}://{server}"
        httpserver.expect_request("/alert").respond_with_data("")
        channel = httpserver.url_for("/alert").replace("http://", "json://")
        world, verbs = World(tmp_path, url, channel), Place(tmp_path)
        verbs.environ["RUNNER_DATABASE_URL"] = url
        program = world.start()
        verbs.write('jobs:\n  files:\n    schedule: "0 6 * * *"\n    run: echo said by the file\n')
        service = subprocess.Popen(
            [sys.executable, "-m", "runner", "serve"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            env=world.environ,
        )
        try:
            listed = {job["id"]: job for job in verbs.call("list", "--json").json["jobs"]}
            assert listed["report"]["source"] == "api:shop"
            assert listed["files"]["source"] == str(verbs.file)
            eventually(lambda: (tmp_path / "state" / "leader.json").exists())
            ran = {verbs.call("trigger", job).stdout.strip() for job in ("report", "files")}

            def succeeded() -> set[str]:
                runs = verbs.call("history", "--json").json["runs"]
                return {each["id"] for each in runs if each["status"] == "succeeded"}

            eventually(lambda: succeeded() >= ran)
            assert verbs.call("logs", "files").stdout == "said by the file\n"
            assert "ConnectionError: the other side is away" in verbs.call("logs", "fragile").stdout
            verbs.call("pause", "report")
            (paused,) = (job for job in verbs.call("list", "--json").json["jobs"] if job["id"] == "report")
            assert paused["state"] == "paused"
            verbs.call("resume", "report")
            _followed_stopped_and_told(verbs, httpserver)
            verbs.call("db", "purge")
            assert succeeded() >= ran
            if kind in ("postgresql", "mariadb"):
                assert verbs.call("db", "check").code == 0
            else:
                assert "is no SQL database" in verbs.call("db", "check", code=1).stderr
        finally:
            for process in (service, program):
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE)
            assert program.stdout is not None
            program.stdout.close()
