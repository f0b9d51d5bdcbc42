from __future__ import annotations

import queue
import threading

from pytest_httpserver import HTTPServer

from runner.core.action import Announce
from runner.core.run import Run, RunKey, Status
from runner.errors import RunnerError
from runner.notify.heartbeat import Beat, Pulse
from runner.spec import Command, JobSpec, Step


def run(status: Status, heartbeat: str | None) -> Run:
    spec = JobSpec("etl", (Step("main", Command(script="true")),), heartbeat=heartbeat)
    return Run(RunKey(spec.key, 0), spec, status)


def test_a_run_is_pinged_at_its_start_and_end(httpserver: HTTPServer) -> None:
    for path in ("/ping/start", "/ping", "/ping/fail"):
        httpserver.expect_request(path).respond_with_data("OK")
    url = httpserver.url_for("/ping")
    pulse = Pulse(print)
    pulse.hear(Announce("run.started", run(Status.RUNNING, url)))
    pulse.hear(Announce("run.ended", run(Status.SUCCEEDED, url)))
    pulse.hear(Announce("run.started", run(Status.RUNNING, url)))
    pulse.hear(Announce("run.ended", run(Status.TIMED_OUT, url)))
    pulse.close(60)
    heard = [(request.method, request.path, request.get_data(as_text=True)) for request, _ in httpserver.log]
    assert heard == [
        ("GET", "/ping/start", ""),
        ("GET", "/ping", ""),
        ("GET", "/ping/start", ""),
        ("POST", "/ping/fail", "etl@1970-01-01T00:00:00Z timed_out"),
    ]


def test_other_news_and_jobs_without_one_are_left_alone() -> None:
    pinged: list[str] = []
    pulse = Pulse(print, ping=lambda url, state, body: pinged.append(url))
    pulse.hear(Announce("run.started", run(Status.RUNNING, None)))
    pulse.hear(Announce("job.paused", run(Status.RUNNING, "http://x")))
    pulse.hear(Announce("run.ended", "not a run"))
    pulse.close(60)
    assert pinged == []


def test_one_that_fails_is_tried_three_times_then_said_without_its_address() -> None:
    said: queue.Queue[str] = queue.Queue()
    tries: list[Beat] = []

    def ping(url: str, state: Beat, body: str) -> None:
        tries.append(state)
        raise RunnerError(f"cannot reach {url}")

    pulse = Pulse(said.put, ping=ping)
    pulse.hear(Announce("run.started", run(Status.RUNNING, "https://hc.example.com/secret")))
    assert said.get(timeout=60) == "heartbeat of etl (start): cannot reach https://***"
    assert tries == ["start"] * 3


def test_a_watcher_that_hangs_holds_up_no_other() -> None:
    release = threading.Event()
    pinged: queue.Queue[str] = queue.Queue()

    def ping(url: str, state: Beat, body: str) -> None:
        if url == "http://hangs":
            release.wait(60)
        pinged.put(url)

    pulse = Pulse(print, ping=ping)
    pulse.hear(Announce("run.started", run(Status.RUNNING, "http://hangs")))
    pulse.hear(Announce("run.started", run(Status.RUNNING, "http://fine")))
    assert pinged.get(timeout=60) == "http://fine"
    release.set()
    pulse.close(60)
    assert pinged.get_nowait() == "http://hangs"
