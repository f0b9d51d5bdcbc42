"""Every store on a server, by a name: how its server is started, and how a store on it is made."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

from runner.jobstores.etcd import EtcdJobStore
from runner.jobstores.mongodb import MongoDBJobStore
from runner.jobstores.redis import RedisJobStore
from runner.jobstores.rethinkdb import RethinkDBJobStore
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.jobstores.zookeeper import ZooKeeperJobStore
from tests.jobstores import store_servers


class Kind(NamedTuple):
    server: Callable[..., AbstractContextManager[str]]
    """With `own=True` one that nobody else uses."""
    make: Callable[[str], Any]
    """A store on the server at this URL, or host:port."""


def placed(url: str) -> dict[str, Any]:
    host, port = url.split(":")
    return {"host": host, "port": int(port)}


def mongodb(url: str) -> MongoDBJobStore:
    return MongoDBJobStore("runner_all", url=url, directConnection=True, serverSelectionTimeoutMS=3000)


KINDS: Mapping[str, Kind] = {
    "postgresql": Kind(store_servers.postgresql, SQLAlchemyJobStore),
    "mariadb": Kind(store_servers.mariadb, SQLAlchemyJobStore),
    "redis": Kind(store_servers.redis, lambda url: RedisJobStore(url=url)),
    "mongodb-secantus": Kind(partial(store_servers.mongodb, "secantus"), mongodb),
    "mongodb-nx": Kind(partial(store_servers.mongodb, "nx"), mongodb),
    "zookeeper": Kind(store_servers.zookeeper, lambda url: ZooKeeperJobStore(hosts=url)),
    "etcd": Kind(store_servers.etcd, lambda url: EtcdJobStore(**placed(url))),
    "rethinkdb-stand-in": Kind(store_servers.rethinkdb, lambda url: RethinkDBJobStore(**placed(url))),
}
if "RUNNER_TEST_MONGODB" in os.environ:
    KINDS = {**KINDS, "mongodb": Kind(partial(store_servers.mongodb, "real"), mongodb)}
