"""The stores' constructors are called as APScheduler 3's are, and pickles are only where they were asked for."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import redis
from etcd3gw.client import Etcd3Client
from kazoo.client import KazooClient
from pymongo import MongoClient
from rethinkdb import RethinkDB

from runner.core.action import Save
from runner.core.run import Job, Request
from runner.errors import StoreError
from runner.history import history_of
from runner.jobstores.etcd import EtcdJobStore
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.schedulers import plugins
from runner.schedulers.background import BackgroundScheduler
from runner.spec import Call, Step
from runner.testing.jobstore_values import NOON, SOURCE, spec
from tests.jobstores.store_kinds import KINDS

NAMES = ["memory", "sqlalchemy", "mongodb", "redis", "rethinkdb", "zookeeper", "etcd"]


@pytest.mark.parametrize("name", NAMES)
def test_every_alias_names_a_store(name: str) -> None:
    store = plugins.load("job store", name)
    assert all(callable(getattr(store, verb)) for verb in ("open", "load", "write", "hold", "listen"))


@pytest.mark.parametrize("name", NAMES[1:])
def test_the_arguments_of_apscheduler_are_taken_in_their_order(name: str) -> None:
    source = Path(inspect.getfile(import_module("apscheduler"))).parent / "jobstores" / f"{name}.py"
    theirs = source.read_text().split("def __init__(")[1].split("):")[0]
    wanted = [line.strip().split("=")[0].split(":")[0] for line in theirs.split(",") if line.strip()]
    wanted = [each for each in wanted if each != "self" and not each.startswith("**")]
    ours = list(inspect.signature(plugins.load("job store", name)).parameters)
    assert ours[: len(wanted)] == wanted


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mongodb", {"database": ""}),
        ("mongodb", {"collection": ""}),
        ("redis", {"jobs_key": ""}),
        ("rethinkdb", {"table": ""}),
        ("zookeeper", {"path": ""}),
        ("etcd", {"path": ""}),
        ("sqlalchemy", {}),
        ("sqlalchemy", {"url": "sqlite://", "tableschema": "s"}),
        ("redis", {"codec": "yaml"}),
    ],
)
def test_arguments_that_mean_nothing_are_refused_at_once(name: str, arguments: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError):
        plugins.load("job store", name)(**arguments).open()


def test_a_client_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"an etcd client is an etcd3gw\.client\.Etcd3Client"):
        EtcdJobStore(client=object())
    with pytest.raises(LookupError, match="no client is found as 'nowhere:client'"):
        EtcdJobStore(client="nowhere:client")


def clients(name: str, url: str) -> Any:
    """An open client of a program's own, for the server at the URL."""
    host, port = re.findall(r"(127\.0\.0\.1):(\d+)", url)[0]
    match name:
        case "redis":
            return redis.Redis(port=int(port), decode_responses=True)
        case "mongodb":
            return MongoClient(url, directConnection=True)
        case "zookeeper":
            client = KazooClient(url, timeout=4.0)
            client.start(timeout=60)
            return client
        case "etcd":
            return Etcd3Client(host=host, port=int(port))
        case _:
            return RethinkDB().connect(host=host, port=int(port))


@pytest.mark.parametrize("name", ["redis", "mongodb", "zookeeper", "etcd", "rethinkdb"])
def test_a_client_of_ones_own_is_used_and_left_open(name: str) -> None:
    kind = {"mongodb": "mongodb-secantus", "rethinkdb": "rethinkdb-stand-in"}.get(name, name)
    with KINDS[kind].server() as url:
        client = clients(name, url)
        for number in range(2):
            store = plugins.load("job store", name)(client=client)
            store.open()
            heard = threading.Event()
            assert store.listen(SOURCE, heard.set)
            assert heard.wait(60)
            store.write([Save(Job(spec(f"job{number}"), NOON))])
            assert len(store.load(SOURCE).jobs) == number + 1
            store.close()
        end = {"zookeeper": "stop", "etcd": "status"}.get(name, "close")
        getattr(client, end)()


