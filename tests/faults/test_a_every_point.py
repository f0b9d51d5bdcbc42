"""A. Crash at every point between a decision and its end: case 6."""

from __future__ import annotations

import pytest
from pytest_httpserver import HTTPServer

from tests.faults.checker import check, read
from tests.faults.conftest import Servers, Stage
from tests.faults.figures import record, size
from tests.faults.rig import ALL, MARK, wait_until

JOBS = """\
channels:
  ops: {sink}
jobs:
  good:
    schedule: "* * * * * *"
    catchup: {all}
    concurrency: {{overlap: allow, max: 50}}
    run: {mark}
  again:
    schedule: "* * * * * *"
    catchup: {all}
    concurrency: {{overlap: allow, max: 50}}
    retry: {{max: 1, delay: 100ms}}
    run: {mark}; test $RUNNER_ATTEMPT = 2
  bad:
    schedule: "* * * * * *"
    catchup: {all}
    concurrency: {{overlap: allow, max: 50}}
    run: {mark}; exit 3
    notify: {{on_failure: ops, on_recovery: ops}}
"""


@pytest.mark.parametrize(("kind", "short", "long"), [("sqlite", 6, 400), ("postgresql", 3, 400)])
def test_case_06_dies_at_every_point(
    stage: Stage, servers: Servers, httpserver: HTTPServer, kind: str, short: int, long: int
) -> None:
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    sink = httpserver.url_for("/hook").replace("http://", "json://")
    scene = stage(JOBS.format(sink=sink, all=ALL, mark=MARK), servers.url(kind))
    deaths = size(short, long)
    for number in range(deaths):
        at = 1 + (number * 13 if deaths < long else number)
        runner = scene.faulty("die", "any", at)
        assert runner.process.wait(60) == 137, runner.said()[-2000:]
    assert len(scene.faults) == deaths
    runner = scene.serve()
    runner.wait_lead()
    wait_until(lambda: min(len(read(scene).of(job)) for job in ("good", "again", "bad")) > 1, "it goes on")
    for job in ("good", "again", "bad"):
        scene.ask("pause", job=job)
    wait_until(lambda: not read(scene).live, "everything has ended", 120)
    wait_until(lambda: httpserver.log, "somebody was told")
    assert runner.stop() == 0
    book = read(scene)
    verdict = check(book)
    assert verdict.good, str(verdict)
    ends = {(run.job, run.status, run.steps[0]["attempt"]) for run in book.runs}
    assert ends <= {("good", "succeeded", 1), ("again", "succeeded", 2), ("bad", "failed", 1)}, ends
    figures = {**verdict.figures, "different points": len(set(scene.faults))}
    record(
        f"06 {kind}",
        f"`os._exit` at every point of claim, spawn, finish, retry, notify, {kind}",
        deaths,
        figures,
        "0 lost, 0 twice",
    )
