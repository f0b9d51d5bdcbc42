"""Python functions in processes of their own: one that hangs, crashes or holds the interpreter hurts nobody else.

They are started like commands, behind the same shim: stopped as whole trees, their output kept, taken over by
the next runner where this one dies.
"""

from __future__ import annotations

import json
import pickle
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from runner.core.run import Outcome, Status
from runner.errors import ExecutorError, RunnerError
from runner.executors import callee, environment, outputs, reference
from runner.executors.base import Task
from runner.executors.calls import LIMIT
from runner.executors.child import Ended, Launch
from runner.executors.command import Commands, exit_error
from runner.executors.marks import Marks
from runner.executors.place import attempt_path
from runner.executors.rendering import Rendering
from runner.executors.spawn import Order
from runner.moment import SECOND
from runner.spec import Call

GRACE = 10 * SECOND


class Workers:
    """Makes a call ready to start in a process of its own, and judges its end."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def launch(self, task: Task, work: Call) -> Launch:
        rendering = self._commands.rendering(task)
        env = self._commands.environment(task, rendering)
        marks = Marks.of(attempt_path(self._commands.state_dir, task.attempt), files=True)
        env |= environment.about(task, rendering.run_dir, marks)
        # -P: not the directory of that file on sys.path, whose modules would hide others.
        argv = (sys.executable, "-P", callee.__file__, marks.path)
        working_dir = str(self._commands.directory(work.working_dir, rendering))
        files = {callee.CALL: self._call(work, rendering)}
        inherited = self._commands.inherited(clean=False)
        return self._launch(Order(marks, argv, inherited, env, working_dir, files, task.until))

    def resume(self, task: Task) -> Launch:
        """Of an attempt that began in an earlier process."""
        return self._launch(Order.begun(attempt_path(self._commands.state_dir, task.attempt)))

    def _launch(self, order: Order) -> Launch:
        return Launch(order, signal.SIGTERM, GRACE, partial(_judge), self._commands.mask())

    def _call(self, work: Call, rendering: Rendering) -> bytes:
        kwargs = rendering.value(dict(work.kwargs)) if work.rendered else dict(work.kwargs)
        args = tuple(rendering.value(work.args)) if work.rendered else work.args
        path = [str(self._commands.working_dir), *(entry for entry in sys.path if entry)]
        main_file = getattr(sys.modules.get("__main__"), "__file__", None) or ""
        try:
            call = pickle.dumps((main_file, _named(work.target), args, kwargs))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ExecutorError(f"its arguments cannot be handed to another process: {error}") from None
        return json.dumps(path).encode() + b"\n" + call


def _named(target: str | Callable[..., Any]) -> str:
    if isinstance(target, str):
        return target
    try:
        return reference.reference(target)
    except ValueError as error:
        raise ExecutorError(
            str(error), hint="define it at the top of a module, or run it in a thread"
        ) from None


def _judge(end: Ended) -> Outcome:
    found: dict[str, Any] = {}
    error = trace = ""
    try:
        result = _result(end.marks.file(callee.RESULT))
        error, trace = str(result.get("error", "")), str(result.get("traceback", ""))
        if "done" not in result and not end.exit_code:
            error = "its process ended without a result"
        if not error:
            found = {**outputs.read(end.marks.file(environment.OUTPUT)), **result.get("value", {})}
    except (RunnerError, OSError, ValueError) as trouble:
        error = str(trouble)
    if not error and end.exit_code:
        error = exit_error(end.exit_code, None)
    return Outcome(
        Status.FAILED if error else Status.SUCCEEDED,
        exit_code=end.exit_code,
        error=error,
        traceback=trace,
        tail=end.tail,
        outputs=found,
        started_at=end.started_at,
        ended_at=end.ended_at,
    )


def _result(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read(LIMIT + 1)
    except FileNotFoundError:
        return {}
    if len(data) > LIMIT:
        raise ExecutorError(f"the dict it returned is longer than {LIMIT} bytes as JSON")
    found = json.loads(data)
    if not isinstance(found, dict) or not isinstance(found.get("value", {}), dict):
        raise ExecutorError("its result is damaged")
    return found
