"""A. Crash at every point between a decision and its end: case 6."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_httpserver import HTTPServer

from tests.faults.checker import check, read, together
from tests.faults.conftest import Servers, Stage
from tests.faults.figures import WANTED, record, size
from tests.faults.rig import ALL, MARK, Scene, side_by_side
from tests.waiting import PATIENCE, wait_until

JOBS = """\
# Every row is counted: none may be purged meanwhile.
defaults: {{retention: {{runs: 100000}}}}
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


RIGS = 1 if WANTED == "short" else 4
"""So many scenes side by side, each with its part of the deaths: most of a death is the start of another runner."""


@pytest.mark.parametrize(("kind", "short", "long"), [("sqlite", 6, 400), ("postgresql", 3, 400)])
def test_case_06_dies_at_every_point(
    stage: Stage, servers: Servers, httpserver: HTTPServer, kind: str, short: int, long: int
) -> None:
    deaths = size(short, long)
    # Not one after another where there are few: what comes first is reading and the lead, what matters comes later.
    numbers = [1 + (number * 13 if deaths < long else number) for number in range(deaths)]
    scenes: list[Scene] = []
    for rig in range(RIGS):
        path = f"/hook{rig}"
        httpserver.expect_request(path, method="POST").respond_with_data("ok")
        sink = httpserver.url_for(path).replace("http://", "json://")
        scenes.append(stage(JOBS.format(sink=sink, all=ALL, mark=MARK), servers.url(kind)))
    side_by_side(die_at, [(scene, numbers[rig::RIGS]) for rig, scene in enumerate(scenes)])
    shares = []
    for rig, scene in enumerate(scenes):

        def told(path: str = f"/hook{rig}") -> bool:
            return any(request.path == path for request, _ in httpserver.log)

        shares.append((scene, told))
    side_by_side(through, shares)
    books = [read(scene) for scene in scenes]
    points = {point for scene in scenes for point in scene.faults}
    record(
        f"06 {kind}",
        f"`os._exit` at every point of claim, spawn, finish, retry, notify, {kind}",
        deaths,
        {**together(check(book) for book in books), "different points": len(points)},
        "0 lost, 0 twice",
    )


def die_at(scene: Scene, numbers: list[int]) -> None:
    """A runner for each number, which dies at so many points after its begin."""
    for number in numbers:
        runner = scene.faulty("die", "any", number)
        assert runner.process.wait(PATIENCE) == 137, f"{number}: {runner.said()[-2000:]}"
    assert len(scene.faults) == len(numbers)


def through(scene: Scene, told: Callable[[], bool]) -> None:
    """A last runner brings to an end what was under way, and tells of it; all of it is right."""
    runner = scene.serve()
    runner.wait_lead()
    wait_until(lambda: min(len(read(scene).of(job)) for job in ("good", "again", "bad")) > 1, "it goes on")
    for job in ("good", "again", "bad"):
        scene.ask("pause", job=job)
    # What was caught up runs one at a time: all the seconds that the deaths took.
    wait_until(lambda: not read(scene).live, "everything has ended", 120 + 10 * len(scene.faults))
    wait_until(told, "somebody was told")
    assert runner.stop() == 0
    book = read(scene)
    verdict = check(book)
    assert verdict.good, str(verdict)
    ends = {(run.job, run.status, run.steps[0]["attempt"]) for run in book.runs}
    assert ends <= {("good", "succeeded", 1), ("again", "succeeded", 2), ("bad", "failed", 1)}, ends