def test_two_table_names_in_one_database_are_two_stores(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    stores = {
        "default": SQLAlchemyJobStore(url, tablename="first"),
        "other": {"type": "sqlalchemy", "url": url, "tablename": "second"},
    }
    scheduler = BackgroundScheduler(timezone="UTC", jobstores=stores)
    scheduler.start(paused=True)
    scheduler.add_job(print, "interval", hours=1, id="a")
    scheduler.add_job(print, "interval", hours=1, id="a", jobstore="other")
    scheduler.add_job(print, "interval", hours=1, id="b", jobstore="other")
    scheduler.shutdown()
    again = BackgroundScheduler(
        timezone="UTC", jobstores={"default": SQLAlchemyJobStore(url, tablename="second")}
    )
    again.start(paused=True)
    try:
        assert [job.id for job in again.get_jobs()] == ["a", "b"]
    finally:
        again.shutdown()


# ── pickles ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    if request.param == "sqlite":
        yield "sqlalchemy", f"sqlite:///{tmp_path / 'jobs.db'}"
        return
    with KINDS["redis"].server() as url:
        yield "redis", url


def made(url: tuple[str, str], **options: Any) -> Any:
    store = plugins.load("job store", url[0])(url=url[1], **options)
    store.open()
    return store


def test_arguments_that_json_does_not_know_are_pickled_where_asked_for(url: tuple[str, str]) -> None:
    arguments = (Fraction(1, 3), [1, {"deep": Fraction(2, 3)}], "text")
    job = Job(
        replace(spec(), steps=(Step("one", Call("json:dumps", arguments, {"default": Fraction(5)})),)), NOON
    )
    plain, pickling = made(url), made(url, codec="pickle")
    with pytest.raises(StoreError, match=r"a value of type fractions\.Fraction cannot .*codec='pickle'"):
        plain.write([Save(job)])
    assert plain.load(SOURCE).jobs == ()
    pickling.write([Save(job)])
    pickling.ask(Request("r", SOURCE, "api.change", {"changes": {"args": arguments}}, asked_at=NOON))
    again = made(url, codec="pickle")
    assert again.load(SOURCE).jobs == (job,)
    assert again.asked(SOURCE)[0].args == {"changes": {"args": arguments}}
    found = made(url).load(SOURCE)
    assert found.jobs == ()
    assert [each.key for each in found.unreadable] == [job.key]
    assert "an argument is a pickle, and this store reads none" in found.unreadable[0].reason
    assert [each.key for each in history_of(again).jobs()] == [job.key]


def test_an_argument_that_cannot_be_stored_is_refused_and_harms_nothing_else(url: tuple[str, str]) -> None:
    store = plugins.load("job store", url[0])(url=url[1])
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    try:
        with pytest.raises(StoreError, match="a value of type object cannot be stored"):
            scheduler.add_job(print, "interval", hours=1, id="bad", args=[object()])
        scheduler.add_job(print, "interval", hours=1, id="good")
        with pytest.raises(StoreError, match="a value of type object cannot be stored"):
            scheduler.modify_job("good", args=[object()])
        scheduler.add_job(print, "interval", hours=1, id="better")
        assert [job.id for job in scheduler.get_jobs()] == ["good", "better"]
    finally:
        scheduler.shutdown()


def test_a_pickle_is_not_run_by_a_store_that_was_not_asked_to(url: tuple[str, str], tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    job = Job(replace(spec(), steps=(Step("one", Call("json:dumps", (Evil(str(witness)),))),)), NOON)
    made(url, codec="pickle").write([Save(job)])
    assert not witness.exists()
    assert made(url).load(SOURCE).unreadable[0].key == job.key
    assert not witness.exists()
    made(url, codec="pickle").load(SOURCE)
    assert witness.exists(), "the test's own pickle does what it says"


class Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (self.path, "w")
