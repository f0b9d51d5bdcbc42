"""A. Crash: runners killed at any moment, commands that outlive them, hosts that go down."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.executors.test_stopping import killed
from tests.faults.checker import check, overlaps, read
from tests.faults.conftest import Servers, Stage
from tests.faults.figures import SEED, judge, record, size
from tests.faults.rig import MARK, Scene, dice, every_second
from tests.waiting import wait_until


def kill_often(scene: Scene, kills: int, *, low: float = 0.0, high: float = 0.7) -> None:
    """Start a runner, let it lead and start something, kill it at a random moment; again and again."""
    for wait in dice(SEED, kills, low, high):
        runner = scene.serve()
        runner.wait_lead()
        scene.wait_start()
        time.sleep(wait)
        runner.kill()


def settle(scene: Scene, *, patience: float = 300.0) -> None:
    """A last runner, until everything that was due has been decided and has ended; then a clean stop."""
    runner = scene.serve()
    runner.wait_lead()
    began = time.time() * 1e6

    def caught_up() -> bool:
        book = read(scene)
        return all(any(run.slot > began for run in book.of(job)) for job in book.triggers)

    wait_until(caught_up, "all that was missed is decided", patience)
    for job in read(scene).triggers:
        scene.ask("pause", job=job)
    wait_until(lambda: not read(scene).live, "all that was missed is caught up", patience)
    assert runner.stop() == 0


@pytest.mark.parametrize(
    ("number", "kind", "short", "long"), [("01", "sqlite", 6, 1000), ("02", "postgresql", 3, 500)]
)
def test_case_01_02_kills(
    stage: Stage, servers: Servers, number: str, kind: str, short: int, long: int
) -> None:
    kills = size(short, long)
    scene = stage(every_second(5, more="    concurrency: {overlap: allow, max: 50}"), servers.url(kind))
    kill_often(scene, kills)
    settle(scene)
    verdict = check(read(scene))
    assert verdict.good, str(verdict)
    record(
        number,
        f"SIGKILL of the runner, 5 jobs a second, catch-up all, {kind}",
        kills,
        verdict.figures,
        "0 lost, 0 twice",
    )


def test_case_03_skip_does_not_overlap(stage: Stage) -> None:
    kills = size(4, 300)
    run = f'{MARK}; echo "$$ $(date +%s.%N)" >> begins; sleep 3; echo "$$ $(date +%s.%N)" >> ends'
    scene = stage(every_second(1, run=run, more="    concurrency: skip", catchup="latest"))
    for wait in dice(SEED, kills, 0.0, 1.5):
        runner = scene.serve()
        runner.wait_lead()
        time.sleep(wait)
        runner.kill()
    runner = scene.serve()
    runner.wait_lead()
    count = scene.started()
    scene.wait_start(count)
    assert runner.stop() == 0
    book = read(scene)
    verdict = check(book)
    assert verdict.good, str(verdict)
    spans = _spans(scene.directory)
    assert len(spans) == len(book.starts)
    assert overlaps(book, "tick0", spans) == 0
    skipped = sum(each.count for each in book.ranges if each.reason == "overlap")
    assert skipped > 0
    figures = {**verdict.figures, "overlapping": 0, "rows skipped(overlap)": skipped}
    record(
        "03",
        "the same, a 3 s job with `concurrency: skip`",
        kills,
        figures,
        "0 overlapping, each refusal a row",
    )


def _spans(directory: Path) -> dict[int, tuple[float, float]]:
    begins, ends = (
        {
            int(pid): float(at)
            for pid, at in (line.split() for line in (directory / name).read_text().splitlines())
        }
        for name in ("begins", "ends")
    )
    return {pid: (at, ends[pid]) for pid, at in begins.items()}


def test_case_04_taken_over(stage: Stage) -> None:
    count = size(12, 200)
    # They wait without a processor: hundreds that look again and again would leave none to the runner.
    run = f"{MARK}; : < gate; exit $((${{RUNNER_JOB#job}} % 100 + 1))"
    jobs = "".join(f"  job{n}:\n    run: |\n      {run}\n" for n in range(count))
    scene = stage(
        "jobs:\n" + jobs + f"  victim:\n    run: |\n      {MARK}; sleep 600\n    stop_grace_period: 1s\n"
    )
    gate = scene.directory / "gate"
    os.mkfifo(gate)
    runner = scene.serve()
    runner.wait_lead()
    for number in range(count):
        scene.trigger(f"job{number}")
    victim = scene.trigger("victim")
    wait_until(lambda: scene.started() == count + 1, "all have begun")
    runner.kill()
    runner = scene.serve()
    runner.wait_lead()
    shown = runner.wait_says(f"{count + 1} runs of the last runner taken over")
    scene.ask("cancel", run=victim)
    runner.wait_says("victim cancelled")
    opened = os.open(gate, os.O_RDWR)
    wait_until(lambda: not read(scene).live, "all have ended")
    os.close(opened)
    assert runner.stop() == 0
    book = read(scene)
    verdict = check(book)
    assert verdict.good, str(verdict)
    true = 0
    for number in range(count):
        (found,) = book.of(f"job{number}")
        true += found.steps[0]["outcome"]["exit_code"] == number % 100 + 1
    assert true == count
    (stopped,) = book.of("victim")
    assert stopped.status == "cancelled"
    figures = {"true exit codes": true, "shown after leading, s": shown, "cancelled": 1}
    record(
        "04",
        "SIGKILL of the runner, its commands live",
        count,
        figures,
        "all taken over <= 1 s, true exit codes",
    )
    judge("04", shown)


def test_case_05_host_goes_down(stage: Stage) -> None:
    count = size(12, 200)
    jobs = "".join(
        f"  {policy}{n}:\n    on_interrupt: {policy}\n    run: |\n      {MARK}; test $RUNNER_ATTEMPT = 2 || sleep 600\n"
        for policy in ("fail", "retry")
        for n in range(count // 2)
    )
    scene = stage("jobs:\n" + jobs)
    runner = scene.serve()
    runner.wait_lead()
    for policy in ("fail", "retry"):
        for number in range(count // 2):
            scene.trigger(f"{policy}{number}")
    wait_until(lambda: scene.started() == count, "all have begun")
    runner.signal(signal.SIGSTOP)  # so that it sees nothing of its commands' end
    scene.kill_commands()
    runner.kill()
    runner = scene.serve()
    runner.wait_lead()

    def settled() -> bool:
        statuses = read(scene).statuses()
        return statuses["interrupted"] == count // 2 and not read(scene).live

    interrupted = wait_until(
        lambda: read(scene).statuses()["interrupted"] == count // 2, "those that fail are interrupted"
    )
    wait_until(settled, "those that retry are through")
    assert runner.stop() == 0
    book = read(scene)
    verdict = check(book)
    assert verdict.good, str(verdict)
    retried = [run for run in book.runs if run.job.startswith("retry")]
    assert {(run.status, run.steps[0]["attempt"]) for run in retried} == {("succeeded", 2)}
    figures = {
        "interrupted": count // 2,
        "retried as attempt 2": len(retried),
        "settled after leading, s": interrupted,
    }
    record(
        "05",
        "SIGKILL of the runner and its commands together",
        count,
        figures,
        "interrupted <= 1 s; retried by policy alone",
    )
    judge("05", interrupted)


def test_case_07_workflow(stage: Stage) -> None:
    kills = size(4, 200)
    steps = "".join(
        f"      - id: s{n}\n{f'        needs: [s{n - 1}]' if n else '        env: {}'}\n        run: |\n"
        f"          {MARK}; sleep 0.3\n"
        for n in range(4)
    )
    # Not all that is missed: caught up one at a time it would be minutes of work, and none of it under way.
    scene = stage(
        'jobs:\n  flow:\n    schedule: "* * * * * *"\n    catchup: latest\n'
        f"    concurrency: {{overlap: allow, max: 50}}\n    steps:\n{steps}"
    )
    kill_often(scene, kills, high=1.0)
    runner = scene.serve()
    runner.wait_lead()
    scene.ask("pause", job="flow")
    took = wait_until(lambda: not read(scene).live, "what was under way has ended", 120 + 15 * kills)
    assert runner.stop() == 0
    book = read(scene)
    verdict = check(book)
    assert verdict.good, str(verdict)
    bad = [run for run in book.runs if run.status != "succeeded"]
    assert not bad
    figures = {**verdict.figures, "runs": len(book.runs), "runs failed": 0, "through after, s": took}
    record(
        "07", "SIGKILL during a workflow of 4 steps", kills, figures, "0 steps twice, 0 runs failed, <= 10 s"
    )
    judge("07", took)


def test_case_09_shim_killed(stage: Stage) -> None:
    count = size(8, 50)
    jobs = "".join(
        f"  job{n}:\n    run: |\n      {MARK}; sleep 600 & (setsid sleep 600 &) ; sleep 600\n"
        for n in range(count)
    )
    scene = stage("jobs:\n" + jobs)
    runner = scene.serve()
    runner.wait_lead()
    for number in range(count):
        scene.trigger(f"job{number}")
    wait_until(lambda: scene.started() == count, "all have begun")
    marks = (scene.directory / "state" / "runs").glob("[0-9a-f]*[0-9a-f]")
    shims = [int(path.read_text().split()[0]) for path in marks]
    assert len(shims) == count
    for pid in shims:
        os.kill(pid, signal.SIGKILL)
    took = wait_until(lambda: read(scene).statuses()["interrupted"] == count, "all are interrupted")
    wait_until(lambda: not _sleepers(scene.directory), "no process is left of them")
    assert runner.stop() == 0
    figures = {"interrupted": count, "survivors": 0, "recorded after, s": took}
    record("09", "SIGKILL of the shim", count, figures, "interrupted <= 5 s, the tree killed")
    judge("09", took)


def _sleepers(directory: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            here = entry.name.isdigit() and (entry / "cwd").resolve() == directory.resolve()
            sleeps = here and b"sleep" in (entry / "cmdline").read_bytes().split(b"\0")[0]
            if sleeps and not killed(entry.name):
                found.append(int(entry.name))
        except OSError:
            continue
    return found
