"""The processes of the machine where there is no /proc: psutil knows how each system tells of them.

Loaded at the start where it is needed, and nowhere else: on Linux it would be a megabyte that nobody uses.
"""

from __future__ import annotations

import contextlib
import os

import psutil


def table() -> dict[int, tuple[int, int, bool]]:
    """pid -> (parent, session, is a zombie)."""
    found: dict[int, tuple[int, int, bool]] = {}
    for process in psutil.process_iter(["ppid", "status"]):
        with contextlib.suppress(OSError, psutil.Error):
            zombie = process.info["status"] == psutil.STATUS_ZOMBIE
            found[process.pid] = (process.info["ppid"] or 0, os.getsid(process.pid), zombie)
    return found


def variable(pid: int, name: str) -> str:
    """Of a process's environment as it began; empty where there is none, or it may not be read."""
    try:
        return psutil.Process(pid).environ().get(name, "")
    except (OSError, psutil.Error):
        return ""


def booted_at() -> int:
    """When the machine was started, in seconds since 1970."""
    return int(psutil.boot_time())
