"""`runner doctor` of a store on a server: one that answers, one that is silent, and one that is not there."""

# ruff: noqa: E501 - whole texts

from __future__ import annotations

import re
import socket
from contextlib import closing

import pytest

from runner.clock import SystemClock
from runner.doctor import Case, examine
from runner.jobstores.urls import store_of
from runner.moment import HOUR
from runner.service.place import Place as Where
from tests.cli.examined import NOBODY, examined
from tests.cli.verb_place import Place
from tests.jobstores import store_servers
from tests.jobstores.frozen_server import frozen

FILE = """\
channels: {ops: {urls: ["log://"]}}
defaults: {timeout: 1h, timezone: UTC, notify: {on_failure: ops}}
jobs: {hello: {run: echo}}
"""
MEND = "  help: start the server, or mend the store's address ($RUNNER_DATABASE_URL)"


class Ahead(SystemClock):
    """An hour ahead."""

    def now(self) -> int:
        return super().now() + HOUR


def led_elsewhere(place: Place) -> None:
    with closing(store_of(str(place.environ["RUNNER_DATABASE_URL"]))) as store:
        store.open()
        assert store.hold(str(place.file), "elsewhere:7:x", SystemClock().now(), HOUR)


def test_postgresql(place: Place) -> None:
    place.write(FILE)
    with store_servers.postgresql(own=True) as url:
        place.environ["RUNNER_DATABASE_URL"] = f"{url}?connect_timeout=2"
        shown = re.sub(r":[^:@/]+@", ":***@", str(place.environ["RUNNER_DATABASE_URL"]))
        assert examined(place, "database", code=0) == (
            f"note database: {shown} is there, and holds nothing of a runner yet\n  help: the first run makes its tables"
        )
        place.call("run", "hello")
        assert examined(place, "database", "damage", "runner", code=0) == (
            f"ok database: {shown} answers: schema 0003, 0 jobs on record\n"
            f"ok damage: none: 5 records read, 1 run among them\n{NOBODY}"
        )
        led_elsewhere(place)
        assert examined(place, "runner", code=0) == (
            "ok runner: none of this state directory; process 7 on elsewhere leads"
        )
        clock, where = Ahead(), Where(place.file, place.directory / "state", str(url))
        (found,) = [
            each
            for each in examine(Case(where, {}, clock, clock.now()))
            if each.about == "database" and each.level == "problem"
        ]
        assert re.sub(r"\+\d+\.\d", "+N", found.fact) == (
            "the clock of this host is +N s off the database's: jobs start by the clock of whoever leads; keep the clocks "
            "of all hosts in step (NTP)"
        )
        with frozen(url):
            assert examined(place, "database", "damage", code=1) == (
                f"problem database: the database cannot be read: connection timeout expired\n{MEND}"
            )


def test_redis(place: Place) -> None:
    place.write(FILE)
    with store_servers.redis() as url:
        place.environ["RUNNER_DATABASE_URL"] = str(url)
        assert (
            examined(place, "database", "damage", code=0) == f"ok database: {url} answers: 0 jobs on record"
        )


def test_a_server_that_is_not_there(place: Place) -> None:
    place.write(FILE)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    said = {}
    for kind in ("postgresql+psycopg://u@", "redis://", "mongodb://", "zookeeper://"):
        place.environ["RUNNER_DATABASE_URL"] = (
            f"{kind}127.0.0.1:{port}/x" if "redis" not in kind else f"{kind}127.0.0.1:{port}/0"
        )
        said[kind] = examined(place, "database", code=1)
    for text in said.values():
        assert re.fullmatch(r"problem database: .*[Rr]efused.*\n" + re.escape(MEND), text), said


def test_a_store_that_only_opening_would_tell_of_is_left_alone(place: Place) -> None:
    place.write(FILE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        place.environ["RUNNER_DATABASE_URL"] = f"mongodb://me:hidden@127.0.0.1:{port}/x"
        assert examined(place, "database", code=0) == (
            f"note database: mongodb://me:***@127.0.0.1:{port}/x takes connections; its records are not looked at\n"
            "  help: look after that server with its own tools"
        )


def test_a_url_that_names_no_store(place: Place) -> None:
    place.write(FILE)
    place.environ["RUNNER_DATABASE_URL"] = "hidden"
    said = examined(place, "database", code=1)
    assert said.startswith(
        "problem database: the store's URL cannot be read\n  help: write sqlite:///jobs.db, "
    )
    assert "hidden" not in place.call("doctor", code=1).stdout


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere/x.db", "problem database: DIR/nowhere/x.db is not there, and cannot be made: there is no directory "
         "DIR/nowhere\n  help: mend $RUNNER_DATABASE_URL"),
        ("x.db", "ok database: DIR/x.db is not there yet: the first run makes it"),
        ("", "problem database: DIR is no file: no database\n  help: put the right one back in its place"),
    ],
)  # fmt: skip
def test_a_sqlite_file_elsewhere(path: str, said: str, place: Place) -> None:
    place.write(FILE)
    place.environ["RUNNER_DATABASE_URL"] = f"sqlite:///{place.directory / path}"
    assert examined(place, "database", code=int(said.startswith("problem"))) == said
    assert [path.name for path in place.directory.iterdir()] == ["jobs.yaml"]


def test_a_database_in_memory_is_not_made(place: Place) -> None:
    place.write(FILE)
    place.environ["RUNNER_DATABASE_URL"] = "sqlite:///:memory:"
    assert examined(place, "database", code=0) == (
        "note database: :memory: is not looked into\n  help: name a database by its path: sqlite:///PATH"
    )
