"""The runner, with a fault at its Nth step: `python faulty.py die|freeze|wait POINT N COUNTS ARGS ...`.

Before and after each of the functions below lies a point. At the Nth pass of POINT (`any`: of all of them) the process
ends by `os._exit`, or stops itself as SIGSTOP does, or waits there until the file COUNTS.go is there. The points at
which that happened are kept in the file COUNTS. The product has no hook for this: the functions are wrapped from
outside.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.core.machine import Machine
from runner.engine.hands import Hands
from runner.engine.loop import Engine
from runner.executors import native, spawn
from runner.executors.keeping import Keeper
from runner.executors.local import LocalExecutor
from runner.executors.processes import Processes
from runner.executors.watching import Watch
from runner.jobstores.sqlalchemy import leases
from runner.jobstores.sqlalchemy.store import SQLAlchemyJobStore
from runner.notify.outbox import Outbox

WRAPPED: list[tuple[Any, str, str]] = [
    (SQLAlchemyJobStore, "hold", "hold"),
    (SQLAlchemyJobStore, "load", "load"),
    (SQLAlchemyJobStore, "write", "write"),
    (leases, "check", "commit"),
    (Machine, "handle", "decide"),
    (Hands, "recover", "recover"),
    (LocalExecutor, "start", "start"),
    (Hands, "cancel", "cancel"),
    (Hands, "deliver", "deliver"),
    (Hands, "forget", "forget"),
    (Engine, "done", "done"),
    (Processes, "_try", "prepare"),
    (spawn, "spawn", "spawn"),
    (native, "start", "native"),
    (Watch, "add", "register"),
    (Watch, "ended", "ended"),
    (Watch, "_judge", "judge"),
    (Keeper, "_remove", "remove"),
    (Outbox, "_send", "send"),
]
"""`commit` after: every statement is done, and nothing is committed."""


class Fault:
    def __init__(self, action: str, point: str, number: int, counts: Path) -> None:
        self._action, self._point, self._number, self._counts = action, point, number, counts
        self._passed: dict[str, int] = {}
        self._all = 0
        self._done = False
        self._lock = threading.Lock()

    def at(self, point: str) -> None:
        with self._lock:
            self._passed[point] = self._passed.get(point, 0) + 1
            self._all += 1
            count = self._all if self._point == "any" else self._passed[point] if point == self._point else 0
            if count != self._number or self._done:
                return
            self._done = True
        with self._counts.open("a") as file:
            file.write(f"{point} {self._all}\n")
        if self._action == "die":
            os._exit(137)
        if self._action == "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        go = self._counts.with_suffix(".go")
        for _ in range(6_000):
            if go.exists():
                return
            time.sleep(0.005)


def wrap(owner: Any, name: str, point: str, fault: Fault) -> None:
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        fault.at(f"{point}.before")
        result = function(*args, **kwargs)
        fault.at(f"{point}.after")
        return result

    setattr(owner, name, wrapped)


def main() -> None:
    action, point, number, counts, *args = sys.argv[1:]
    fault = Fault(action, point, int(number), Path(counts))
    for owner, name, short in WRAPPED:
        wrap(owner, name, short, fault)
    sys.argv = ["runner", *args]
    from runner.cli import main as run

    run()


if __name__ == "__main__":
    main()
