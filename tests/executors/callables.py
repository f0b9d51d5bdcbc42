"""Functions that the tests have called in other processes and threads."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from typing import Any


def add(a: int, b: int = 0) -> dict[str, int]:
    print("adding", a, b)
    return {"sum": a + b}


def where() -> dict[str, Any]:
    return {"cwd": os.getcwd(), "path": sys.path[0], "job": os.environ["RUNNER_JOB"]}


def fail(text: str) -> None:
    raise ValueError(text)


def exits(code: int) -> None:
    sys.exit(code)


def dies() -> None:
    os._exit(0)


def crashes() -> None:
    ctypes.string_at(0)


def holds_the_interpreter() -> None:
    ctypes.pythonapi.sleep(61)


def leaks_a_thread() -> dict[str, str]:
    threading.Thread(target=threading.Event().wait).start()
    return {"ok": "yes"}


def waits(path: str) -> str:
    deadline = time.monotonic() + 60
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    return "waited"


def meets(directory: str, name: str, count: int) -> None:
    """Goes on once so many are there at once."""
    open(os.path.join(directory, name), "w").close()
    deadline = time.monotonic() + 60
    while len(os.listdir(directory)) < count and time.monotonic() < deadline:
        time.sleep(0.01)


def cleans_up(ready: str, path: str) -> None:
    try:
        open(ready, "w").close()
        time.sleep(60)
    finally:
        open(path, "w").close()


def opaque() -> dict[str, object]:
    return {"x": object()}


async def later(value: int) -> dict[str, int]:
    return {"value": value}
