"""Programs as people wrote them for APScheduler 3, run as they are, and with only their imports changed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobstores import store_servers

PROGRAMS = sorted((Path(__file__).parent / "old_programs").glob("*.py"))


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    with store_servers.redis() as redis, store_servers.mongodb("secantus") as mongodb:
        yield {"REDIS_PORT": redis.rpartition(":")[2].partition("/")[0], "MONGODB_URL": mongodb}


def changed(text: str) -> str:
    """What `sed 's/\\bapscheduler\\b/runner/g'` of docs/migrating.md does."""
    return re.sub(r"\bapscheduler\b", "runner", text)


def output(program: Path, text: str, where: Path, more: dict[str, str]) -> tuple[int, str]:
    where.mkdir()
    file = where / program.name
    file.write_text(text)
    environ = {
        **os.environ,
        **more,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, str(file), str(where)], capture_output=True, text=True, timeout=150, env=environ
    )
    assert done.returncode == 0, done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda each: each.stem)
def test_only_the_imports_are_changed(program: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    needs = program.stem in ("redis_store", "mongodb_store")
    more = request.getfixturevalue("servers") if needs else {}
    text = program.read_text()
    assert "runner" not in text
    assert len(re.findall(r"\bapscheduler\b", text)) == text.count("apscheduler"), "no other word is meant"
    theirs = output(program, text, tmp_path / "theirs", more)
    ours = output(program, changed(text), tmp_path / "ours", more)
    assert theirs[1], "a program that says nothing proves nothing"
    assert ours == theirs
