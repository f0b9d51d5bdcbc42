"""Triggers, executors and job stores by name: the house's own, and those that others register as entry points."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal

Kind = Literal["trigger", "executor", "job store"]

_GROUPS: Mapping[Kind, str] = {
    "trigger": "runner.triggers",
    "executor": "runner.executors",
    "job store": "runner.jobstores",
}

_OWN: Mapping[Kind, Mapping[str, str]] = {
    "trigger": {
        "date": "runner.triggers.date:DateTrigger",
        "interval": "runner.triggers.interval:IntervalTrigger",
        "cron": "runner.triggers.cron:CronTrigger",
        "calendarinterval": "runner.triggers.calendarinterval:CalendarIntervalTrigger",
        "and": "runner.triggers.combining:AndTrigger",
        "or": "runner.triggers.combining:OrTrigger",
    },
    "executor": {
        "threadpool": "runner.executors.pool:ThreadPoolExecutor",
        "processpool": "runner.executors.pool:ProcessPoolExecutor",
        "debug": "runner.executors.debug:DebugExecutor",
        "asyncio": "runner.executors.asyncio:AsyncIOExecutor",
        "gevent": "runner.executors.gevent:GeventExecutor",
        "tornado": "runner.executors.tornado:TornadoExecutor",
        "twisted": "runner.executors.twisted:TwistedExecutor",
        "qt": "runner.executors.qt:QtExecutor",
    },
    "job store": {
        "memory": "runner.jobstores.memory:MemoryJobStore",
        "sqlalchemy": "runner.jobstores.sqlalchemy:SQLAlchemyJobStore",
        "mongodb": "runner.jobstores.mongodb:MongoDBJobStore",
        "redis": "runner.jobstores.redis:RedisJobStore",
        "rethinkdb": "runner.jobstores.rethinkdb:RethinkDBJobStore",
        "zookeeper": "runner.jobstores.zookeeper:ZooKeeperJobStore",
        "etcd": "runner.jobstores.etcd:EtcdJobStore",
    },
}


def load(kind: Kind, name: str) -> Any:
    """The class of this name; LookupError where nobody has one."""
    own = _OWN[kind].get(name)
    if own is not None:
        return by_path(own)
    for point in entry_points(group=_GROUPS[kind], name=name):
        return point.load()
    noun = kind.replace(" ", "")
    raise LookupError(f'No {noun} by the name "{name}" was found')


@cache
def by_path(path: str) -> Any:
    """The class of `package.module:Class`; LookupError where it is not there."""
    return named(path)


def named(path: str) -> Any:
    """What `package.module:name` names at the moment; LookupError where it is not there."""
    module, _, names = path.partition(":")
    try:
        found: Any = import_module(module)
        for name in names.split("."):
            found = getattr(found, name)
        return found
    except (ImportError, ValueError) as error:
        raise LookupError(f"Error resolving reference {path}: could not import module ({error})") from error
    except AttributeError as error:
        raise LookupError(f"Error resolving reference {path}: error looking up object ({error})") from error
