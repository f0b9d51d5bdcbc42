"""A process that starts commands and is then killed by a test: `lone_runner.py STATE SCRIPT COUNT [FORM]`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from runner.executors import marks
from runner.executors.base import Task
from tests.executors.rig import Open, sh, task


def tasks(script: str, count: int) -> list[Task]:
    return [task(sh(script, grace=500_000), job=f"job{number}") for number in range(count)]


if __name__ == "__main__":
    if sys.argv[4:] == ["directory"]:
        # As where the system knows no locks on a part of a file.
        marks.shares = lambda runs: False  # type: ignore[assignment]
    opened = Open(Path(sys.argv[1]))
    for one in tasks(sys.argv[2], int(sys.argv[3])):
        opened.executor.start(one)
    print("started", flush=True)
    threading.Event().wait()
