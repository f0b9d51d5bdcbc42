"""docs/stores.md: every line that adds a store is run, on a server of our own in the place of localhost."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runner.schedulers.background import BackgroundScheduler
from tests.jobstores.store_kinds import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "stores.md").read_text()
LINES = re.findall(r"^scheduler\.add_jobstore\(.*\)$", PAGE, re.MULTILINE)
SERVERS = {
    "postgresql": "postgresql",
    "mysql": "mariadb",
    "redis": "redis",
    "mongodb": "mongodb-secantus",
    "zookeeper": "zookeeper",
    "etcd": "etcd",
    "rethinkdb": "rethinkdb-stand-in",
}


def test_every_kind_of_store_is_on_the_page() -> None:
    assert {named(line)[0] for line in LINES} == {
        "sqlalchemy",
        "redis",
        "mongodb",
        "zookeeper",
        "etcd",
        "rethinkdb",
    }


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_page_adds_a_store(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    alias, arguments = named(line)
    scheme = str(arguments.get("url", alias)).split(":")[0].split("+")[0]
    if scheme == "sqlite":
        used(alias, arguments)
        return
    with KINDS[SERVERS[scheme]].server() as url:
        used(alias, {**arguments, **placed(arguments, url)})


def named(line: str) -> tuple[str, dict[str, Any]]:
    call = ast.parse(line, mode="eval").body
    assert isinstance(call, ast.Call)
    values = {each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg}
    return ast.literal_eval(call.args[0]), values


def placed(arguments: Mapping[str, Any], url: str) -> dict[str, Any]:
    """The arguments that say where the server is, for ours."""
    host, port = re.findall(r"(127\.0\.0\.1):(\d+)", url)[0]
    if "url" in arguments:
        return {"url": url}
    return {"hosts": url} if "hosts" in arguments else {"host": host, "port": int(port)}


def used(alias: str, arguments: Mapping[str, Any]) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_jobstore(alias, **arguments)
    scheduler.start(paused=True)
    try:
        scheduler.add_job(print, "interval", hours=1, id="a job", args=["☃"])
        assert [job.id for job in scheduler.get_jobs()] == ["a job"]
    finally:
        scheduler.shutdown()
