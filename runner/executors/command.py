"""Makes a command of a step ready to start, and judges its end. Runs on a worker thread, never the engine's."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from runner.core.run import Outcome, Status
from runner.errors import ExecutorError, RunnerError
from runner.executors import artifacts, environment, outputs
from runner.executors.base import Task
from runner.executors.capture import piece_path, pieces
from runner.executors.child import Ended, Launch
from runner.executors.limits import Groups
from runner.executors.marks import Marks, write_private
from runner.executors.native import Inherited
from runner.executors.output import path_of
from runner.executors.place import attempt_id, attempt_path, run_id
from runner.executors.rendering import SHELLS, Rendering
from runner.executors.spawn import Order
from runner.executors.users import Other
from runner.secrets import MaskingStream, Secrets
from runner.spec import Command

_LONGEST = 100_000
"""A longer script goes through a file: the system bounds one argument at 128 KiB."""


class Commands:
    """Knows what is the same for every command of an executor: directories and the runner's environment."""

    def __init__(
        self, state_dir: Path, working_dir: Path, environ: Mapping[str, str], secrets: Secrets | None
    ) -> None:
        self.state_dir = state_dir
        self.working_dir = working_dir
        self._secrets = secrets
        self.groups = Groups.here()
        self._environ = environ
        self._kept: dict[tuple[frozenset[str], bool], Inherited] = {}

    def launch(self, task: Task, work: Command) -> Launch:
        """Everything rendered and looked up. RunnerError says what is wrong with it."""
        path = attempt_path(self.state_dir, task.attempt)
        rendering = self.rendering(task)
        env = self.environment(task, rendering)
        argv, files, lifted = arguments(work, path, rendering)
        env |= lifted
        marks = Marks.of(path, files=bool(files))
        env |= environment.about(task, rendering.run_dir, marks)
        other = Other.of(work.user)
        if other is not None:
            argv, files = self._as(other, task, env, argv, files)
        argv = self.groups.wrap(marks.name, work.limits, argv)
        working_dir = self.directory(work.working_dir, rendering)
        patterns = tuple(rendering.text(pattern) for pattern in task.step.artifacts)
        inherited = self.inherited(clean=work.clean_env)
        order = Order(marks, argv, inherited, env, str(working_dir), files, task.until)
        return self._launch(task, work, order, patterns, working_dir)

    def resume(self, task: Task, work: Command) -> Launch:
        """Of an attempt that began in an earlier process: enough to watch it, stop it and judge its end."""
        order = Order.begun(attempt_path(self.state_dir, task.attempt))
        rendering = Rendering(task, self.state_dir, None)
        try:
            working_dir = self.directory(work.working_dir, rendering)
            patterns = tuple(rendering.text(pattern) for pattern in task.step.artifacts)
        except RunnerError:
            working_dir, patterns = self.working_dir, ()
        return self._launch(task, work, order, patterns, working_dir)

    def _launch(
        self, task: Task, work: Command, order: Order, patterns: tuple[str, ...], working_dir: Path
    ) -> Launch:
        judge = partial(self._judge, task, work, patterns, working_dir)
        slow = bool(patterns or work.success.fail_on_output or work.user)
        kill = partial(self.groups.kill, attempt_id(task.attempt)) if work.limits is not None else None
        return Launch(
            order, stop_signal(work.stop_signal), work.stop_grace, judge, self.mask(), slow=slow, kill=kill
        )

    def _as(
        self,
        other: Other,
        task: Task,
        env: dict[str, str],
        argv: tuple[str, ...],
        files: dict[str, bytes],
    ) -> tuple[tuple[str, ...], dict[str, bytes]]:
        """The command as another user, with its files where that user may reach them."""
        shared = other.directory(attempt_id(task.attempt))
        own = attempt_path(self.state_dir, task.attempt)
        for name, data in files.items():
            write_private(f"{shared}/{name}", data)
            other.own(f"{shared}/{name}")
        env |= other.environment
        env["RUNNER_OUTPUT"] = f"{shared}/{environment.OUTPUT}"
        env["RUNNER_RUN_DIR"] = other.directory(run_id(task.run.key))
        return other.wrap(tuple(text.replace(own, shared) for text in argv)), {}

    def rendering(self, task: Task) -> Rendering:
        """What the task's texts are made with; the run's private directory is there from now on."""
        rendering = Rendering(task, self.state_dir, self._secrets)
        try:
            os.mkdir(rendering.run_dir, 0o700)
        except FileExistsError:
            os.utime(rendering.run_dir)  # By this it is known to be in use (keeping.py).
        return rendering

    def mask(self) -> Callable[[], MaskingStream] | None:
        if self._secrets is None or not self._secrets.names:
            return None
        return self._secrets.masker().stream

    def inherited(self, *, clean: bool) -> Inherited:
        """What a command has of the runner's own environment."""
        hidden = frozenset(self._secrets.feeding_variables() if self._secrets else ())
        found = self._kept.get((hidden, clean))
        if found is None:
            if len(self._kept) > 8:
                self._kept.clear()
            found = self._kept[hidden, clean] = Inherited(environment.inherited(self._environ, hidden, clean))
        return found

    def environment(self, task: Task, rendering: Rendering) -> dict[str, str]:
        """What comes on top of that: env files, the job's and the step's env."""
        spec = task.run.spec
        return {
            **environment.env_files(spec.env_files, self.working_dir),
            **rendering.variables(spec.env, task.step.env),
        }

    def directory(self, given: str | None, rendering: Rendering) -> Path:
        return environment.directory(self.working_dir, rendering.text(given) if given else "")

    def _judge(
        self, task: Task, work: Command, patterns: tuple[str, ...], working_dir: Path, end: Ended
    ) -> Outcome:
        code = end.exit_code
        assert code is not None
        found: Mapping[str, str] = {}
        error = "" if code in work.success.exit_codes else exit_error(code, work)
        if error and work.limits is not None and self.groups.killed_for_memory(attempt_id(task.attempt)):
            error += ": more memory than its limit"
        if not error and work.success.fail_on_output:
            error = self._matched(task, work.success.fail_on_output)
        try:
            if patterns:
                target = artifacts.path_of(self.state_dir, task.attempt)
                artifacts.collect(patterns, working_dir, target)
                if task.step.artifacts_for is not None:
                    artifacts.keep_until(target, end.ended_at + task.step.artifacts_for)
            if not error:
                shared = Other.shared(attempt_id(task.attempt)) if Other.of(work.user) else None
                said = f"{shared}/{environment.OUTPUT}" if shared else end.marks.file(environment.OUTPUT)
                found = outputs.read(said)
        except (RunnerError, OSError) as trouble:
            error = error or str(trouble)
        self._clear(task, work)
        return Outcome(
            Status.FAILED if error else Status.SUCCEEDED,
            exit_code=code,
            error=error,
            tail=end.tail,
            outputs=found,
            started_at=end.started_at,
            ended_at=end.ended_at,
        )

    def _clear(self, task: Task, work: Command) -> None:
        if work.limits is not None:
            self.groups.remove(attempt_id(task.attempt))
        if work.user is not None:
            shutil.rmtree(Other.shared(attempt_id(task.attempt)), ignore_errors=True)

    def _matched(self, task: Task, pattern: str) -> str:
        path = path_of(self.state_dir, task.attempt)
        compiled = re.compile(pattern)
        for number, _ in pieces(path):
            with piece_path(path, number).open("rb") as file:
                for row in file:
                    if compiled.search(row.decode("utf-8", "replace")):
                        return f"its output matches fail_on_output: {pattern}"
        return ""


