"""The executor of a configuration file: commands as child processes, Python functions in worker processes."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from runner.clock import Clock
from runner.core.run import AttemptKey, Outcome, Status
from runner.errors import ExecutorError
from runner.executors import spawn
from runner.executors.base import Done, Found, Task
from runner.executors.child import Launch
from runner.executors.command import Commands
from runner.executors.place import attempt_dir
from runner.executors.processes import Processes, failed
from runner.secrets import Secrets
from runner.spec import Call, Command

_log = logging.getLogger("runner.executors")

RESERVE = 96
"""Descriptors left to the store, the log and the door."""
PER_COMMAND = 5
"""Descriptors a live command costs: two pipes, its end, its log and the log's index."""
MOST = 2000


class LocalExecutor:
    """Runs commands behind shims, Python functions in worker processes or threads, HTTP requests in threads.

    `max_workers` None: as many as there are descriptors for. `working_dir` is the configuration's directory.
    """

    def __init__(
        self,
        name: str,
        *,
        state_dir: Path,
        clock: Clock,
        max_workers: int | None = None,
        python: Literal["processes", "threads"] = "processes",
        working_dir: Path | None = None,
        secrets: Secrets | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._state_dir = state_dir.absolute()
        self._clock = clock
        self._python = python
        self._secrets = secrets
        directory = (working_dir or Path.cwd()).absolute()
        self._commands = Commands(self._state_dir, directory, dict(environ or {}), secrets)
        self._processes: Processes | None = None
        self._done: Done = _nobody
        self._given = max_workers

    @property
    def capacity(self) -> int | None:
        return self._given if self._given is not None else most_commands()

    def resize(self, max_workers: int | None) -> None:
        """Take another number of attempts at once from now on; those under way go on."""
        self._given = max_workers

    def open(self, done: Done) -> None:
        self._done = done
        self._processes = Processes(self._name, self._state_dir, self._clock, self._tell)

    def start(self, task: Task) -> None:
        try:
            self._opened().start(task.attempt, lambda: self._launch(task))
        except Exception as error:
            self._tell(task.attempt, failed(error))

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        self._opened().cancel(attempt, reason)

    def recover(self, tasks: Sequence[Task]) -> Found:
        alive: set[AttemptKey] = set()
        ended: dict[AttemptKey, Outcome] = {}
        gone: set[AttemptKey] = set()
        for task in tasks:
            key = task.attempt
            directory = attempt_dir(self._state_dir, key)
            try:
                if spawn.marker(directory) is None and not spawn.locked(directory):
                    continue
                outcome = self._opened().adopt(key, self._resume(task))
            except Exception as error:
                _log.warning("%s cannot be taken over: %s", key, error)
                gone.add(key)
                continue
            if outcome is None:
                alive.add(key)
            elif outcome.status is Status.INTERRUPTED:
                gone.add(key)
            else:
                ended[key] = self._masked(outcome)
        return Found(frozenset(alive), ended, frozenset(gone))

    def close(self, *, leave: bool = False) -> None:
        if self._processes is not None:
            self._processes.close(leave=leave)
            self._processes = None

    def _tell(self, attempt: AttemptKey, outcome: Outcome) -> None:
        self._done(attempt, self._masked(outcome))

    def _masked(self, outcome: Outcome) -> Outcome:
        """Without secrets: what an outcome says is stored and shown."""
        if self._secrets is None or not self._secrets.names:
            return outcome
        mask = self._secrets.masker().text
        return replace(
            outcome,
            error=mask(outcome.error),
            tail=mask(outcome.tail),
            traceback=mask(outcome.traceback),
            outputs=_within(outcome.outputs, mask),
        )

    def _opened(self) -> Processes:
        if self._processes is None:
            raise ExecutorError(f"the executor {self._name} is not open")
        return self._processes

    def _launch(self, task: Task) -> Launch:
        work = task.step.work
        if isinstance(work, Command):
            return self._commands.launch(task, work)
        raise ExecutorError(f"the executor {self._name} cannot do {type(work).__name__} steps")

    def _resume(self, task: Task) -> Launch:
        work = task.step.work
        if isinstance(work, Command | Call):
            return self._commands.resume(task, work if isinstance(work, Command) else Command(argv=()))
        raise ExecutorError("it did not outlive its runner")


def most_commands() -> int:
    """How many commands the descriptor limit allows at once."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return MOST
    return max(1, min(MOST, (hard - RESERVE) // PER_COMMAND))


def _nobody(key: AttemptKey, outcome: Outcome) -> None:
    _log.error("%s ended %s, and nobody listens", key, outcome.status)


def _within(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _within(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_within(item, change) for item in value]
    return value
