"""SIGHUP reads the file again, whenever it comes and however often."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.process.conftest import Desk
from tests.waiting import PATIENCE

JOBS = "jobs:\n  tick: {schedule: every 1h, run: echo tock}\n"

EARLY = """
import os, signal
from runner.cli import frame, main

read = frame.load

def load(*given):
    # What a process does to whoever sends it the moment it is started.
    os.kill(os.getpid(), signal.SIGHUP)
    return read(*given)

frame.load = load
main()
"""


def test_one_that_comes_while_the_runner_still_starts_is_followed_once_it_has(desk: Desk) -> None:
    desk.write(JOBS)
    served = subprocess.Popen(
        [sys.executable, "-c", EARLY, "serve"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=desk.directory,
        env=desk.environ,
        text=True,
    )
    said: list[str] = []
    try:
        assert served.stdout is not None
        for line in served.stdout:
            said.append(line)
            if "told to reload" in line:
                break
        else:
            raise AssertionError(f"it ended with {served.wait(PATIENCE)}: {said}")
        served.send_signal(signal.SIGTERM)
        assert served.wait(PATIENCE) == 0
    finally:
        served.kill()
        served.wait()
