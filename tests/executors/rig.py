"""What the tests of this room share: tasks, an open executor, and outcomes as they come."""

from __future__ import annotations

import os
import queue
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.clock import SystemClock
from runner.core.context import context as core_context
from runner.core.run import AttemptKey, Outcome, Run, RunKey, StepRun
from runner.executors.base import Task
from runner.executors.local import LocalExecutor
from runner.executors.marks import Marks
from runner.executors.place import attempt_path
from runner.moment import SECOND
from runner.spec import Command, JobKey, JobSpec, Step, Work
from tests.waiting import PATIENCE

SLOT = 1_774_000_000 * SECOND
_TESTED_BY = os.environ.setdefault("TESTED_BY", str(os.getpid()))
SOURCE = f"/etc/{_TESTED_BY}{os.environ.get('PYTEST_XDIST_WORKER', '')}/jobs.yaml"
"""The same in the processes that a test starts, another in each process of tests: who belongs to an attempt is known by
its name alone, and tests of two of them that stop the same attempt would kill each other's commands."""


def task(
    work: Work, *, job: str = "job", attempt: int = 1, context: Mapping[str, Any] | None = None, **spec: Any
) -> Task:
    step_fields = {name: spec.pop(name) for name in ("env", "artifacts") if name in spec}
    step = Step("main", work, **step_fields)
    job_spec = JobSpec(job, (step,), source=SOURCE, **spec)
    run = Run(RunKey(JobKey("default", SOURCE, job), SLOT), job_spec)
    state = StepRun("main", attempt=attempt)
    return Task(run, step, state, {**core_context(run, state), **(context or {})})


def sh(script: str, *, grace: int = 10 * SECOND, **more: Any) -> Command:
    return Command(script=script, stop_grace=grace, **more)


class Open:
    """An executor at work, whose outcomes are waited for."""

    def __init__(self, state_dir: Path, **options: Any) -> None:
        self.state_dir = state_dir
        self.told: queue.Queue[tuple[AttemptKey, Outcome]] = queue.Queue()
        options.setdefault("environ", dict(os.environ))
        options.setdefault("working_dir", state_dir)
        self.executor = LocalExecutor("default", state_dir=state_dir, clock=SystemClock(), **options)
        self.executor.open(lambda key, outcome: self.told.put((key, outcome)))

    def next(self, timeout: float = PATIENCE) -> Outcome:
        return self.told.get(timeout=timeout)[1]

    def run(self, work: Work, **more: Any) -> Outcome:
        self.executor.start(task(work, **more))
        return self.next()

    def close(self, *, leave: bool = False) -> None:
        self.executor.close(leave=leave)


def marks(state_dir: Path, task: Task) -> Marks:
    """What the attempt left on disk until now."""
    return Marks.of(attempt_path(state_dir, task.attempt))


def kept_of(content: bytes, first: int) -> int:
    """How many lines a flood of numbers of ten digits from `first` on had, of which this was kept.

    That none of it is lost or there twice is asserted, and that what is said to be dropped is what is missing.
    """
    head, mark, tail = content.partition(b"\n\xe2\x80\xa6 ")
    dropped = 0
    if mark:
        said, _, tail = tail.partition(b" bytes dropped \xe2\x80\xa6\n")
        dropped = int(said)
    count, rest = divmod(len(head) + dropped + len(tail), 11)
    assert rest == 0, (len(head), dropped, len(tail))
    assert head == _numbers(first, 0, len(head))
    assert tail == _numbers(first, len(head) + dropped, len(tail))
    return count


def _numbers(first: int, begin: int, length: int) -> bytes:
    low, high = begin // 11, (begin + length) // 11
    text = subprocess.run(
        ["seq", str(first + low), str(first + high)], capture_output=True, check=True
    ).stdout
    return text[begin - 11 * low :][:length]
