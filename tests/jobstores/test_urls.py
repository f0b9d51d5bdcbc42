"""What the URL of a store says."""

from __future__ import annotations

from typing import Any

import pytest

from runner.errors import StoreError
from runner.jobstores.urls import in_sql, store_of, without_password


def arguments(url: str) -> dict[str, Any]:
    return dict(vars(store_of(url)))


def test_redis() -> None:
    found = arguments("redis://:secret@host:6380/3?jobs_key=mine&socket_timeout=2")
    assert (found["_url"], found["_prefix"]) == ("redis://:secret@host:6380/3?socket_timeout=2", "{mine}")
    assert arguments("unix:///run/redis.sock?db=1")["_url"] == "unix:///run/redis.sock?db=1"


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("mongodb://host/", ("runner", "jobs")),
        ("mongodb://host/mine?collection=tasks&replicaSet=rs0", ("mine", "tasks")),
        ("mongodb://user:secret@one,two:27018/admin", ("runner", "jobs")),
        ("mongodb://host/admin?database=mine", ("mine", "jobs")),
    ],
)
def test_mongodb(url: str, names: tuple[str, str]) -> None:
    found = arguments(url)
    assert found["_names"] == names
    assert "collection" not in found["_arguments"]["host"]
    assert "database" not in found["_arguments"]["host"]


def test_rethinkdb() -> None:
    found = arguments("rethinkdb://me:s%40fe@host/mine?table=tasks")
    assert found["_names"] == ("mine", "tasks")
    assert (
        found["_arguments"].items()
        >= {"host": "host", "port": 28015, "user": "me", "password": "s@fe"}.items()
    )


def test_zookeeper() -> None:
    found = arguments("zookeeper://one:2181,two:2182/a/b")
    assert (found["_root"], found["_arguments"]["hosts"]) == ("/a/b", "one:2181,two:2182")
    assert arguments("zookeeper://one")["_root"] == "/runner"


def test_etcd() -> None:
    found = arguments("etcds://[::1]:2380/mine")
    assert found["_root"] == "/mine"
    assert found["_arguments"].items() >= {"host": "::1", "port": 2380, "protocol": "https"}.items()


@pytest.mark.parametrize("url", ["jobs.db", "etcd://host:x", "etcd://user:secret@host", "nobody://host/x"])
def test_what_is_no_url_of_a_store(url: str) -> None:
    with pytest.raises(StoreError) as raised:
        store_of(url).open()
    assert "secret" not in str(raised.value)


def test_what_is_in_sql() -> None:
    assert in_sql("sqlite:///x.db")
    assert in_sql("postgresql+psycopg://host/x?table=1")
    assert not in_sql("redis://host")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
        ("etcd://host:2379/a@b", "etcd://host:2379/a@b"),
        ("postgresql://me:secret@host/x", "postgresql://me:***@host/x"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
