"""The executor of a configuration file: commands as child processes, Python functions in worker processes."""

from __future__ import annotations

import logging
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from runner.clock import Clock
from runner.core.run import AttemptKey, Outcome, Run, Status
from runner.errors import ExecutorError
from runner.executors import calls, declared, tree
from runner.executors.base import Done, Found, Task
from runner.executors.boots import Boots
from runner.executors.child import Launch
from runner.executors.command import Commands
from runner.executors.keeping import FORGOTTEN, Keeper
from runner.executors.marks import Marks
from runner.executors.meanwhile import Meanwhile
from runner.executors.place import attempt_id, attempt_path
from runner.executors.processes import Processes
from runner.executors.room import Room
from runner.executors.threads import Function, Stop, Threads, nobody
from runner.executors.verdict import failed
from runner.executors.workers import Workers
from runner.secrets import Secrets
from runner.spec import Call, Command, Http, Work

_log = logging.getLogger("runner.executors")

RESERVE = 96
"""Descriptors left to the store, the log and the door."""
PER_COMMAND = 5
"""Descriptors a live command costs: two pipes, its end, its log and the log's index."""
MOST = 2000
_READ_WITHIN = 2.0
"""Seconds that recovery waits for the rest of what commands printed that have ended meanwhile."""


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
        room: Room | None = None,
    ) -> None:
        self._name = name
        self._room = room
        self._state_dir = state_dir.absolute()
        self._clock = clock
        self._place = "thread" if python == "threads" else "process"
        self._secrets = secrets
        directory = (working_dir or Path.cwd()).absolute()
        self._commands = Commands(self._state_dir, directory, dict(environ or {}), secrets)
        self._workers = Workers(self._commands)
        self._boots = Boots(self._state_dir / "runs")
        self._processes: Processes | None = None
        self._threads: Threads | None = None
        self._keeper: Keeper | None = None
        self._meanwhile = Meanwhile()
        self._done: Done = nobody
        self._given = max_workers

    @property
    def capacity(self) -> int | None:
        return self._given if self._given is not None else most_commands()

    def resize(self, max_workers: int | None) -> None:
        """Take another number of attempts at once from now on; those under way go on."""
        self._given = max_workers
        if self._threads is not None:
            self._threads.resize(self.capacity or MOST)

    def open(self, done: Done) -> None:
        self._done = done
        processes = Processes(self._name, self._state_dir, self._clock, self._tell, self._room)
        self._processes = processes
        self._keeper = Keeper(self._name, self._state_dir, self._clock, lambda: processes.starting)
        self._threads = Threads(f"runner-thread-{self._name}", self.capacity or MOST, self._clock, self._tell)

    def start(self, task: Task) -> None:
        try:
            if self._in_thread(task.step.work):
                self._opened_threads().start(task.attempt, self._function(task), task.until)
            else:
                self._boots.begins(task.attempt.run.job)
                self._opened().start(task.attempt, lambda: self._launch(task), slow=self._asks_secrets(task))
        except Exception as error:
            self._tell(task.attempt, failed(error))

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        if self._opened_threads().knows(attempt):
            self._opened_threads().cancel(attempt, reason)
        else:
            self._opened().cancel(attempt, reason)

    def recover(self, tasks: Sequence[Task]) -> Found:
        alive: set[AttemptKey] = set()
        ended: dict[AttemptKey, Outcome] = {}
        gone: set[AttemptKey] = set()
        for task in tasks:
            key = task.attempt
            if self._in_thread(task.step.work):
                if not self._opened_threads().unbegun(key):
                    (alive if self._opened_threads().knows(key) else gone).add(key)
                continue
            if self._opened().holds(key):
                alive.add(key)
                continue
            try:
                marks = Marks.of(attempt_path(self._state_dir, key))
                if marks.pid() is None and not marks.alive():
                    if self._boots.earlier(key.run.job):
                        gone.add(key)
                        self._boots.recovered(key.run.job)
                    elif self._may_be_swept(task):
                        gone.add(key)
                    continue
                if marks.exit_code() is not None:
                    self._meanwhile.expect(key)
                outcome = self._opened().adopt(key, self._resume(task), task.state.started_at)
            except Exception as error:
                _log.warning("%s cannot be taken over: %s", key, error)
                self._meanwhile.known(key)
                gone.add(key)
                continue
            if outcome is None:
                alive.add(key)
                continue
            self._meanwhile.known(key)
            if outcome.status is Status.INTERRUPTED:
                gone.add(key)
            else:
                ended[key] = self._masked(outcome)
        # A shim outlives its command until what it printed is read: by now its end is as good as told, and a time
        # that is due must not be skipped because of it.
        ended.update(self._meanwhile.wait(_READ_WITHIN))
        alive -= ended.keys()
        if gone:
            # Nobody can tell how they would end, so nothing of them may go on. Their shims' pids mean nothing
            # any more (the machine may have been started anew): only the mark tells who belongs to them.
            for pids in tree.members({attempt_id(key): 0 for key in gone}, self._state_dir).values():
                tree.kill(pids)
        return Found(frozenset(alive), ended, frozenset(gone))

    def _may_be_swept(self, task: Task) -> bool:
        """Whether its marks may be gone because they are old: another runner on this directory may have swept them."""
        claimed_at = task.state.started_at
        return claimed_at is not None and claimed_at < self._clock.now() - FORGOTTEN

    def catch_up(self, most: float) -> None:
        """Return once all is told that has ended by now, after `most` seconds at the latest."""
        if self._processes is not None:
            self._processes.catch_up(most)

    def forget(self, run: Run) -> None:
        """The run's end is stored: its private directories are removed soon. Its log stays."""
        if self._keeper is not None:
            self._keeper.forget(run)

    def close(self, *, leave: bool = False) -> None:
        if self._threads is not None:
            self._threads.close(wait=False)
            self._threads = None
        if self._processes is not None:
            self._processes.close(leave=leave)
            self._processes = None
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def _tell(self, attempt: AttemptKey, outcome: Outcome) -> None:
        masked = self._masked(outcome)
        if not self._meanwhile.keeps(attempt, masked):
            self._done(attempt, masked)

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

    def _opened_threads(self) -> Threads:
        if self._threads is None:
            raise ExecutorError(f"the executor {self._name} is not open")
        return self._threads

    def _opened(self) -> Processes:
        if self._processes is None:
            raise ExecutorError(f"the executor {self._name} is not open")
        return self._processes

    def _launch(self, task: Task) -> Launch:
        work = task.step.work
        if isinstance(work, Command):
            return self._declaring(task, self._commands.launch(task, work))
        if isinstance(work, Call):
            return self._declaring(task, self._workers.launch(task, work))
        raise ExecutorError("it runs in a thread")

    def _resume(self, task: Task) -> Launch:
        work = task.step.work
        if isinstance(work, Command):
            return self._declaring(task, self._commands.resume(task, work))
        if isinstance(work, Call):
            return self._declaring(task, self._workers.resume(task))
        raise ExecutorError("it did not outlive its runner")

    def _declaring(self, task: Task, launch: Launch) -> Launch:
        if not task.step.outputs:
            return launch
        judge = declared.judging(task, launch.judge, self._state_dir)
        return replace(launch, judge=judge, slow=True)

    def _asks_secrets(self, task: Task) -> bool:
        """Whether making it ready may mean waiting for a password manager."""
        if self._secrets is None or not self._secrets.names:
            return False
        return "secrets" in f"{task.step.work!r}{task.step.env!r}{task.run.spec.env!r}"

    def _in_thread(self, work: Work) -> bool:
        if isinstance(work, Call):
            return (work.place or self._place) == "thread"
        return isinstance(work, Http)

    def _function(self, task: Task) -> Function:
        """What a thread does for a request or a function; texts are rendered there."""
        work = task.step.work

        def call(cancelled: Stop) -> Outcome:
            return declared.with_outputs(task, perform(cancelled), self._state_dir)

        def perform(cancelled: Stop) -> Outcome:
            rendering = self._commands.rendering(task)
            if isinstance(work, Http):
                # Only here: its library is large, and few jobs files ask for it.
                from runner.executors import http

                request = http.rendered(work, rendering.context)
                return http.perform(request, cancel=cancelled, mask=self._mask)
            assert isinstance(work, Call)
            first = str(self._commands.working_dir)
            if first not in sys.path:
                sys.path.insert(0, first)
            if not work.rendered:
                return calls.call(work, self._clock, strict=True)
            args, kwargs = tuple(rendering.value(work.args)), rendering.value(dict(work.kwargs))
            return calls.call(replace(work, args=args, kwargs=kwargs), self._clock, strict=True)

        return call

    def _mask(self, text: str) -> str:
        return self._secrets.mask(text) if self._secrets else text


def most_commands(hard: int | None = None) -> int:
    """How many commands the descriptor limit allows at once; `hard`: another process's, not this one's."""
    if hard is None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return MOST
    return max(1, min(MOST, (hard - min(RESERVE, hard // 3)) // PER_COMMAND))


def _within(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _within(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_within(item, change) for item in value]
    return value
