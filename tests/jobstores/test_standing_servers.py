"""What `make services` starts stays, is used by one at a time or by a database each, and ends when it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoConnection
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.jobstores import standing_servers, store_servers

PATIENCE = 180.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place of its own, so that those a developer has started are left alone."""
    where = tmp_path / "services"
    monkeypatch.setenv("RUNNER_TEST_SERVICES", str(where))
    for kind in standing_servers.KINDS:
        monkeypatch.delenv(f"RUNNER_TEST_{kind.upper()}", raising=False)
    yield where
    if where.exists():
        assert standing_servers.stop() == 0


def say(*words: str) -> str:
    """As `make services` does. It returns: nothing that stays holds the pipe."""
    command = [sys.executable, "-m", "tests.jobstores.standing_servers", *words]
    done = subprocess.run(
        command, cwd=standing_servers.ROOT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def client(url: str) -> Redis:
    return Redis(port=int(urlsplit(url).port or 0), decode_responses=True)


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it never happens"
        time.sleep(0.02)


def answers(url: str) -> bool:
    with client(url) as redis:
        try:
            return bool(redis.ping())
        except NoConnection:
            return False


def test_they_stay_and_one_at_a_time_uses_them(home: Path) -> None:
    assert standing_servers.standing() == {}
    said = say("start", "redis")
    url = standing_servers.standing()["redis"]
    assert f"redis: {url}" in said
    assert say("start", "redis") == said
    assert (home.stat().st_mode & 0o777, (home / "where.json").stat().st_mode & 0o777) == (0o700, 0o600)
    with store_servers.redis() as mine:
        assert (mine, getattr(mine, "server", None)) == (url, None)
        with client(mine) as redis:
            redis.set("left", "behind")
        with store_servers.redis() as another:
            assert another != url
        with store_servers.redis(own=True) as another:
            assert another != url
            assert isinstance(another, store_servers.Url)
            assert another.server is not None
    with store_servers.redis() as mine, client(mine) as redis:
        assert mine == url
        assert redis.keys() == []
    say("stop")
    assert standing_servers.standing() == {}
    assert not answers(url)
    say("stop")


def test_who_is_killed_takes_them_along(home: Path) -> None:
    say("start", "redis")
    url = standing_servers.standing()["redis"]
    os.kill(json.loads((home / "where.json").read_text())["pid"], signal.SIGKILL)
    until(lambda: standing_servers.standing() == {})
    until(lambda: not answers(url))
    with store_servers.redis() as mine:
        assert mine != url
    say("start", "redis")
    assert answers(standing_servers.standing()["redis"])


def test_where_none_starts_nothing_stays(home: Path) -> None:
    for _ in range(2):
        said = say("start", "a kind that is not there")
        assert "a kind that is not there: not running" in said
        assert "none runs" in said
        until(lambda: standing_servers._is_free(home / "lock"))


def test_each_has_a_database_of_its_own(home: Path) -> None:
    if "postgresql" not in (said := say("start", "postgresql")) or "not running" in said:
        pytest.skip(said)
    with store_servers.postgresql() as one, store_servers.postgresql() as other:
        assert one != other
        assert urlsplit(one).netloc == urlsplit(other).netloc == urlsplit(said.split()[1]).netloc
        for url in (one, other):
            engine = create_engine(url)
            with engine.begin() as connection:
                connection.execute(text("CREATE TABLE mine (id INT)"))
            engine.dispose()
    engine = create_engine(one)
    with pytest.raises(OperationalError, match="does not exist"), engine.connect():
        pass
    nobody = urlsplit(other)._replace(netloc=f"runner@127.0.0.1:{urlsplit(other).port}").geturl()
    with pytest.raises(OperationalError, match="password"), create_engine(nobody).connect():
        pass
