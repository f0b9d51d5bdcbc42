"""B. Shutdown: what a stop waits for, what it leaves, and what the next runner finds."""

from __future__ import annotations

import signal
import time
from itertools import pairwise

import pytest

from tests.faults.checker import check, read
from tests.faults.conftest import Stage
from tests.faults.figures import judge, record, size
from tests.faults.rig import MARK, every_second
from tests.waiting import PATIENCE, wait_until


def test_case_12_sigterm_waits(stage: Stage) -> None:
    length = size(2, 6)
    scene = stage(
        every_second(1)
        + f"  slow:\n    run: |\n      {MARK}; sleep {length}; echo done > done\n      exit 9\n"
    )
    runner = scene.serve()
    runner.wait_lead()
    run = scene.trigger("slow")
    wait_until(lambda: {each.job for each in read(scene).starts} == {"slow", "tick0"}, "both have begun")
    runner.signal(signal.SIGTERM)
    runner.wait_says("stopping: waiting")
    stopped_at = time.time()
    assert runner.process.wait(PATIENCE) == 0
    assert (scene.directory / "done").exists()
    book = read(scene)
    (slow,) = book.of("slow")
    assert (slow.status, slow.steps[0]["outcome"]["exit_code"]) == ("failed", 9)
    assert not book.live
    assert max(run.slot for run in book.runs) / 1e6 <= stopped_at, (
        "something came due while it stopped, and began"
    )
    last = max(run.slot for run in book.of("tick0"))
    runner = scene.serve()
    runner.wait_lead()
    wait_until(
        lambda: max(run.slot for run in read(scene).of("tick0")) > last + length * 1_000_000, "it caught up"
    )
    scene.ask("pause", job="tick0")
    wait_until(lambda: not read(scene).live, "what was caught up has ended")
    assert runner.stop() == 0
    verdict = check(read(scene))
    assert verdict.good, str(verdict)
    record(
        "12",
        f"SIGTERM with a job of {length} s ({run.partition('@')[0]})",
        1,
        verdict.figures,
        "waited, 0 new starts, slots kept",
    )


@pytest.mark.parametrize("way", ["leave", "stop"])
def test_case_13_grace(stage: Stage, way: str) -> None:
    grace = size(2, 20)
    scene = stage(
        f"jobs:\n  slow:\n    stop_grace_period: 10s\n    run: |\n      {MARK}; trap 'exit 3' TERM\n"
        "      while ! test -e go; do sleep 0.1; done; exit 7\n"
    )
    runner = scene.serve("--grace", f"{grace}s", "--on-shutdown", way)
    runner.wait_lead()
    scene.trigger("slow")
    scene.wait_start(0)
    began = time.monotonic()
    assert runner.stop() == 0
    took = time.monotonic() - began
    assert grace - 0.1 <= took
    if way == "leave":
        runner = scene.serve()
        runner.wait_lead()
        (scene.directory / "go").touch()
        runner.wait_says("slow failed")
        assert runner.stop() == 0
    book = read(scene)
    (slow,) = book.of("slow")
    expected = ("failed", "", 7) if way == "leave" else ("cancelled", "shutdown", 3)
    assert (slow.status, slow.reason, slow.steps[0]["outcome"]["exit_code"]) == expected
    verdict = check(book)
    assert verdict.good, str(verdict)
    figures = {"exit after, s": took, "recorded": f"{slow.status}{'' if way == 'leave' else '(shutdown)'}"}
    record(
        f"13 {way}",
        f"SIGTERM, `--grace {grace}s --on-shutdown {way}`, a job of 300 s",
        1,
        figures,
        "grace + 1 s, rc 0",
    )
    # To stop the tree takes its own grace and a look at who is left.
    judge("13", took - grace - (0 if way == "leave" else 2))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_case_14_second_signal(stage: Stage, number: signal.Signals) -> None:
    scene = stage(
        f"jobs:\n  slow:\n    run: |\n      {MARK}; while ! test -e go; do sleep 0.1; done; exit 7\n"
    )
    runner = scene.serve("--grace", "60s")
    runner.wait_lead()
    scene.trigger("slow")
    scene.wait_start(0)
    runner.signal(number)
    runner.wait_says("once more to end at once")
    began = time.monotonic()
    runner.signal(number)
    assert runner.process.wait(30) == 0
    took = time.monotonic() - began
    runner = scene.serve()
    runner.wait_lead()
    (scene.directory / "go").touch()
    runner.wait_says("slow failed")
    assert runner.stop() == 0
    book = read(scene)
    assert [run.steps[0]["outcome"]["exit_code"] for run in book.runs] == [7]
    assert len(book.starts) == 1
    record(f"14 {number.name}", f"a second {number.name}", 1, {"exit after, s": took}, "<= 1 s, state right")
    judge("14", took)


def test_case_15_rolling_restarts(stage: Stage) -> None:
    restarts = size(3, 50)
    scene = stage(every_second(5, more="    concurrency: {overlap: allow, max: 50}"))
    old = scene.serve(name="runner0")
    old.wait_lead()
    scene.wait_start()
    for number in range(restarts):
        new = scene.serve(name=f"runner{number + 1}")
        new.wait_says("standing by")
        old.signal(signal.SIGTERM)
        new.wait_lead()
        assert old.process.wait(PATIENCE) == 0
        scene.wait_start()
        old = new
    assert old.stop() == 0
    book = read(scene)
    verdict = check(book)
    assert verdict.good, str(verdict)
    begun = sorted(run.started_at for run in book.runs if run.started_at is not None)
    gap = max(later - earlier for earlier, later in pairwise(begun)) / 1e6
    record(
        "15",
        "rolling restart, 5 jobs a second",
        restarts,
        {**verdict.figures, "longest gap, s": gap},
        "0 lost, 0 twice, gap <= 2 s",
    )
    judge("15", gap)
