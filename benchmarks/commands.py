"""Commands: how many start per second, how late the last of 500 is, and what one costs the runner."""

from __future__ import annotations

import os
import resource
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from runner.clock import SystemClock
from runner.core.run import AttemptKey, Outcome, Run, RunKey, StepRun
from runner.executors.base import Task
from runner.executors.local import LocalExecutor
from runner.spec import Command, JobKey, JobSpec, Step

SAME = '"$@" >/dev/null 2>&1; :'
"""What the bare loop starts: a shell that starts the command, as the shim does, and nothing else."""


def run(quick: bool) -> dict[str, Any]:
    count = 400 if quick else 2000
    rounds = [(bare(count, 8), ours(count, at_once=8)) for _ in range(2 if quick else 5)]
    raw = max(rate for rate, _ in rounds)
    rate, _, cpu = max(result for _, result in rounds)
    _, late, _ = min((ours(500, at_once=500) for _ in range(2)), key=lambda result: result[1])
    return {
        "title": "Commands",
        "about": f"`true` through the local executor, {count} of them, 8 at once, output captured, each behind its "
        "shim with marker, lock, pipes and exit code on disk; beside it a posix_spawn loop that starts the same two "
        "processes (a shell, and `true`) and keeps nothing. Best of the rounds, in one process.",
        "rows": [
            row("commands a second", rate, "bare posix_spawn loop", raw, rate / raw, ">= 0.80"),
            row("500 at once: last start, s", late, "limit", 0.5, late / 0.5, "<= 1"),
            row(
                "runner's CPU per command, ms",
                cpu * 1e3,
                "cronstable, durable",
                2.3,
                cpu * 1e3 / 2.3,
                "<= 0.33",
            ),
        ],
    }


def row(measured: str, figure: float, rival: str, limit: float, ratio: float, target: str) -> dict[str, Any]:
    return {
        "measured": measured,
        "figure": round(figure, 3),
        "rival": rival,
        "limit": round(limit, 3),
        "ratio": round(ratio, 2),
        "target": target,
    }


def bare(count: int, at_once: int) -> float:
    """Commands per second of a loop that starts, waits and forgets."""
    begun = time.perf_counter()
    live = 0
    argv = ["/bin/sh", "-c", SAME, "sh", "true"]
    for _ in range(count):
        if live == at_once:
            os.waitpid(-1, 0)
            live -= 1
        os.posix_spawn("/bin/sh", argv, os.environ, setsid=True)
        live += 1
    for _ in range(live):
        os.waitpid(-1, 0)
    return count / (time.perf_counter() - begun)


def ours(count: int, *, at_once: int) -> tuple[float, float, float]:
    """Commands per second, seconds until the last had started, and our own CPU seconds per command."""
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        executor = LocalExecutor(
            "default", state_dir=state, clock=SystemClock(), working_dir=state, environ=dict(os.environ)
        )
        places = threading.Semaphore(at_once)
        ended: list[Outcome] = []

        def done(key: AttemptKey, outcome: Outcome) -> None:
            ended.append(outcome)
            places.release()

        executor.open(done)
        tasks = [task(number) for number in range(count)]
        cpu, begun, wall = own_cpu(), time.perf_counter(), SystemClock().now()
        for one in tasks:
            places.acquire()
            executor.start(one)
        for _ in range(at_once):
            places.acquire()
        took, cpu = time.perf_counter() - begun, own_cpu() - cpu
        executor.close()
        bad = [outcome for outcome in ended if outcome.exit_code != 0]
        assert not bad, bad[0]
        last = max(outcome.started_at or 0 for outcome in ended)
        return count / took, (last - wall) / 1e6, cpu / count


def own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def task(number: int) -> Task:
    step = Step("main", Command(argv=("true",)))
    spec = JobSpec(f"job{number}", (step,), source="/bench/jobs.yaml")
    run_ = Run(RunKey(JobKey("default", "/bench/jobs.yaml", spec.id), 1_774_000_000_000_000), spec)
    return Task(run_, step, StepRun("main", attempt=1), {})
