"""What the engine acts with: executors that run steps, a way to send messages, and ears for announcements.

Nothing a hand does may stop the engine: whatever it raises is logged, and becomes an outcome where one is owed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import cast

from runner.core.action import Announce, Cancel, Start
from runner.core.context import context
from runner.core.run import AttemptKey, Delivery, Outcome, Run, Status
from runner.executors.base import Done, Executor, Found, TakesMany, Task, Until, always, takes_many
from runner.frozen import maker
from runner.spec import Call

log = logging.getLogger("runner.engine")


def _ignore(_: object) -> None:
    return None


def _deaf() -> Container[str]:
    return ()


@dataclass(slots=True)
class Hands:
    """`executors` by name; `send` takes a delivery and returns at once; `announce` must not block."""

    executors: dict[str, Executor] = field(default_factory=dict)
    send: Callable[[Delivery], None] = _ignore
    announce: Callable[[Announce], None] = _ignore
    hears: Callable[[], Container[str]] | None = None
    """The announcements, by name, that `announce` wants just now of usual runs and of added jobs; None: all, if any."""

    def __post_init__(self) -> None:
        if self.announce is _ignore:
            self.hears = _deaf

    @property
    def keeping(self) -> bool:
        """Whether any executor keeps marks of its attempts."""
        for executor in self.executors.values():  # noqa: SIM110 - asked in each turn, and `any` takes four times as long
            if hasattr(executor, "forget"):
                return True
        return False

    @property
    def capacities(self) -> Mapping[str, int | None]:
        return {name: executor.capacity for name, executor in self.executors.items()}

    def open(self, done: Done) -> None:
        for executor in self.executors.values():
            executor.open(done)

    def start_all(self, starts: Sequence[Start], done: Done, until: Until = always) -> None:
        """Begin attempts, in order and not later than `until`; trouble in doing so is their outcome.

        Those that stand together and are for one executor are handed over together, where it takes many.
        """
        tasks: list[Task] = []
        name = ""
        for start in starts:
            wanted = start.step.executor or start.run.spec.executor
            if wanted != name:
                if tasks:
                    self._hand_over(name, tasks, done)
                name, tasks = wanted, []
            try:
                tasks.append(_task(start, until))
            except Exception as error:
                _not_started(name, start.attempt, error, done)
        if tasks:
            self._hand_over(name, tasks, done)

    def _hand_over(self, name: str, tasks: Sequence[Task], done: Done) -> None:
        executor = self.executors.get(name)
        if executor is None:
            known = ", ".join(sorted(self.executors)) or "none"
            error = f"there is no executor named {name!r} (known: {known})"
            for task in tasks:
                done(task.attempt, Outcome(Status.FAILED, error=error))
            return
        if takes_many(type(executor)):
            try:
                cast(TakesMany, executor).start_all(tasks)
            except Exception as error:
                for task in tasks:
                    _not_started(name, task.attempt, error, done)
            return
        for task in tasks:
            try:
                executor.start(task)
            except Exception as error:
                _not_started(name, task.attempt, error, done)

    def cancel(self, cancel: Cancel) -> None:
        executor = self.executors.get(cancel.executor)
        if executor is None:
            log.warning("nobody to cancel %s: no executor named %r", cancel.attempt, cancel.executor)
            return
        try:
            executor.cancel(cancel.attempt, cancel.reason)
        except Exception:
            log.exception("executor %s could not cancel %s", cancel.executor, cancel.attempt)

    def forget(self, run: Run) -> None:
        """The run's end is stored: executors need not keep marks of its attempts any more."""
        names = {step.executor or run.spec.executor: None for step in run.spec.steps}
        for name in names:
            forget = getattr(self.executors.get(name), "forget", None)
            if forget is not None:
                try:
                    forget(run)
                except Exception:
                    log.exception("executor %s could not forget %s", name, run.id)

    def catch_up(self, most: float) -> None:
        """Have what has ended by now told first: this process stood still, and nobody read it. `most` seconds each."""
        for name, executor in self.executors.items():
            catch_up = getattr(executor, "catch_up", None)
            if catch_up is not None:
                try:
                    catch_up(most)
                except Exception:
                    log.exception("executor %s could not read what has ended", name)

    def deliver(self, delivery: Delivery) -> None:
        try:
            self.send(delivery)
        except Exception:
            log.exception("could not hand over delivery %s", delivery.id)

    def tell(self, announce: Announce) -> None:
        try:
            self.announce(announce)
        except Exception:
            log.exception("a listener of %s failed", announce.name)

    def recover(self, runs: Iterable[Run], besides: Set[AttemptKey] = frozenset()) -> Found:
        """Ask each executor what became of the attempts an earlier process had under way, `besides` left out."""
        tasks: dict[str, list[Task]] = {}
        gone: set[AttemptKey] = set()
        for run in runs:
            steps = {step.id: step for step in run.spec.steps}
            for state in run.steps.values():
                if state.status is not Status.RUNNING:
                    continue
                step = steps[state.step]
                name = step.executor or run.spec.executor
                task = Task(run, step, state)
                if task.attempt in besides:
                    continue
                if name in self.executors:
                    tasks.setdefault(name, []).append(task)
                else:
                    gone.add(task.attempt)
        alive: set[AttemptKey] = set()
        ended: dict[AttemptKey, Outcome] = {}
        for name, wanted in tasks.items():
            try:
                found = self.executors[name].recover(wanted)
            except Exception:
                log.exception("executor %s could not look for %d attempts", name, len(wanted))
                gone.update(task.attempt for task in wanted)
                continue
            alive |= found.alive
            ended.update(found.ended)
            gone |= found.gone
        return Found(frozenset(alive), ended, frozenset(gone))

    def close(self, *, leave: bool) -> None:
        for name, executor in self.executors.items():
            try:
                executor.close(leave=leave)
            except Exception:
                log.exception("executor %s did not close", name)


def _not_started(name: str, attempt: AttemptKey, error: Exception, done: Done) -> None:
    log.error("executor %s could not start %s", name, attempt, exc_info=error)
    text = f"executor {name!r} could not start it: {type(error).__name__}: {error}"
    done(attempt, Outcome(Status.FAILED, error=text))


_make_task = maker(Task)


def _task(start: Start, until: Until) -> Task:
    work = start.step.work
    if isinstance(work, Call) and not work.rendered:
        return _make_task(start.run, start.step, start.state, until=until)
    return _make_task(start.run, start.step, start.state, context(start.run, start.state), until)
