"""Where APScheduler 3 kept its jobs: a table, two keys in Redis, a collection in MongoDB. Only read, never changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from runner.errors import RunnerError, StoreError

TABLE, KEY, DATABASE, COLLECTION = "apscheduler_jobs", "apscheduler.jobs", "apscheduler", "jobs"


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored job: its id, and the pickle of its state."""

    id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """`read` answers every job; StoreError where the place cannot be read."""

    kind: str
    read: Callable[[], Iterator[Entry]]


def place_of(
    url: str, *, table: str = TABLE, key: str = KEY, database: str = "", collection: str = COLLECTION
) -> Place:
    """The place a URL names; RunnerError where it is of an unknown kind."""
    scheme = url.partition("://")[0]
    if scheme in ("redis", "rediss", "unix"):
        return Place("Redis", lambda: _redis(url, key))
    if scheme in ("mongodb", "mongodb+srv"):
        return Place("MongoDB", lambda: _mongodb(url, database, collection))
    if "://" not in url:
        raise RunnerError(
            f"{url!r} is no URL of a store",
            hint="write sqlite:///jobs.db, postgresql+psycopg://..., redis://host:6379/0 or mongodb://host",
        )
    return Place("SQL", lambda: _sql(url, table))


def _sql(url: str, table: str) -> Iterator[Entry]:
    from sqlalchemy import column, create_engine, select
    from sqlalchemy import table as table_
    from sqlalchemy.exc import SQLAlchemyError

    if url.startswith("sqlite:///"):
        _there(url.removeprefix("sqlite:///").partition("?")[0])
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
        raise StoreError(f"there is no database {path}")


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


def _driver(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        extra = {"pymongo": "mongodb"}.get(name, name)
        raise StoreError(f"the package {name} is not there", hint=f"pip install 'runner[{extra}]'") from None
