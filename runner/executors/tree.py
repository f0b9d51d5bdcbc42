"""Who belongs to a command: found by session, by descent, by a mark in the environment, and by one in a limit.

The process group alone is not enough: a daemon makes a session of its own and outlives its parent. It is still found
by the mark it inherited in its environment, and one that cleaned that too by a limit which the shim set (shim.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

MARK = "RUNNER_ATTEMPT_ID"
RUN_DIR = "RUNNER_RUN_DIR"
SCRATCH = "scratch"
"""The directory in the state directory where those of runs are (place.scratch_dir)."""

_PROC = Path("/proc/self/environ").exists()
if not _PROC:
    from runner.executors import portable


def members(targets: Mapping[str, int], state_dir: Path) -> dict[str, list[int]]:
    """The live processes of each attempt, its shim not counted. `targets`: attempt id -> the shim's pid.

    Attempts of another state directory may have the same ids: two copies of one program, say.
    """
    table = _linux_table() if _PROC else portable.table()
    found: dict[str, list[int]] = {name: [] for name in targets}
    sessions = {shim: name for name, shim in targets.items() if shim > 0}
    owner = dict(sessions)
    pending: list[int] = []
    numbers = {number_of(name): name for name in targets}
    for pid, (_, session, _) in table.items():
        if pid not in owner and session in sessions:
            owner[pid] = sessions[session]
        elif pid not in owner:
            pending.append(pid)
    for pid in pending:
        name = _marked(pid, targets)
        if name is not None and _elsewhere(pid, state_dir):
            continue
        name = name or (_limited(pid, numbers) if _PROC else None)
        if name is not None:
            owner[pid] = name
    _add_descendants(owner, table)
    for pid, name in owner.items():
        if pid != targets[name] and pid in table and not table[pid][2]:
            found[name].append(pid)
    return found


def kill(pids: Iterable[int], number: int = signal.SIGKILL) -> None:
    """Signal each; those that are gone or not ours are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _add_descendants(owner: dict[int, str], table: Mapping[int, tuple[int, int, bool]]) -> None:
    grew = True
    while grew:
        grew = False
        for pid, (parent, _, _) in table.items():
            if pid not in owner and parent in owner:
                owner[pid] = owner[parent]
                grew = True


def _linux_table() -> dict[int, tuple[int, int, bool]]:
    """pid -> (parent, session, is a zombie)."""
    table: dict[int, tuple[int, int, bool]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The command's name stands in parentheses and may hold anything, parentheses too.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        table[int(name)] = (int(fields[1]), int(fields[3]), fields[0] in (b"Z", b"X"))
    return table


def number_of(name: str) -> bytes:
    """The limit on file locks that the shim of an attempt sets, as the system writes it."""
    try:
        return b"%d" % (int(name[:12], 16) + 1)
    except ValueError:
        return b""


def _limited(pid: int, numbers: Mapping[bytes, str]) -> str | None:
    """By the limit that the shim set: it is there even where the environment was cleaned."""
    try:
        with open(f"/proc/{pid}/limits", "rb") as file:
            text = file.read()
    except OSError:
        return None
    _, _, rest = text.partition(b"Max file locks")
    value = rest.split(None, 1)[0] if rest.strip() else b""
    return numbers.get(value)


def _marked(pid: int, targets: Mapping[str, int]) -> str | None:
    value = _variable(pid, MARK)
    return value if value in targets else None


def _elsewhere(pid: int, state_dir: Path) -> bool:
    """Whether its environment names another state directory. Where that cannot be told, it does not."""
    run_dir = Path(_variable(pid, RUN_DIR))
    if run_dir.parent.name != SCRATCH:
        return False
    try:
        return not run_dir.parents[1].samefile(state_dir)
    except OSError:
        return False


def _variable(pid: int, name: str) -> str:
    """Of a process's environment as it began; empty where there is none, or it may not be read."""
    if not _PROC:
        return portable.variable(pid, name)
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            text = b"\0" + file.read()
    except OSError:
        return ""
    _, found, rest = text.partition(b"\0" + name.encode() + b"=")
    return os.fsdecode(rest.split(b"\0", 1)[0]) if found else ""
