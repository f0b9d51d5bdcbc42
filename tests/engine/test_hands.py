"""What begins in one turn is handed over together, in order, and trouble of one is no trouble of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from runner.core.action import Cancel, Start
from runner.core.run import AttemptKey, Outcome, Run, RunKey, Status, StepRun
from runner.engine import Hands
from runner.engine.batch import Batch
from runner.executors.base import Done, Executor, Found, Task, always
from runner.spec import Call, JobKey, JobSpec, Step


class One:
    """An executor that takes one at a time; it says what was done to it, in order."""

    capacity = None

    def __init__(self, seen: list[str], bad: str = "") -> None:
        self.seen = seen
        self.bad = bad

    def open(self, done: Done) -> None:
        return None

    def start(self, task: Task) -> None:
        if task.run.key.job.id == self.bad:
            raise RuntimeError("not this one")
        self.seen.append(task.run.key.job.id)

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        self.seen.append(f"{attempt.run.job.id} {reason}")

    def recover(self, tasks: Sequence[Task]) -> Found:
        return Found()

    def close(self, *, leave: bool = False) -> None:
        return None


class Many(One):
    """The same, and it takes many."""

    def start_all(self, tasks: Sequence[Task]) -> None:
        self.seen.append("+".join(task.run.key.job.id for task in tasks))
        if any(task.run.key.job.id == self.bad for task in tasks):
            raise RuntimeError("none of these")


class Told(dict[str, Outcome]):
    """The outcomes by job."""

    def __call__(self, key: AttemptKey, outcome: Outcome) -> None:
        assert key.run.job.id not in self
        self[key.run.job.id] = outcome


def start(id: str, executor: str = "many") -> Start:
    step = Step("main", Call("builtins:print"))
    spec = JobSpec(id, (step,), executor=executor)
    return Start(Run(RunKey(spec.key, 5), spec), step, StepRun("main", attempt=1))


def hands(bad: str = "") -> tuple[Hands, list[str]]:
    seen: list[str] = []
    return Hands({"one": One(seen, bad), "many": Many(seen, bad)}), seen


def test_what_stands_together_is_handed_over_together_and_in_order() -> None:
    made, seen = hands()
    starts = [start("a"), start("b"), start("c", "one"), start("d", "one"), start("e")]
    made.start_all(starts, Told())
    assert seen == ["a+b", "c", "d", "e"]


def test_one_that_cannot_be_started_alone_spoils_no_other() -> None:
    made, seen = hands("b")
    told = Told()
    made.start_all([start("a", "one"), start("b", "one"), start("c", "one")], told)
    assert seen == ["a", "c"]
    assert told["b"].error == "executor 'one' could not start it: RuntimeError: not this one"


def test_those_of_no_executor_fail_and_the_others_begin() -> None:
    made, seen = hands()
    told = Told()
    made.start_all([start("a"), start("b", "none"), start("c")], told)
    assert seen == ["a", "c"]
    assert told["b"].error == "there is no executor named 'none' (known: many, one)"


def test_an_executor_that_breaks_its_law_fails_what_it_was_handed() -> None:
    made, seen = hands("b")
    told = Told()
    made.start_all([start("a"), start("b"), start("c", "one")], told)
    assert seen == ["a+b", "c"]
    assert {outcome.status for outcome in told.values()} == {Status.FAILED}
    assert told.keys() == {"a", "b"}


class Counting(Many):
    """A program's own kind, which knows of `start` alone."""

    def start(self, task: Task) -> None:
        self.seen.append("counted")
        super().start(task)


class Around:
    """A program's own, which hands on what it does not know."""

    def __init__(self, inner: Many) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def start(self, task: Task) -> None:
        self.inner.seen.append("around")
        self.inner.start(task)


def test_a_start_of_ones_own_is_not_passed_by() -> None:
    seen: list[str] = []
    made = Hands({"counting": Counting(seen), "around": cast(Executor, Around(Many(seen)))})
    made.start_all([start("a", "counting"), start("b", "counting"), start("c", "around")], Told())
    assert seen == ["counted", "a", "counted", "b", "around", "c"]


def test_what_is_cancelled_in_the_batch_that_starts_it_has_begun_by_then() -> None:
    made, seen = hands()
    first, second = start("a"), start("b")
    stop = Cancel(AttemptKey(RunKey(JobKey("default", "api:default", "a"), 5), "main", 1), "many", "asked")
    Batch([first, stop, second]).act(made, Told(), always)
    assert seen == ["a", "a asked", "b"]
