"""Starts a shim: the private directory, its lock and pipes, and one posix_spawn."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import resource
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.executors import shim

_SIGNALS = tuple(
    number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)
)
BUSY = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})
"""A machine short of something: worth another try soon."""


class AlreadyBegun(Exception):
    """The attempt's marker or lock is there: some shim has it, and it is not started again."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is started. `files` are written into the private directory first, as name -> bytes."""

    directory: Path
    argv: tuple[str, ...]
    env: Mapping[str, str]
    working_dir: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Spawned:
    """A shim at work: its pid and the reading ends of stdout and stderr."""

    pid: int
    pipes: tuple[int, int]


def spawn(order: Order, *, ended: Path, rest: Path, descriptors: str, null: int) -> Spawned:
    """Start the command behind its shim. AlreadyBegun, or OSError where the machine refuses."""
    directory = order.directory
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (directory / shim.MARKER).exists():
        raise AlreadyBegun
    lock = _lock(directory)
    opened: list[int] = []
    try:
        for name, data in order.files.items():
            write_private(directory / name, data)
        opened.extend(open_pipe(directory / name, make=True) for name in shim.PIPES)
        pid = os.posix_spawn(
            "/bin/sh",
            shim.argv(str(directory), order.working_dir, descriptors, str(ended), str(rest), order.argv),
            order.env,
            file_actions=(
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, null, 1),
                (os.POSIX_SPAWN_DUP2, null, 2),
                (os.POSIX_SPAWN_DUP2, lock, shim.LOCK_FD),
            ),
            setsid=True,
            setsigmask=(),
            setsigdef=_SIGNALS,
        )
    except BaseException:
        for descriptor in opened:
            os.close(descriptor)
        raise
    finally:
        os.close(lock)
    return Spawned(pid, (opened[0], opened[1]))


def _lock(directory: Path) -> int:
    lock = os.open(directory / shim.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if lock <= shim.LOCK_FD:
        # dup2 onto itself would leave it closed on exec.
        higher = fcntl.fcntl(lock, fcntl.F_DUPFD_CLOEXEC, shim.LOCK_FD + 1)
        os.close(lock)
        lock = higher
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise AlreadyBegun from None
    return lock


def locked(directory: Path) -> bool:
    """Whether some shim holds the attempt's lock: it lives."""
    try:
        lock = os.open(directory / shim.LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(lock)


def open_pipe(path: Path, *, make: bool) -> int:
    """The reading end of a named pipe, not blocking; `make` creates it where it is missing."""
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def write_private(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)


def marker(directory: Path) -> int | None:
    """The shim's pid where the attempt has begun, 0 where the pid cannot be read, None where it has not."""
    try:
        text = (directory / shim.MARKER).read_text("ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return 0
    return int(text) if text.strip().isdigit() else 0


def exit_code(directory: Path) -> int | None:
    """The command's exit code where it has ended (128 + n where signal n killed it), else None."""
    try:
        text = (directory / shim.EXIT).read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    # A file without its newline is one whose writer was killed, or is being written.
    return int(text) if text.endswith("\n") and text.strip().isdigit() else None


def changed_at(path: Path) -> int | None:
    """When the file was last written, as a moment; None where there is none."""
    try:
        return path.stat().st_mtime_ns // 1_000
    except OSError:
        return None


def file_name(text: str) -> str:
    """A name on disk for text people wrote."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def raise_descriptors() -> str:
    """Let this process open as many descriptors as it may; says what a command's soft limit shall be again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return ""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return str(soft)
    return ""
