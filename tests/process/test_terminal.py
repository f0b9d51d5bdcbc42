"""A `serve` in a real terminal that is closed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator

import pytest

from tests.process.conftest import Desk
from tests.waiting import PATIENCE

JOBS = "jobs:\n  tick: {schedule: every 1h, run: echo tock}\n"


class Windowed:
    """A `serve` that is the first process of a terminal's session."""

    def __init__(self, desk: Desk, hangup: Callable[[int, signal.Handlers], object] | None = None) -> None:
        self.master, there = pty.openpty()

        def inside() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if hangup is not None:
                hangup(signal.SIGHUP, signal.SIG_IGN)

        self.process = subprocess.Popen(
            [sys.executable, "-m", "runner", "serve"],
            stdin=there,
            stdout=there,
            stderr=there,
            cwd=desk.directory,
            env=desk.environ,
            start_new_session=True,
            preexec_fn=inside,
        )
        os.close(there)
        self.said = b""

    def wait_for(self, word: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while word.encode() not in self.said:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, self.said
            self.said += os.read(self.master, 4096)

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


Open = Callable[..., Windowed]


@pytest.fixture
def window(desk: Desk) -> Iterator[Open]:
    made: list[Windowed] = []

    def make(**options: object) -> Windowed:
        desk.write(JOBS)
        made.append(Windowed(desk, **options))  # type: ignore[arg-type]
        made[-1].wait_for("next: tick")
        return made[-1]

    yield make
    for each in made:
        each.close()
        with contextlib.suppress(ProcessLookupError):
            each.process.kill()
        each.process.wait()


def test_it_stops_when_its_terminal_is_closed_and_reloads_while_it_is_there(window: Open, desk: Desk) -> None:
    served = window()
    served.process.send_signal(signal.SIGHUP)
    served.wait_for("told to reload")
    served.close()
    # The shell tells its jobs as well; that is no second wish to stop.
    served.process.send_signal(signal.SIGHUP)
    assert served.process.wait(PATIENCE) == 0
    assert not (desk.directory / "state" / "leader.json").exists()


def test_under_nohup_it_goes_on(window: Open, desk: Desk, until: Callable[..., None]) -> None:
    served = window(hangup=signal.signal)

    def loaded_at() -> object:
        return json.loads(desk.runner("status", "--json").stdout)["loaded_at"]

    before = loaded_at()
    served.close()
    served.process.send_signal(signal.SIGHUP)
    until(lambda: loaded_at() != before, "the reload")
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(PATIENCE) == 0
