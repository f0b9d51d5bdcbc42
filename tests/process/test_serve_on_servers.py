"""`runner serve` on PostgreSQL and MariaDB (RUNNER_DATABASE_URL): another machine sees its runs, and asks it things."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.faults.proxy import Proxy
from tests.jobstores import store_servers
from tests.process.conftest import Served
from tests.waiting import PATIENCE, wait_until

RUNNER = str(Path(sys.executable).with_name("runner"))


@pytest.fixture(params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with getattr(store_servers, request.param)() as url:
        yield str(url)


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
        wait_until(lambda: runs() >= 2)
        assert said("pause", "tick") == "tick: paused\n"

        def seen() -> tuple[str, str, str]:
            (job,) = json.loads(said("list", "--json"))["jobs"]
            return job["id"], job["state"], job["last"]["status"]

        wait_until(lambda: seen() == ("tick", "paused", "succeeded"), "its last run has ended")
    finally:
        server.terminate()
        server.wait(PATIENCE)


def take_away(url: str) -> None:
    """The lease has run out, as after an outage: the runner's next renewal is a new lead."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE runner_leases SET until = 0"))
    engine.dispose()


JOBS = "jobs:\n  tick:\n    schedule: every 1h\n    run: echo tick\n"
TOCK = "  tock:\n    schedule: every 1h\n    run: echo tock\n"


def test_an_edit_outlives_the_lead(tmp_path: Path) -> None:
    """The file as it is counts, not as it was when the runner was started."""
    (tmp_path / "jobs.yaml").write_text(JOBS)
    with store_servers.postgresql() as url:
        served = Served(tmp_path, environ={"RUNNER_DATABASE_URL": str(url)})
        try:
            served.wait_for("next: ")
            (tmp_path / "jobs.yaml").write_text(JOBS + TOCK)
            served.wait_for("1 added (tock)")
            take_away(str(url))
            served.wait_for("another runner leads now")
            served.wait_for("next: ")
            wait_until(lambda: known(str(url)) == ["tick", "tock"])
        finally:
            served.kill()


def test_an_edit_amid_an_outage_that_costs_the_lead_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text(JOBS)
    with store_servers.postgresql() as url:
        direct = make_url(str(url))
        proxy = Proxy(direct.port or 5432)
        through = direct.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        served = Served(tmp_path, environ={"RUNNER_DATABASE_URL": through})
        try:
            served.wait_for("next: ")
            proxy.cut()
            served.wait_for("nothing starts until it is back")
            file.write_text(JOBS + TOCK)
            # Whether it was taken by then or not: it must not be lost.
            time.sleep(1)
            take_away(str(url))
            proxy.mend()
            wait_until(lambda: known(str(url)) == ["tick", "tock"])
            file.write_text(JOBS)
            wait_until(lambda: known(str(url)) == ["tick"])
        finally:
            served.kill()
            proxy.close()


def known(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        ids = connection.execute(text("SELECT id FROM runner_jobs ORDER BY id")).scalars().all()
    engine.dispose()
    return list(ids)
