"""Shows a run as it goes: what its steps print, line by line, and how each ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from runner.core.action import Announce
from runner.core.run import AttemptKey, Run, Status, StepRun
from runner.duration import say_duration
from runner.errors import RunnerError, StoreError
from runner.executors.output import Line, follow, path_of
from runner.history import History, Remembered
from runner.moment import Moment

Form = Callable[[AttemptKey, Line, str], str]

_LOOK = 0.05
"""Seconds between two looks at a growing log."""


class Follower:
    """Prints the output of steps to `out`, and what happens to `notes` (None: nobody wants to know).

    `form` makes a line of output into text, given the attempt and, where there is more than one step, the step's id.
    """

    def __init__(
        self,
        state: Path,
        out: TextIO,
        notes: TextIO | None,
        *,
        step: str | None = None,
        form: Form = lambda attempt, line, label: f"{label}{line.text}",
        since: Moment = 0,
    ) -> None:
        self._step = step
        self._form = form
        self._since = since
        self._state = state
        self._out = out
        self._notes = notes
        self._lock = threading.Lock()
        self._running: dict[AttemptKey, tuple[threading.Event, threading.Thread]] = {}
        self._seen: set[AttemptKey] = set()

    def hear(self, announce: Announce) -> None:
        """What an engine in this process announces."""
        if announce.name in ("step.started", "step.ended", "step.retrying", "step.skipped"):
            self.step(*announce.value)
        elif announce.name == "run.ended":
            self.ended(announce.value)

    def step(self, run: Run, state: StepRun) -> None:
        """Where a step stands now."""
        if self._step is not None and self._step not in (state.step, state.id):
            return
        label = f"{state.id} | " if len(run.steps) > 1 and self._step is None else ""
        for number in range(1, state.attempt + 1):
            attempt = AttemptKey(run.key, state.id, number)
            if attempt not in self._seen:
                self._seen.add(attempt)
                self._begin(attempt, label)
                if number < state.attempt:
                    self._finish(attempt)
        attempt = AttemptKey(run.key, state.id, state.attempt)
        if state.status is not Status.RUNNING and state.attempt:
            self._finish(attempt)
        if state.status is Status.WAITING:
            self.note(f"{state.id}: attempt {state.attempt} failed, tried again")

    def ended(self, run: Run) -> None:
        for attempt in list(self._running):
            self._finish(attempt)
        took = f" in {say_duration(run.took)}" if run.started_at else ""
        reason = f" ({run.reason})" if run.reason else ""
        self.note(f"{run.spec.title} {str(run.status).replace('_', ' ')}{reason}{took}")
        for state in run.steps.values():
            outcome = state.outcome
            if outcome is not None and not outcome.status.good:
                fact = outcome.error or (
                    f"exit code {outcome.exit_code}" if outcome.exit_code is not None else ""
                )
                self.note(f"  {state.id}: {fact or outcome.status}")

    def close(self) -> None:
        for attempt in list(self._running):
            self._finish(attempt)

    def _begin(self, attempt: AttemptKey, label: str) -> None:
        ended = threading.Event()
        thread = threading.Thread(target=self._copy, args=(attempt, label, ended), daemon=True)
        self._running[attempt] = (ended, thread)
        thread.start()

    def _finish(self, attempt: AttemptKey) -> None:
        found = self._running.pop(attempt, None)
        if found is not None:
            found[0].set()
            found[1].join(5)

    def _copy(self, attempt: AttemptKey, label: str, ended: threading.Event) -> None:
        path = path_of(self._state, attempt)
        for line in follow(path, ended.is_set, lambda: ended.wait(_LOOK)):
            if line.at >= self._since:
                self._write(self._out, self._form(attempt, line, label))

    def note(self, text: str) -> None:
        """Something beside the output."""
        if self._notes is not None:
            self._write(self._notes, text)

    def _write(self, stream: TextIO, text: str) -> None:
        with self._lock:
            try:
                stream.write(text + "\n")
                stream.flush()
            except (OSError, ValueError):
                return


def follow_elsewhere(
    history: History | Remembered,
    source: str,
    run_id: str,
    follower: Follower,
    between: Callable[[], None] = lambda: None,
) -> Run:
    """Follow a run that another process leads, until it ended, whatever becomes of that process meanwhile.

    `between` is called between two looks. RunnerError where there is no such run. A store that fails is asked again.
    """
    trouble = ""
    while True:
        between()
        try:
            run = history.find(run_id, source=source)
        except StoreError as error:
            if str(error) != trouble:
                trouble = str(error)
                follower.note(f"{error}; asking again")
            time.sleep(_LOOK * 10)
            continue
        if run is None:
            raise RunnerError(f"there is no run {run_id}")
        for state in run.steps.values():
            if state.attempt:
                follower.step(run, state)
        if run.status.final:
            follower.ended(run)
            return run
        time.sleep(_LOOK * 4)
