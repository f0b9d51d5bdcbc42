"""Where APScheduler 3 kept its jobs: a table, two keys in Redis, a collection, nodes below a path. It is only read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from runner.errors import StoreError, StoreUnknown
from runner.jobstores.urls import Address, path_in

TABLE, KEY, DATABASE, COLLECTION = "apscheduler_jobs", "apscheduler.jobs", "apscheduler", "jobs"
PATH = "/apscheduler"
_WHERE = "the path of the URL says where APScheduler kept its jobs"


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored job: its id, and the pickle of its state."""

    id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """`read` answers every job; StoreError where the place cannot be read. `ours`: where a program that only changed
    its imports keeps its jobs from then on, on the same server."""

    kind: str
    read: Callable[[], Iterator[Entry]]
    ours: Address


def place_of(
    url: str, *, table: str = TABLE, key: str = KEY, database: str = "", collection: str = COLLECTION
) -> Place:
    """The place a URL names; StoreError where it is none. What is named as APScheduler names it by itself, our stores
    name otherwise."""
    address = Address.of(url)
    path = "" if address.path == PATH.strip("/") else address.path
    match address.kind:
        case "redis":
            return Place(
                "Redis", lambda: _redis(url, key), address.told({} if key == KEY else {"jobs_key": key})
            )
        case "mongodb":
            ours = address.told({"collection": collection, "database": database or "runner"})
            return Place("MongoDB", lambda: _mongodb(url, database, collection), ours)
        case "rethinkdb":
            where = database or address.path or DATABASE
            return Place("RethinkDB", lambda: _rethinkdb(address, where), address.at(database or path))
        case "zookeeper":
            return Place("ZooKeeper", lambda: _zookeeper(address), address.at(path))
        case "etcd":
            return Place("etcd", lambda: _etcd(address), address.at(path))
    return Place("SQL", lambda: _sql(url, table), address)


def _sql(url: str, table: str) -> Iterator[Entry]:
    from sqlalchemy import column, create_engine, select
    from sqlalchemy import table as table_
    from sqlalchemy.exc import SQLAlchemyError

    if url.startswith("sqlite:///"):
        _there(path_in(url))
    jobs = table_(table, column("id"), column("job_state"))
    try:
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                rows = connection.execute(select(jobs.c.id, jobs.c.job_state).order_by(jobs.c.id)).all()
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        words = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StoreError(
            f"the table {table} cannot be read: {words}", hint="name another table with --table"
        ) from None
    for id, data in rows:
        yield Entry(str(id), bytes(data))


def _there(path: str) -> None:
    """Opening a SQLite file that is not there would make it."""
    import os

    if path and path != ":memory:" and not os.path.exists(path):
        raise StoreUnknown(f"there is no database {path}")


def _redis(url: str, key: str) -> Iterator[Entry]:
    redis = _driver("redis")
    with closing(redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5)) as client:
        try:
            found: dict[Any, Any] = client.hgetall(key)
        except redis.RedisError as error:
            raise StoreError(f"the key {key} cannot be read: {error}") from None
    for id in sorted(found):
        yield Entry(id.decode(errors="replace"), bytes(found[id]))


def _mongodb(url: str, database: str, collection: str) -> Iterator[Entry]:
    pymongo = _driver("pymongo")
    with closing(pymongo.MongoClient(url, serverSelectionTimeoutMS=5000)) as client:
        try:
            name = database or client.get_default_database(DATABASE).name
            found = list(client[name][collection].find({}, ["_id", "job_state"]).sort("_id", 1))
        except pymongo.errors.PyMongoError as error:
            raise StoreError(f"the collection {collection} cannot be read: {error}") from None
    for document in found:
        yield Entry(str(document["_id"]), bytes(document["job_state"]))


def _rethinkdb(address: Address, database: str) -> Iterator[Entry]:
    driver = _driver("rethinkdb")
    user, password = address.login
    login = {"user": user, "password": password} if user else {}
    table, r = address.ours.get("table", "jobs"), driver.RethinkDB()
    try:
        with closing(r.connect(**address.placed(28015), **login, timeout=5)) as connection:
            found = list(r.db(database).table(table).run(connection))
    except (OSError, driver.errors.ReqlError) as error:
        raise StoreError(f"the table {table} of {database} cannot be read: {_line(error)}") from None
    for document in sorted(found, key=lambda each: str(each["id"])):
        if "job_state" in document:  # A table may hold our own rows too.
            yield Entry(str(document["id"]), bytes(document["job_state"]))


def _zookeeper(address: Address) -> Iterator[Entry]:
    _driver("kazoo")
    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException, NoNodeError
    from kazoo.handlers.threading import KazooTimeoutError

    path = f"/{address.path}" if address.path else PATH
    client = KazooClient(address.hosts, timeout=5)
    try:
        client.start(timeout=5)
        nodes = {name: client.get(f"{path}/{name}")[0] for name in sorted(client.get_children(path))}
    except (NoNodeError, KazooException, KazooTimeoutError, OSError) as error:
        what = "there is no such node" if isinstance(error, NoNodeError) else _line(error)
        raise StoreError(f"the node {path} cannot be read: {what}", hint=_WHERE) from None
    finally:
        client.stop()
        client.close()
    for name, data in nodes.items():
        if data:  # Nodes without are directories, of ours perhaps.
            yield Entry(name, bytes(data))


def _etcd(address: Address) -> Iterator[Entry]:
    _driver("etcd3gw")
    import requests
    from etcd3gw.client import Etcd3Client
    from etcd3gw.exceptions import Etcd3Exception

    path = f"/{address.path}" if address.path else PATH
    tls: dict[str, Any] = {"protocol": "https"} if address.scheme == "etcds" else {}
    try:
        found = Etcd3Client(**address.placed(2379), **tls, timeout=5).get_prefix(f"{path}/")
    except (OSError, requests.RequestException, Etcd3Exception) as error:
        raise StoreError(f"the keys below {path} cannot be read: {_line(error)}", hint=_WHERE) from None
    for data, about in found:
        name = about["key"].decode(errors="replace").removeprefix(f"{path}/")
        if "/" not in name:  # Deeper ones are ours.
            yield Entry(name, bytes(data))


def _line(error: BaseException) -> str:
    words = str(error).strip().splitlines()
    return words[0] if words else type(error).__name__


def _driver(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        extra = {"pymongo": "mongodb", "kazoo": "zookeeper", "etcd3gw": "etcd"}.get(name, name)
        raise StoreError(f"the package {name} is not there", hint=f"pip install 'runner[{extra}]'") from None
