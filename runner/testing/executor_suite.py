"""The contract of an executor, as tests: subclass `ExecutorSuite` and give it an `executor` fixture.

    class TestMine(ExecutorSuite):
        @pytest.fixture
        def executor(self):
            return MyExecutor()

The suite opens and closes it. Two marks say what yours cannot: `parallel = False` where `start` does the work
itself, `tells_late = True` where what is cancelled is told only when it has ended.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from runner.core.run import AttemptKey, Outcome, Run, RunKey, Status, StepRun
from runner.executors.base import Executor, TakesMany, Task, takes_many
from runner.moment import SECOND
from runner.spec import Call, JobKey, JobSpec, Step, Work

SLOT = 1_774_000_000 * SECOND
PATIENCE = 60.0


def task(work: Work, *, job: str = "job", attempt: int = 1) -> Task:
    """A step of a run that is due, as the engine hands it over."""
    step = Step("main", work)
    spec = JobSpec(job, (step,), source="/srv/jobs.yaml")
    run = Run(RunKey(JobKey("default", spec.source, job), SLOT), spec)
    return Task(run, step, StepRun("main", attempt=attempt))


class Ears:
    """Hears outcomes, from any thread."""

    def __init__(self) -> None:
        self._heard: queue.SimpleQueue[tuple[AttemptKey, Outcome]] = queue.SimpleQueue()

    def __call__(self, key: AttemptKey, outcome: Outcome) -> None:
        self._heard.put((key, outcome))

    def next(self) -> tuple[AttemptKey, Outcome]:
        """The next one told; queue.Empty after a minute."""
        return self._heard.get(timeout=PATIENCE)

    @property
    def silent(self) -> bool:
        return self._heard.empty()


class ExecutorSuite:
    """The laws of `runner.executors.base.Executor`. Its functions are called by reference, as a store would."""

    parallel = True
    tells_late = False

    @pytest.fixture
    def executor(self) -> Any:
        raise LookupError("give the suite an executor fixture")

    @pytest.fixture
    def ears(self, executor: Executor) -> Iterator[Ears]:
        heard = Ears()
        executor.open(heard)
        yield heard
        executor.close()

    def call(self, target: Callable[..., Any] | str, *args: Any, **kwargs: Any) -> Work:
        """The work of one test."""
        return Call(target, args, kwargs)

    def test_an_outcome_is_told_once(self, executor: Executor, ears: Ears) -> None:
        one = task(self.call("json:loads", "[1, 2]"))
        executor.start(one)
        key, outcome = ears.next()
        assert (key, outcome.status, outcome.error) == (one.attempt, Status.SUCCEEDED, "")
        assert outcome.started_at is not None
        assert outcome.ended_at is not None
        assert outcome.started_at <= outcome.ended_at
        executor.close()
        assert ears.silent

    def test_a_dict_becomes_outputs(self, executor: Executor, ears: Ears) -> None:
        executor.start(task(self.call("json:loads", '{"rows": 3}')))
        assert ears.next()[1].outputs == {"rows": 3}

    def test_an_exception_is_a_failed_outcome(self, executor: Executor, ears: Ears) -> None:
        executor.start(task(self.call("builtins:int", "x")))
        outcome = ears.next()[1]
        assert outcome.status is Status.FAILED
        assert outcome.error == "ValueError: invalid literal for int() with base 10: 'x'"
        assert outcome.traceback.rstrip().endswith(outcome.error)

    def test_a_function_that_is_not_there_is_a_failed_outcome(self, executor: Executor, ears: Ears) -> None:
        executor.start(task(self.call("no_such_module:f")))
        outcome = ears.next()[1]
        assert outcome.status is Status.FAILED
        assert "no_such_module" in outcome.error

    def test_leaving_by_sys_exit_ends_the_function_only(self, executor: Executor, ears: Ears) -> None:
        executor.start(task(self.call("sys:exit", 3)))
        assert ears.next()[1].status is Status.FAILED
        executor.start(task(self.call("json:loads", "1"), job="next"))
        assert ears.next()[1].status is Status.SUCCEEDED

    def test_many(self, executor: Executor, ears: Ears) -> None:
        tasks = [task(self.call("json:loads", str(number)), job=f"job{number}") for number in range(20)]
        for one in tasks:
            executor.start(one)
        told = [ears.next() for _ in tasks]
        assert {key for key, _ in told} == {one.attempt for one in tasks}
        assert {outcome.status for _, outcome in told} == {Status.SUCCEEDED}

    def test_many_at_once(self, executor: Executor, ears: Ears) -> None:
        """Handed over together (`TakesMany`) or one by one: each has its own outcome, bad ones amid good ones."""
        good = [task(self.call("json:loads", str(number)), job=f"job{number}") for number in range(20)]
        bad = task(self.call("no_such_module:f"), job="bad")
        tasks = [*good[:10], bad, *good[10:]]
        if takes_many(type(executor)):
            cast(TakesMany, executor).start_all(tasks)
        else:
            for one in tasks:
                executor.start(one)
        told = dict(ears.next() for _ in tasks)
        assert told.keys() == {one.attempt for one in tasks}
        assert told.pop(bad.attempt).status is Status.FAILED
        assert {outcome.status for outcome in told.values()} == {Status.SUCCEEDED}
        executor.close()
        assert ears.silent

    def test_start_does_not_wait(self, executor: Executor, ears: Ears, tmp_path: Path) -> None:
        if not self.parallel:
            return
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        # Opening a pipe waits until somebody opens its other end.
        slow = task(self.call("os:open", str(gate), os.O_RDONLY), job="slow")
        quick = task(self.call("json:loads", "1"), job="quick")
        executor.start(slow)
        executor.start(quick)
        first = None
        try:
            first = ears.next()[0]
        finally:
            other_end = os.open(gate, os.O_RDWR)
        assert first == quick.attempt
        assert ears.next()[0] == slow.attempt
        os.close(other_end)

    @pytest.mark.parametrize(
        ("reason", "status"), [("timeout", Status.TIMED_OUT), ("asked", Status.CANCELLED)]
    )
    def test_what_is_cancelled_says_so(
        self, executor: Executor, ears: Ears, reason: str, status: Status
    ) -> None:
        if not self.parallel:
            return
        one = task(self.call("time:sleep", 30.0 if self.tells_late else 3.0))
        executor.start(one)
        executor.cancel(one.attempt, reason)
        key, outcome = ears.next()
        assert (key, outcome.status) == (one.attempt, status)

    def test_to_cancel_what_is_over_is_nothing(self, executor: Executor, ears: Ears) -> None:
        one = task(self.call("json:loads", "1"))
        executor.start(one)
        ears.next()
        executor.cancel(one.attempt, "asked")
        executor.cancel(task(self.call("json:loads", "1"), job="never").attempt, "asked")
        executor.start(task(self.call("json:loads", "1"), job="next"))
        assert ears.next()[1].status is Status.SUCCEEDED
        assert ears.silent

    def test_another_attempt_of_the_same_step(self, executor: Executor, ears: Ears) -> None:
        for attempt in (1, 2):
            one = task(self.call("json:loads", "1"), attempt=attempt)
            executor.start(one)
            assert ears.next()[0] == one.attempt

    def test_outcomes_come_from_any_thread_but_start_returns(self, executor: Executor, ears: Ears) -> None:
        started = threading.Event()

        def begin() -> None:
            executor.start(task(self.call("json:loads", "1")))
            started.set()

        threading.Thread(target=begin, daemon=True).start()
        assert started.wait(PATIENCE)
        assert ears.next()[1].status is Status.SUCCEEDED

    def test_recovery_of_what_never_began_keeps_nothing_alive(self, executor: Executor, ears: Ears) -> None:
        one = task(self.call("json:loads", "1"))
        found = executor.recover([one])
        assert (found.alive, dict(found.ended)) == (frozenset(), {})

    def test_recovery_finds_what_this_process_has_under_way(
        self, executor: Executor, ears: Ears, tmp_path: Path
    ) -> None:
        """A lead that is lost and taken again asks what became of everything: what runs is not gone."""
        if not self.parallel:
            return
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        one = task(self.call("os:open", str(gate), os.O_RDONLY))
        executor.start(one)
        try:
            assert executor.recover([one]).alive == {one.attempt}
        finally:
            other_end = os.open(gate, os.O_RDWR)
        assert ears.next()[1].status is Status.SUCCEEDED
        os.close(other_end)

    def test_close_tells_what_it_stops(self, executor: Executor, ears: Ears) -> None:
        if not self.parallel:
            return
        one = task(self.call("time:sleep", 0.3))
        executor.start(one)
        executor.close()
        key, outcome = ears.next()
        assert key == one.attempt
        assert outcome.status in (Status.SUCCEEDED, Status.CANCELLED)
        assert ears.silent
