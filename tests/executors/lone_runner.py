"""A process that starts commands and is then killed by a test: `lone_runner.py STATE SCRIPT COUNT [HOW]`.

`directory`: their marks are in that form. `again`: it takes them over from an earlier one.
"""

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
    begun = tasks(sys.argv[2], int(sys.argv[3]))
    if sys.argv[4:] == ["again"]:
        opened.executor.recover(begun)
    else:
        for one in begun:
            opened.executor.start(one)
    print("started", flush=True)
    threading.Event().wait()
