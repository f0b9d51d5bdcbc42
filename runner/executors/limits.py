"""What a command may use: by a control group (cgroup v2) where the runner may make one, else by rlimits.

A limit on processors or on the number of processes needs a control group; without one it is not enforced, and
that is logged once. A limit on memory then bounds each process by its address space.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

from runner.spec import Limits

_log = logging.getLogger("runner.executors")

_JOIN = 'echo 0 >"$1/cgroup.procs" || exit 126; shift; exec "$@"'
_BOUND = 'ulimit -v "$1" || exit 126; shift; exec "$@"'
_WANTED = {"cpu", "memory", "pids"}
"""The controllers that limits need."""
_PERIOD = 100_000
"""Microseconds over which processor time is shared out."""


UNLIMITED = (
    "no control group (cgroup v2) may be made here; cpus and pids are not enforced, memory bounds each process by "
    "itself"
)


class Groups:
    """Control groups under the runner's own; `base` None: it may not make any."""

    def __init__(self, base: Path | None) -> None:
        self._base = base
        self._warned = False

    @classmethod
    def here(cls) -> Groups:
        """What this machine permits."""
        base = _own_group()
        return cls(base if base is not None and _delegated(base) else None)

    def wrap(self, name: str, limits: Limits | None, argv: tuple[str, ...]) -> tuple[str, ...]:
        """The command within its limits."""
        if limits is None:
            return argv
        group = self._make(name, limits)
        if group is not None:
            return ("/bin/sh", "-c", _JOIN, "sh", str(group), *argv)
        self._warn(limits)
        if limits.memory is None:
            return argv
        return ("/bin/sh", "-c", _BOUND, "sh", str(max(1, limits.memory // 1024)), *argv)

    def killed_for_memory(self, name: str) -> bool:
        """Whether the group's memory limit killed something."""
        if self._base is None:
            return False
        with contextlib.suppress(OSError):
            for line in (self._base / name / "memory.events").read_text().splitlines():
                word, _, count = line.partition(" ")
                if word == "oom_kill" and count != "0":
                    return True
        return False

    def kill(self, name: str) -> None:
        """SIGKILL to everything in the group, however it hides; nothing where there is no group."""
        if self._base is not None:
            with contextlib.suppress(OSError):
                (self._base / name / "cgroup.kill").write_text("1")

    def remove(self, name: str) -> None:
        """Give the group back; one with a daemon in it stays."""
        if self._base is not None:
            with contextlib.suppress(OSError):
                (self._base / name).rmdir()

    def _make(self, name: str, limits: Limits) -> Path | None:
        if self._base is None:
            return None
        group = self._base / name
        try:
            group.mkdir(exist_ok=True)
            if limits.memory is not None:
                (group / "memory.max").write_text(str(limits.memory))
            if limits.pids is not None:
                (group / "pids.max").write_text(str(limits.pids))
            if limits.cpus is not None:
                (group / "cpu.max").write_text(f"{max(1000, int(limits.cpus * _PERIOD))} {_PERIOD}")
        except OSError as error:
            _log.warning("no control group for a command: %s", error)
            return None
        return group

    def _warn(self, limits: Limits) -> None:
        if self._warned:
            return
        self._warned = True
        _log.warning("limits: %s (systemd: Delegate=yes)", UNLIMITED)


def permitted(pid: int | None) -> bool:
    """Whether the commands of a process get control groups with limits; None: of this one. Nothing is made or moved.

    A runner that made some is in a leaf of its own, beside them.
    """
    group = _own_group(str(pid or "self"))
    if group is None:
        return False
    bases = (group,) if pid is None else (group, group.parent)
    return any(_gives_out(base) or (pid is None and _may_give_out(base)) for base in bases)


def _own_group(pid: str = "self") -> Path | None:
    """The directory of a process's control group."""
    try:
        line = next(
            row for row in Path(f"/proc/{pid}/cgroup").read_text().splitlines() if row.startswith("0::")
        )
        mounts = [row.split() for row in Path("/proc/self/mounts").read_text().splitlines()]
        root = next(fields[1] for fields in mounts if fields[2] == "cgroup2")
    except (OSError, StopIteration):
        return None
    return Path(root + line.removeprefix("0::").rstrip("/"))


def _delegated(base: Path) -> bool:
    """Whether groups with limits can be made in it; where it holds only us, we move into a leaf first."""
    try:
        if _gives_out(base):
            return os.access(base, os.W_OK)
        if not _may_give_out(base):
            return False
        leaf = base / "runner"
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text("0")
        (base / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(_WANTED)))
    except OSError:
        return False
    return True


def _gives_out(base: Path) -> bool:
    """Whether groups below it have the controllers that limits need."""
    try:
        return set((base / "cgroup.subtree_control").read_text().split()) >= _WANTED
    except OSError:
        return False


def _may_give_out(base: Path) -> bool:
    """Whether it has them itself, and nobody but this process in it."""
    try:
        return (
            set((base / "cgroup.controllers").read_text().split()) >= _WANTED
            and (base / "cgroup.procs").read_text().split() == [str(os.getpid())]
            and os.access(base, os.W_OK)
        )
    except OSError:
        return False
