"""Alerts and a real service that is killed: every one that was decided arrives, none more than twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.waiting import PATIENCE

KILLS = int(os.environ.get("RUNNER_TEST_KILLS", "2"))

FILE = """\
channels:
  hook: {url}
jobs:
  tick:
    schedule: every 1s
    run: echo tick
    timeout: 10s
    notify: {{on_success: hook}}
"""


class Sink:
    """Hears messages."""

    def __init__(self, server: HTTPServer) -> None:
        self.bodies: list[str] = []
        self.heard = threading.Semaphore(0)
        server.expect_request("/hook", method="POST").respond_with_handler(self._hear)
        self.url = server.url_for("/hook").replace("http://", "json://")

    def _hear(self, request: Request) -> Response:
        document: dict[str, Any] = request.get_json()
        self.bodies.append(document["message"])
        self.heard.release()
        return Response("fine")

    def wait(self, service: Service) -> None:
        assert self.heard.acquire(timeout=PATIENCE), service.said()

    def runs(self) -> Counter[str]:
        return Counter(
            line.rpartition("runner logs ")[2]
            for body in self.bodies
            for line in body.splitlines()
            if "runner logs " in line
        )


class Service:
    def __init__(self, directory: Path) -> None:
        self.environ = {**os.environ, "RUNNER_STATE_DIR": str(directory / "state")}
        self.directory = directory
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runner", "serve", "--grace", "5s"],
            cwd=directory,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()

    def said(self) -> str:
        return "".join(self.lines)

    def wait_for(self, words: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: words in self.said(), timeout=PATIENCE), self.said()

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def history(self) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "runner", "history", "--json", "-n", "10000"],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            check=True,
        )
        runs: list[dict[str, Any]] = json.loads(done.stdout)["runs"]
        return runs


@pytest.fixture
def sink(httpserver: HTTPServer) -> Sink:
    return Sink(httpserver)


def test_what_was_decided_arrives_once_or_twice_through_kills(sink: Sink, tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(FILE.format(url=sink.url))
    for _ in range(KILLS):
        # The first kill falls right after a message arrived: before, or while, that is written down.
        service = Service(tmp_path)
        sink.wait(service)
        service.end(signal.SIGKILL)
        # The next service sends it again; its kill falls after that is written down.
        service = Service(tmp_path)
        sink.wait(service)
        service.wait_for("told hook")
        service.end(signal.SIGKILL)
    service = Service(tmp_path)
    sink.wait(service)
    service.end(signal.SIGTERM)
    succeeded = [run["id"] for run in service.history() if run["status"] == "succeeded"]
    told = sink.runs()
    assert succeeded
    assert set(succeeded) <= set(told), "an alert was lost"
    assert max(told.values()) <= 2, "an alert came a third time"


def test_a_message_that_nobody_takes_is_tried_again(httpserver: HTTPServer, tmp_path: Path) -> None:
    heard: list[int] = []
    taken = threading.Event()

    def hear(request: Request) -> Response:
        heard.append(1)
        if len(heard) > 1:
            taken.set()
        return Response("later", status=503 if len(heard) == 1 else 200)

    httpserver.expect_request("/hook", method="POST").respond_with_handler(hear)
    url = httpserver.url_for("/hook").replace("http://", "json://")
    text = FILE.format(url=url).replace("run: echo tick", "run: exit 3").replace("on_success", "on_failure")
    (tmp_path / "jobs.yaml").write_text(text)
    service = Service(tmp_path)
    try:
        assert taken.wait(PATIENCE), service.said()
    finally:
        service.end(signal.SIGTERM)
    assert len(heard) == 2
