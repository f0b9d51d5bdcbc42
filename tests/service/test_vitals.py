"""Signs of life: a real datagram socket for systemd, a loop that hangs, the health file, the heartbeat."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from runner.clock import SystemClock
from runner.service.health import Health
from tests.waiting import PATIENCE, wait_until

JOBS = "jobs:\n  tick:\n    schedule: '* * * * * *'\n    run: env > env.txt\n"


class Manager:
    """What systemd does: it listens on a socket, and reads datagrams."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(PATIENCE)
        self.heard: list[str] = []

    def wait_for(self, word: str) -> str:
        while True:
            text = self.socket.recv(4096).decode()
            self.heard += text.splitlines()
            if word in text:
                return text


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify.sock")
    yield made
    made.socket.close()


def serve(directory: Path, jobs: str = JOBS, program: str = "", **environ: str) -> subprocess.Popen[str]:
    (directory / "jobs.yaml").write_text(jobs)
    command = (
        [sys.executable, "-c", program]
        if program
        else [sys.executable, "-m", "runner", "serve", "--grace", "2s"]
    )
    return subprocess.Popen(
        command,
        cwd=directory,
        env={**os.environ, "RUNNER_STATE_DIR": str(directory / "state"), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def check(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", "status", "--check"],
        cwd=directory,
        env={**os.environ, "RUNNER_STATE_DIR": str(directory / "state")},
        capture_output=True,
        text=True,
    )


def test_systemd_is_told(tmp_path: Path, manager: Manager) -> None:
    child = serve(tmp_path, NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="1500000")
    try:
        assert "STATUS=1 jobs of jobs.yaml" in manager.wait_for("READY=1")
        for _ in range(3):
            manager.wait_for("WATCHDOG=1")
        child.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in manager.wait_for("RELOADING=1")
        manager.wait_for("READY=1")
        wait_until((tmp_path / "env.txt").exists, "a command runs")
        # Commands must not speak for the service.
        assert "NOTIFY_SOCKET" not in (tmp_path / "env.txt").read_text()
        child.send_signal(signal.SIGTERM)
        assert "EXTEND_TIMEOUT_USEC=" in manager.wait_for("STOPPING=1")
        assert child.wait(PATIENCE) == 0
    finally:
        child.kill()


HANG = """
import sys, threading
from runner.engine.partition import Partition
from runner.service import drain
turn = Partition.turn
def hang(self, *args, **more):
    threading.Event().wait()
drain.Options.__dataclass_fields__  # the options are frozen: the default is replaced in the constructor
import functools
drain.Options.__init__.__defaults__ = (*drain.Options.__init__.__defaults__[:-1], 5_000_000)
def later(self, *args, **more):
    if more.get("rests") is not None and self.machine is not None and self.machine.runs:
        hang(self)
    return turn(self, *args, **more)
Partition.turn = later
sys.argv = ["runner", "serve"]
from runner.cli import main
main()
"""


def test_a_loop_that_hangs_ends_the_process(tmp_path: Path, manager: Manager) -> None:
    child = serve(tmp_path, program=HANG, NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="600000")
    try:
        said = child.communicate(timeout=PATIENCE)[0]
    finally:
        child.kill()
    assert child.returncode == 70, said
    assert "the clock thread has not turned for 5 s: ending with 70" in said
    assert "in hang" in said  # where it stood
    gone = check(tmp_path)
    assert (gone.returncode, "is no more" in gone.stderr) == (4, True)


def test_a_stopped_process_is_not_stuck_when_it_goes_on(tmp_path: Path) -> None:
    program = HANG.replace("self.machine.runs:", "False:")
    child = serve(tmp_path, program=program)
    try:
        wait_until((tmp_path / "env.txt").exists, "a command runs")
        child.send_signal(signal.SIGSTOP)
        time.sleep(6)  # longer than the watchdog's five seconds: the stopped time is what is tested
        child.send_signal(signal.SIGCONT)
        (tmp_path / "env.txt").unlink()
        wait_until((tmp_path / "env.txt").exists, "a command runs again")
        assert child.poll() is None
        assert check(tmp_path).returncode == 0
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 0
    finally:
        child.kill()


def test_health_is_read_without_a_store(tmp_path: Path) -> None:
    assert check(tmp_path_with_jobs(tmp_path)).returncode == 4
    child = serve(tmp_path)
    try:
        wait_until(lambda: check(tmp_path).returncode == 0, "it is well")
        found = Health.read(tmp_path / "state")
        assert found is not None
        assert (found.pid, found.alive(SystemClock())) == (child.pid, "")
        (tmp_path / "state" / "runner.db").rename(tmp_path / "state" / "away.db")
        wait_until(lambda: check(tmp_path).returncode == 1, "it is not well")
        assert "is gone" in check(tmp_path).stderr
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 0
        assert check(tmp_path).returncode == 4
    finally:
        child.kill()


def tmp_path_with_jobs(directory: Path) -> Path:
    (directory / "jobs.yaml").write_text(JOBS)
    return directory


def test_an_old_file_means_a_loop_that_does_not_turn(tmp_path: Path) -> None:
    child = serve(tmp_path)
    try:
        wait_until(lambda: check(tmp_path).returncode == 0, "it is well")
        child.send_signal(signal.SIGSTOP)
        wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED, "it stands still")
        file = tmp_path / "state" / "health.json"
        values = json.loads(file.read_text())
        values["elapsed"] -= 120_000_000
        file.write_text(json.dumps(values))
        said = check(tmp_path)
        assert (said.returncode, "has not turned for" in said.stderr) == (1, True)
    finally:
        child.kill()


def test_the_runner_itself_has_a_heartbeat(tmp_path: Path, httpserver: HTTPServer) -> None:
    heard: list[float] = []

    def hear(_: Request) -> Response:
        heard.append(time.monotonic())
        return Response("ok")

    httpserver.expect_request("/alive").respond_with_handler(hear)
    url = httpserver.url_for("/alive")
    # Oftener than a proof that the loop turns is asked for otherwise.
    began = time.monotonic()
    child = serve(tmp_path, JOBS + f"heartbeat: {{url: '{url}', every: 1s}}\n")
    try:
        wait_until(lambda: len(heard) > 3, "it is heard of four times")
        # Not oftener than it was asked for: three seconds, of which each may be shorter by a tenth.
        assert heard[3] - began > 2.7
        # A proof comes each ten seconds. One ping that comes sooner is enough: others may be late on their way.
        wait_until(lambda: min(b - a for a, b in pairwise(heard)) < 5, "two pings a second apart")
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 0
    finally:
        child.kill()