def arguments(
    work: Command, directory: str, rendering: Rendering
) -> tuple[tuple[str, ...], dict[str, bytes], dict[str, str]]:
    """The argument list, the files it needs, and the variables its script refers to.

    A script for a shell is given with -c, any other as a file.
    """
    if work.argv is not None:
        argv = rendering.argv(work.argv)
        if not argv or not argv[0]:
            raise ExecutorError("the command is empty")
        return argv, {}, {}
    script, values = rendering.script(work.script or "", work.shell)
    if os.path.basename(work.shell[0]) in SHELLS and len(script.encode()) < _LONGEST:
        return (*work.shell, "-c", script), {}, values
    return (*work.shell, f"{directory}/script"), {"script": script.encode()}, values


def stop_signal(name: str) -> int:
    """The number of a signal by its name, with or without SIG."""
    try:
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise ExecutorError(f"{name} is no signal", hint="such as SIGTERM or SIGINT") from None


def exit_error(code: int, work: object) -> str:
    """Why an exit code is a failure, in words."""
    if code in (126, 127) and isinstance(work, Command):
        what = "could not be run" if code == 126 else "was not found"
        program = work.argv[0] if work.argv else work.shell[0]
        known = work.argv is not None or shutil.which(program) is None
        return f"exit code {code}: {program if known else 'a command'} {what}"
    if 128 < code < 128 + signal.NSIG:
        try:
            return f"exit code {code}: killed by {signal.Signals(code - 128).name}"
        except ValueError:
            pass
    return f"exit code {code}"
