"""A program whose loop ends without `shutdown` ends too: no thread holds it, no worker process is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_until

PROGRAM = Path(__file__).with_name("forgetful_program.py")


@pytest.mark.parametrize(
    "kind", ["background", "asyncio", "tornado", "twisted", "gevent", "gevent-patched", "qt"]
)
def test_nothing_is_left_behind(kind: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    environ = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), kind, str(pids)],
        capture_output=True,
        text=True,
        timeout=150,
        env=environ,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[-1] == "over"
    if kind in ("asyncio", "tornado"):
        assert said[0] == "no clock thread is left"
    workers = {int(line) for line in pids.read_text().splitlines()}
    assert workers
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in workers), "no worker process is left behind")
