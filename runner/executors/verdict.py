"""What an end means: the outcome of a command that ended, was stopped, was lost, or never began."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

from runner.core.run import Outcome, Status
from runner.executors import spawn
from runner.executors.child import Child, Ended

_TOO_LONG = (
    "one argument or variable holds at most 128 KiB, all of them a few MiB: hand large values over in a file"
)


def outcome(child: Child, ended_at: int, tail: str) -> Outcome:
    """Why it was stopped counts for more than its exit code; without either, nobody saw its end."""
    # The time of a file is a few milliseconds behind the clock.
    ended_at = max(ended_at, child.started_at)
    if child.stopping:
        late = child.stopping == "timeout"
        status = Status.TIMED_OUT if late else Status.CANCELLED
        error = "stopped after its timeout" if late else f"stopped: {child.stopping}"
    elif child.exit_code is None:
        status, error = Status.INTERRUPTED, "nobody saw its end: its shim was killed"
        if child.launch.order.marks.pid() == 0:
            # Its marker is there and says nothing, and without it no shim goes on.
            error = "it did not begin: the state directory's disk took nothing (is it full?)"
    else:
        end = Ended(child.launch.order.marks, child.exit_code, child.started_at, ended_at, tail)
        return _with_lost_output(child.launch.judge(end), child.spoiled)
    return Outcome(
        status,
        exit_code=child.exit_code,
        error=error,
        tail=tail,
        started_at=child.started_at,
        ended_at=ended_at,
    )


def _with_lost_output(judged: Outcome, why: str) -> Outcome:
    if not why:
        return judged
    lost = f"its output could not be kept: {why}"
    error = f"{judged.error}; {lost}" if judged.error else ""
    return replace(judged, error=error, tail=judged.tail or lost)


def failed(error: BaseException) -> Outcome:
    """An attempt that could not start, or whose end could not be read."""
    if isinstance(error, OSError) and error.errno is not None:
        text = f"it could not be started: {os.strerror(error.errno)}"
        if error.errno == errno.E2BIG:
            text += f" ({_TOO_LONG})"
        text += f": {error.filename}" if error.filename and error.errno not in spawn.BUSY else ""
    else:
        text = str(error) or type(error).__name__
    return Outcome(Status.FAILED, error=text, exception=error)


def unstarted(reason: str) -> Outcome:
    """Cancelled while it waited for its start."""
    status = Status.TIMED_OUT if reason == "timeout" else Status.CANCELLED
    return Outcome(status, error=f"stopped before it began: {reason}")
