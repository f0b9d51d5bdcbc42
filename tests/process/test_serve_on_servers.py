"""`runner serve` on PostgreSQL and MariaDB (RUNNER_DATABASE_URL): another machine sees its runs, and asks it things."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.jobstores import store_servers

RUNNER = str(Path(sys.executable).with_name("runner"))
PATIENCE = 30.0


@pytest.fixture(params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with getattr(store_servers, request.param)() as url:
        yield str(url)


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it never happens"
        time.sleep(0.1)


def test_another_machine_sees_and_asks(url: str, tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text("jobs:\n  tick:\n    schedule: every 1s\n    run: echo tick\n")

    def machine(name: str) -> dict[str, str]:
        return {**os.environ, "RUNNER_DATABASE_URL": url, "RUNNER_STATE_DIR": str(tmp_path / name)}

    def said(*words: str) -> str:
        command = [RUNNER, *words, "-f", str(file)]
        return subprocess.run(
            command, env=machine("there"), capture_output=True, text=True, check=True
        ).stdout

    def runs() -> int:
        return len(json.loads(said("history", "--json"))["runs"])

    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([RUNNER, "serve", "-f", file], env=machine("here"), stdout=log, stderr=log)
    try:
        until(lambda: runs() >= 2)
        assert said("pause", "tick") == "tick: paused\n"
        (job,) = json.loads(said("list", "--json"))["jobs"]
        assert (job["id"], job["state"], job["last"]["status"]) == ("tick", "paused", "succeeded")
    finally:
        server.terminate()
        server.wait(PATIENCE)
