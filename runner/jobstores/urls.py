"""Stores by URL: one line of text that says which server, and where on it.

| URL | the store |
|---|---|
| `redis://host:6379/0`, `rediss://`, `unix://` | Redis; `?jobs_key=` is how its keys begin |
| `mongodb://host/database`, `mongodb+srv://` | MongoDB; `?database=`, `?collection=` |
| `rethinkdb://user:password@host:28015/database` | RethinkDB; `?table=` |
| `zookeeper://one:2181,two:2181/path` | ZooKeeper |
| `etcd://host:2379/path`, `etcds://` with TLS | etcd |
| anything else | a SQL database, as SQLAlchemy reads it |
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from runner.errors import StoreError, StoreUnknown
from runner.jobstores.base import JobStore

_OURS = ("jobs_key", "database", "collection", "table")
_KINDS = {
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "mongodb": "mongodb",
    "mongodb+srv": "mongodb",
    "rethinkdb": "rethinkdb",
    "zookeeper": "zookeeper",
    "etcd": "etcd",
    "etcds": "etcd",
}
LIKE = (
    "write sqlite:///jobs.db, postgresql+psycopg://user@host/database, redis://host:6379/0, mongodb://host/database, "
    "rethinkdb://host:28015/database, zookeeper://host:2181/path or etcd://host:2379/path"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A URL of a store in its parts. `kind` is empty for SQL; `ours` are the words of the query that only we know."""

    kind: str
    scheme: str
    login: tuple[str, str]
    hosts: str
    path: str
    ours: Mapping[str, str]
    url: str
    """Without the words that are only ours: what a client is given that reads URLs itself."""

    @classmethod
    def of(cls, url: str) -> Address:
        """StoreError where it is no URL; what was given may hold a password, and is not shown."""
        scheme, colon, rest = url.partition("://")
        if not colon:
            raise StoreUnknown("the store's URL cannot be read", hint=LIKE)
        place, _, query = rest.partition("?")
        words = parse_qsl(query, keep_blank_values=True)
        theirs = urlencode([(name, value) for name, value in words if name not in _OURS])
        authority, _, path = place.partition("/")
        login, at, hosts = authority.rpartition("@")
        user, _, password = login.partition(":")
        kind = _KINDS.get(scheme, "")
        if not kind:
            return cls("", scheme, ("", ""), "", "", {}, url)
        return cls(
            kind,
            scheme,
            (unquote(user), unquote(password)) if at else ("", ""),
            hosts,
            unquote(path.strip("/")),
            {name: value for name, value in words if name in _OURS},
            f"{scheme}://{place}" + (f"?{theirs}" if theirs else ""),
        )

    def placed(self, port: int, hosts: str = "") -> dict[str, Any]:
        """Host and port, of which a URL may leave out the second; `hosts`: of these, which are one of several."""
        hosts = hosts or self.hosts
        host, _, given = hosts.rpartition(":") if ":" in hosts else (hosts, "", "")
        try:
            return {"host": host.strip("[]") or "localhost", "port": int(given or port)}
        except ValueError:
            raise StoreError(f"{given!r} is no port of {self.scheme}", hint=LIKE) from None

    def at(self, path: str) -> Address:
        """The same server, at another path."""
        return replace(self, path=path)

    def told(self, ours: Mapping[str, str]) -> Address:
        """The same, with more words of ours."""
        return replace(self, ours={**self.ours, **ours})


def sqlite_at(path: Path) -> str:
    """The URL of a SQLite file, whatever characters are in its path."""
    return "sqlite:///" + str(path).replace("%", "%25").replace("?", "%3F")


def path_in(url: str) -> str:
    """The path in a SQLite file's URL."""
    return unquote(url.removeprefix("sqlite:///").partition("?")[0])


def in_sql(url: str) -> bool:
    """Whether a SQL database is named."""
    return not Address.of(url).kind


def store_of(url: str | Address, *, mark: Path | None = None) -> JobStore:
    """The store a URL names, not yet open. StoreError where nobody knows it, or the package is missing.

    `mark`: see SQLAlchemyJobStore; it means nothing to the others.
    """
    address = Address.of(url) if isinstance(url, str) else url
    if not address.kind:
        from runner.jobstores.sqlalchemy import SQLAlchemyJobStore

        return SQLAlchemyJobStore(address.url, mark=mark)
    return _MAKERS[address.kind](address)


def without_password(url: str) -> str:
    """For people to read."""
    scheme, colon, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    login, at, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    shown = f"{user}:***" if password else user
    return f"{scheme}{colon}{shown}{at}{hosts}{slash}{path}"


def _redis(address: Address) -> JobStore:
    return _made("redis:RedisJobStore", address, url=address.url, **_named(address, "jobs_key"))


def _mongodb(address: Address) -> JobStore:
    return _made(
        "mongodb:MongoDBJobStore", address, url=address.url, **_named(address, "database", "collection")
    )


def _rethinkdb(address: Address) -> JobStore:
    user, password = address.login
    login = {"user": user, "password": password} if user else {}
    where = {"database": address.path} if address.path else {}
    return _made(
        "rethinkdb:RethinkDBJobStore",
        address,
        **address.placed(28015),
        **login,
        **where,
        **_named(address, "table"),
    )


def _zookeeper(address: Address) -> JobStore:
    user, password = address.login
    login = {"auth_data": [("digest", f"{user}:{password}")]} if user else {}
    where = {"path": address.path} if address.path else {}
    return _made("zookeeper:ZooKeeperJobStore", address, hosts=address.hosts, **login, **where)


def _etcd(address: Address) -> JobStore:
    if address.login[0]:
        raise StoreError(
            "etcd's gateway takes no login in a URL", hint="give the program's store a client of its own"
        )
    where = {"path": address.path} if address.path else {}
    tls = (
        {"protocol": "https", "ca_cert": os.environ.get("SSL_CERT_FILE")} if address.scheme == "etcds" else {}
    )
    return _made("etcd:EtcdJobStore", address, **address.placed(2379), **tls, **where)


_MAKERS: Mapping[str, Callable[[Address], JobStore]] = {
    "redis": _redis,
    "mongodb": _mongodb,
    "rethinkdb": _rethinkdb,
    "zookeeper": _zookeeper,
    "etcd": _etcd,
}


def _named(address: Address, *names: str) -> dict[str, str]:
    return {name: address.ours[name] for name in names if name in address.ours}


def _made(name: str, address: Address, **arguments: Any) -> JobStore:
    module, _, cls = name.partition(":")
    try:
        found = getattr(import_module(f"runner.jobstores.{module}"), cls)
    except ImportError as error:
        raise StoreError(
            f"the package {error.name} is not there", hint=f"pip install 'runner[{address.kind}]'"
        ) from None
    made: JobStore = found(**arguments)
    return made
