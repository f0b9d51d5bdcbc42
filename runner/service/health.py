"""How a runner is, in a file: for `runner status --check`, container health checks, and for when the store is away.

The file is only written after the clock thread has shown that it turns, so its age is the loop's, not the process's.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.clock import Clock
from runner.executors.boots import boot_id
from runner.moment import SECOND, Span, iso

_NAME = "health.json"
FRESH: Span = 45 * SECOND
"""One that is older means that nobody writes it any more."""


@dataclass(frozen=True, slots=True)
class Health:
    """`problems` are reasons to call it unhealthy; `status` is what `runner status` shows."""

    pid: int
    host: str
    boot: str
    at: str
    elapsed: Span
    problems: tuple[str, ...]
    status: Mapping[str, Any]
    space: str = ""
    """The namespace in which its process has that number: another container of a pod has the same host's name."""

    @classmethod
    def read(cls, state: Path) -> Health | None:
        """The file as it stands; None where there is none, or nobody can make sense of it."""
        try:
            values = json.loads((state / _NAME).read_text(encoding="utf-8"))
            return cls(
                int(values["pid"]),
                str(values["host"]),
                str(values["boot"]),
                str(values["at"]),
                int(values["elapsed"]),
                tuple(map(str, values["problems"])),
                dict(values["status"]),
                str(values.get("space", "")),
            )
        except (OSError, ValueError, TypeError, LookupError):
            return None

    @property
    def here(self) -> bool:
        """Whether its process has that number for us too: not on another machine, nor in another container."""
        return self.host == socket.gethostname() and self.space in ("", _space())

    def alive(self, clock: Clock) -> str:
        """Empty where its writer lives and its loop turns; else what is known of its end."""
        if self.boot != boot_id():
            return "the machine was started anew since"
        if self.here and not _exists(self.pid):
            return f"process {self.pid} is no more"
        age = clock.elapsed() - self.elapsed
        if not -FRESH <= age <= FRESH:
            return f"its loop has not turned for {age // SECOND} s"
        return ""


def why_unknown(state: Path) -> str:
    """Why there is nothing to read about a runner here."""
    try:
        os.stat(state / _NAME)
    except PermissionError as error:
        return f"the state in {state} cannot be read: {error.strerror}"
    except OSError:
        pass
    return "no runner has begun here, or it has ended"


def write(state: Path, clock: Clock, status: Mapping[str, Any], problems: tuple[str, ...]) -> None:
    """Replace the file as a whole. A disk that refuses it makes it old, and that says enough."""
    values = {
        "version": 1,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot": boot_id(),
        "at": iso(clock.now()),
        "elapsed": clock.elapsed(),
        "space": _space(),
        "problems": problems,
        "status": status,
    }
    path = state / _NAME
    aside = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(values, file)
        aside.replace(path)


def erase(state: Path) -> None:
    """It ended as it should: there is nothing to be healthy."""
    with contextlib.suppress(OSError):
        (state / _NAME).unlink()


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
