"""A runner killed amid a flood, at one point after the other: `killed_amid.py DIR STEP`.

Each round: a command floods a pipe; a process pours it into a log and kills itself before its n-th call of the system,
n from 1 to 120 by STEP; then the next one takes over, as adoption does, and reads to the end. What is kept is compared
with what was printed. Prints how many were killed while something was held.
"""

from __future__ import annotations

import itertools
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.core.run import AttemptKey, Outcome, RunKey, Status
from runner.executors import native
from runner.executors.backlog import RECORD, WIDE, Backlog, Floods, waiting
from runner.executors.capture import Log
from runner.executors.child import Child, Launch
from runner.executors.marks import Marks
from runner.executors.output import read
from runner.executors.spawn import Order, make_pipe
from runner.spec import JobKey
from tests.executors.rig import SLOT, kept_of

LINES = 1_800_000
CALLED = 120
"""By then all has come once: it begins, fills, drops, is put into the log, and begins again."""
FIRST = 1_000_000_000
CALLS = ("splice", "pwrite", "open", "write", "unlink", "close")
KEY = AttemptKey(RunKey(JobKey("default", "source", "job"), SLOT), "main", 1)


def main(directory: Path, step: int) -> None:
    held = 0
    for number in range(1, CALLED + 1, step):
        here = directory / str(number)
        (here / "runs").mkdir(parents=True)
        make_pipe(str(here / "runs" / ".rest"))
        held += killed_before(here, number)
    print(held)


def killed_before(here: Path, number: int) -> bool:
    """Whether something was held as it was killed."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    script = f"seq {FIRST} {FIRST + LINES - 1}"
    if number // 2 % 2:
        # So no page of the pipe is full, and no pipe.
        script += " | dd bs=4000 iflag=fullblock status=none"
    with subprocess.Popen(["sh", "-c", script], stdout=writing) as printing:
        os.close(writing)
        pid = os.fork()
        if not pid:
            die_before(number)
            pour(child(here, reading), 14)
            os._exit(0)
        os.waitpid(pid, 0)
        held = (here / "runs" / f"attempt.{RECORD}").exists()
        taken = child(here, os.dup(reading))
        taken.recover(0)
        pour(taken, 50)
        assert printing.wait() == 0
    os.close(reading)
    assert not (here / "runs" / f"attempt.{RECORD}").exists()
    assert kept_of(read(here / "logs" / "log"), FIRST) == LINES, f"killed before call {number}"
    return held


def child(here: Path, pipe: int) -> Child:
    launch = Launch(
        Order.begun(f"{here}/runs/attempt"), signal.SIGTERM, 0, lambda end: Outcome(Status.FAILED)
    )
    assert not Marks.of(f"{here}/runs/attempt", files=False).directory
    made = Child(KEY, "attempt", launch, Log(here / "logs" / "log"), 0, [pipe, -1], 0)
    made.floods = Floods(f"{here}/runs/.rest")
    return made


def pour(child: Child, turns: int) -> None:
    """To the end; every so many turns what is held goes into the log, as it does by time."""
    for turn in itertools.count(1):
        await_flood(child)
        if not child.pour(0, 0):
            break
        if turn % turns == 0:
            child.let_go(0)
    child.close(0)


def await_flood(child: Child) -> None:
    """Much waits in its pipe, or nobody prints any more."""
    pipe = child.pipes[0]
    state = select.poll()
    state.register(pipe, 0)
    while waiting(pipe) < (WIDE // 2 if child.wide[0] else 1) and not state.poll(1):
        pass


def die_before(number: int) -> None:
    """Counted from where the flood begins to be held."""
    calls = itertools.count(1)
    begun: list[bool] = []
    begin = Floods.begin

    def begins(floods: Floods, marks: Marks) -> Backlog | None:
        begun.append(True)
        return begin(floods, marks)

    def mortal(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            if begun and next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return called

    Floods.begin = begins  # type: ignore[method-assign, assignment]
    for name in CALLS:
        setattr(os, name, mortal(getattr(os, name)))
    native.start = mortal(native.start)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
