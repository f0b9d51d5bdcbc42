"""A real `runner serve` in a process of its own, and ways to wait for what it says."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, wait_until


class Served:
    """A running `runner serve`. Lines are awaited, never slept for."""

    def __init__(
        self, directory: Path, *args: str, environ: dict[str, str] | None = None, alone: bool = False
    ) -> None:
        """`alone`: the arguments say which files."""
        self.directory = directory
        file = () if alone else ("-f", str(directory / "jobs.yaml"))
        self.environ = {**os.environ, "RUNNER_STATE_DIR": str(directory / "state"), "PYTHONUNBUFFERED": "1"}
        self.environ.update(environ or {})
        self.lines: list[str] = []
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runner", "serve", *file, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environ,
            cwd=directory,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def wait_for(self, *words: str, patience: float = PATIENCE) -> str:
        """The next line that holds all of `words`."""
        deadline = time.monotonic() + patience
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(
                    f"no line with {words} within {patience} s; said so far:\n" + "\n".join(self.lines)
                )
            if line is None:
                pytest.fail(f"ended without a line with {words}; said:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if all(word in line for word in words):
                return line

    def stop(self, number: int = signal.SIGTERM, patience: float = PATIENCE) -> int:
        self.process.send_signal(number)
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            pytest.fail("it did not end:\n" + self.rest())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def rest(self) -> str:
        """Everything said until the end of the process."""
        while (line := self._queue.get(timeout=PATIENCE)) is not None:
            self.lines.append(line)
        return "\n".join(self.lines)


class Desk:
    """A directory with a jobs.yaml, and the commands people type in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "jobs.yaml"
        self.served: list[Served] = []
        self.environ = {**os.environ, "RUNNER_STATE_DIR": str(directory / "state")}

    def write(self, text: str) -> None:
        """Replace the file as editors and git do."""
        aside = self.directory / ".jobs.yaml.new"
        aside.write_text(text)
        aside.replace(self.file)

    def serve(self, *args: str, environ: dict[str, str] | None = None) -> Served:
        served = Served(self.directory, *args, environ=environ)
        self.served.append(served)
        return served

    def runner(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "runner", *args],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if check and done.returncode != 0:
            pytest.fail(f"runner {' '.join(args)} ended {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def marked(self) -> bool:
        """Whether the one command that was started has its end on the disk, told or not."""
        (mark,) = (self.directory / "state" / "runs").glob("[0-9a-f]*[0-9a-f]")
        return mark.read_text().count("\n") == 2

    def history(self, *args: str) -> list[dict[str, object]]:
        document = json.loads(self.runner("history", "--json", *args).stdout)
        runs: list[dict[str, object]] = document["runs"]
        return runs


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    for served in desk.served:
        if served.process.poll() is None:
            served.kill()


@pytest.fixture
def until() -> Callable[..., float]:
    """Wait until something is true of the outside world, looking often."""
    return wait_until
