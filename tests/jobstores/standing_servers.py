"""Servers that stay: `make services` starts them, tests use those that run, `make services-stop` ends them.

python -m tests.jobstores.standing_servers start [KIND ...] | stop

One process holds them, and a lock for as long as it lives: what `where.json` says counts while that lock is held. When
it ends, however it does, they end. On a database server each use has a database of its own; any other server has one
user at a time, which empties it first, and whoever comes meanwhile starts one of his own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).parents[2]
KINDS = ("postgresql", "mariadb", "redis", "mongodb", "zookeeper", "etcd")
PATIENCE = 120.0
"""Seconds that all of them have to start, or to end."""


def home() -> Path:
    """Where it is written which run; RUNNER_TEST_SERVICES says another place."""
    return Path(os.environ.get("RUNNER_TEST_SERVICES") or ROOT / ".services")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock file; False where somebody else does."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


# ── using them ──────────────────────────────────────────────────────────────────────────────


def standing() -> Mapping[str, str]:
    """Kind -> URL of those that run."""
    where = home()
    try:
        found: Mapping[str, str] = json.loads((where / "where.json").read_text())["servers"]
    except (OSError, ValueError):
        return {}
    with locked(where / "lock") as free:
        return {} if free else found


@contextlib.contextmanager
def borrowed(kind: str) -> Iterator[str | None]:
    """A URL on the server of this kind that runs, with nothing there; None where there is none, or it is in use."""
    url = standing().get(kind)
    if url is None:
        yield None
    elif kind in DATABASES:
        with DATABASES[kind](url) as own:
            yield own
    else:
        with locked(home() / f"{kind}.use") as mine:
            if mine:
                EMPTY[kind](url)
            yield url if mine else None


@contextlib.contextmanager
def _database(url: str, *, end: str, options: str = "") -> Iterator[str]:
    from sqlalchemy import create_engine, make_url, text

    name = f"use_{uuid4().hex[:16]}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")

    def say(words: str) -> None:
        with engine.connect() as connection:
            connection.execute(text(words))

    say(f"CREATE DATABASE {name} {options}")
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        say(f"DROP DATABASE {name} {end}")
        engine.dispose()


DATABASES: Mapping[str, Callable[[str], AbstractContextManager[str]]] = {
    "postgresql": partial(_database, end="WITH (FORCE)"),
    "mariadb": partial(_database, end="", options="CHARACTER SET utf8mb4"),
}


def _empty_redis(url: str) -> None:
    import redis

    with contextlib.closing(redis.Redis.from_url(url)) as client:
        client.flushall()


def _empty_mongodb(url: str) -> None:
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]]
    with MongoClient(url, directConnection=True) as client:
        for name in client.list_database_names():
            if name not in ("admin", "config", "local"):
                client.drop_database(name)


def _empty_zookeeper(url: str) -> None:
    from kazoo.client import KazooClient

    client = KazooClient(url)
    client.start(timeout=60)
    for name in client.get_children("/"):
        if name != "zookeeper":
            client.delete(f"/{name}", recursive=True)
    client.stop()
    client.close()


def _empty_etcd(url: str) -> None:
    import requests

    everything = {"key": "AA==", "range_end": "AA=="}  # from the byte 0 on
    requests.post(f"http://{url}/v3/kv/deleterange", json=everything, timeout=60).raise_for_status()


EMPTY: Mapping[str, Callable[[str], None]] = {
    "redis": _empty_redis,
    "mongodb": _empty_mongodb,
    "zookeeper": _empty_zookeeper,
    "etcd": _empty_etcd,
}


# ── starting and ending them ────────────────────────────────────────────────────────────────


def keep(kinds: Sequence[str]) -> int:
    """Start them, write down where they are, and end them when told to. Not for people: `start` starts it."""
    from tests.jobstores import store_servers

    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: told.set())
    where = home()
    with locked(where / "lock") as mine, ExitStack() as stack:
        if not mine:
            return 1
        servers: dict[str, str] = {}
        missing: dict[str, str] = {}

        def begin(kind: str) -> None:
            try:
                servers[kind] = str(stack.enter_context(store_servers.OWN[kind]()))
            except BaseException as error:  # a skip is none of Exception
                missing[kind] = str(error)

        with ThreadPoolExecutor(len(kinds)) as pool:
            list(pool.map(begin, kinds))
        text = json.dumps({"pid": os.getpid(), "servers": servers, "missing": missing}, indent=2)
        draft = where / "where.new"
        with open(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(text + "\n")
        draft.replace(where / "where.json")
        if servers:  # else what it says is read, and there is nothing to keep
            told.wait()
            (where / "where.json").unlink()
    return 0


def start(kinds: Sequence[str]) -> int:
    """Have them kept by a process of its own, which holds none of our pipes; say where they are."""
    where = home()
    where.mkdir(mode=0o700, exist_ok=True)
    # What RUNNER_TEST_<KIND> names is used in the place of ours; a MongoDB is so besides.
    kinds = [each for each in kinds if each == "mongodb" or f"RUNNER_TEST_{each.upper()}" not in os.environ]
    if not standing():
        (where / "where.json").unlink(missing_ok=True)
        with (where / "log").open("ab") as log:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "tests.jobstores.standing_servers", "keep", *kinds],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if not _eventually(lambda: (where / "where.json").exists() or keeper.poll() is not None):
            keeper.terminate()
        if not (where / "where.json").exists():
            said = (where / "log").read_text(errors="replace").splitlines()[-5:]
            print(f"the servers do not start ({where}/log):", *said, sep="\n", file=sys.stderr)
            return 1
    there = json.loads((where / "where.json").read_text())
    for kind, url in there["servers"].items():
        print(f"{kind}: {url}")
    for kind, why in there["missing"].items():
        print(f"{kind}: not running ({why})")
    print("they stay until `make services-stop`" if there["servers"] else "none runs")
    return 0


def stop() -> int:
    """End them, and return when they have ended."""
    where = home()
    if standing():
        os.kill(json.loads((where / "where.json").read_text())["pid"], signal.SIGTERM)
        if not _eventually(lambda: _is_free(where / "lock")):
            print("the servers do not end", file=sys.stderr)
            return 1
    return 0


def _is_free(lock: Path) -> bool:
    with locked(lock) as free:
        return free


def _eventually(what: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def main(verb: str, *kinds: str) -> int:
    if verb == "stop":
        return stop()
    return {"start": start, "keep": keep}[verb](kinds or KINDS)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
