"""Each scheduler in its own framework's real loop: what runs where, pause, shutdown, restart, a busy host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frameworks import needs_qt

PROGRAM = Path(__file__).with_name("front_end_program.py")
HOST, ELSEWHERE = "host", "elsewhere"

CASES = {
    #                 function   coroutine  listener   async listener
    "background":     (ELSEWHERE, ELSEWHERE, ELSEWHERE, ELSEWHERE),
    "blocking":       (ELSEWHERE, ELSEWHERE, HOST,      ELSEWHERE),
    "asyncio":        (ELSEWHERE, HOST,      HOST,      HOST),
    "tornado":        (ELSEWHERE, HOST,      HOST,      HOST),
    "twisted":        (ELSEWHERE, HOST,      HOST,      HOST),
    "gevent":         (HOST,      ELSEWHERE, HOST,      ELSEWHERE),
    "gevent-patched": (HOST,      ELSEWHERE, HOST,      ELSEWHERE),
    # Where gevent has patched the program, its threads are greenlets of the one thread that there is.
    "background-patched": (HOST,  ELSEWHERE, HOST,      ELSEWHERE),
    "asyncio-patched":    (HOST,  HOST,      HOST,      HOST),
    "tornado-patched":    (HOST,  HOST,      HOST,      HOST),
    "twisted-patched":    (HOST,  HOST,      HOST,      HOST),
    "blocking-patched":   (HOST,  ELSEWHERE, HOST,      ELSEWHERE),
    "qt":             (ELSEWHERE, ELSEWHERE, HOST,      ELSEWHERE),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_in_its_own_loop(kind: str) -> None:
    if kind == "qt":
        needs_qt()
    environ = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), kind], capture_output=True, text=True, timeout=150, env=environ
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    function, coroutine, listener, async_listener = CASES[kind]
    assert seen["function"] == seen["second"] == function
    assert seen["coroutine"] == coroutine
    assert seen["listener"] == listener
    assert seen["async listener"] == async_listener
    assert seen["stopped"]
    assert seen["again"]
    assert seen["decisions while the host was busy"] >= 8
    if kind == "qt":
        assert seen["gui"] == HOST
    # The host was held while runs waited for it: the shutdown that followed says so, and nothing else is said.
    left = [line for line in done.stderr.splitlines() if "was still running when the scheduler" not in line]
    assert left == []
