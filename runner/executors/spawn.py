"""Starts a shim: the private directory, its lock and pipes, and one posix_spawn."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from runner.executors import native, shim
from runner.executors.base import Until, always

LINUX = sys.platform.startswith("linux")
PIPES = ("out", "err")
BUSY = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})
"""A machine short of something: worth another try soon."""


class Revoked(Exception):
    """Another runner leads, or may soon: the attempt is its to begin."""


class AlreadyBegun(Exception):
    """The attempt's marker or lock is there: some shim has it, and it is not started again."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is started. `env` comes on top of what is `inherited`.

    `files` are written into the private directory first, as name -> bytes.
    """

    directory: str
    argv: tuple[str, ...]
    inherited: native.Inherited
    env: Mapping[str, str]
    working_dir: str
    files: Mapping[str, bytes]
    until: Until = always

    @classmethod
    def begun(cls, directory: str) -> Order:
        """Of an attempt that has begun: where it lies is all that is known."""
        return cls(directory, (), native.Inherited({}), {}, "", {})


@dataclass(frozen=True, slots=True)
class Spawned:
    """A shim at work: its pid and the reading ends of stdout and stderr."""

    pid: int
    pipes: tuple[int, int]


def spawn(order: Order, *, ended: str, rest: str, descriptors: str, null: int, deadline: str) -> Spawned:
    """Start the command behind its shim. AlreadyBegun, or OSError where the machine refuses."""
    directory = order.directory
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        # Not by reading it: that takes a descriptor, and a machine that has none left would say that it has begun.
        if os.path.lexists(f"{directory}/{shim.MARKER}"):
            raise AlreadyBegun from None
    lock = _lock(directory)
    opened: list[int] = []
    try:
        for name, data in order.files.items():
            write_private(f"{directory}/{name}", data)
        for name in PIPES:
            opened += _make_pipe(f"{directory}/{name}")
        pid = native.start(
            "/bin/sh",
            shim.argv(directory, order.working_dir, descriptors, ended, rest, deadline, order.argv),
            order.inherited,
            order.env,
            _copies(null, (opened[0], opened[2]), (opened[1], opened[3]), lock),
        )
    except BaseException:
        for descriptor in opened[0::2]:
            os.close(descriptor)
        raise
    finally:
        os.close(lock)
        for descriptor in opened[1::2]:
            os.close(descriptor)
    return Spawned(pid, (opened[0], opened[2]))


def uptime() -> int | None:
    """Hundredths of a second since the machine started, as a shim reads it; None where there is no such file."""
    try:
        with open("/proc/uptime", encoding="ascii") as file:
            return int(file.read().split()[0].replace(".", ""))
    except (OSError, ValueError):
        return None


def _copies(
    null: int, reading: tuple[int, int], writing: tuple[int, int], lock: int
) -> list[tuple[int, int]]:
    wanted = [(null, 0), (null, 1), (null, 2), (lock, shim.LOCK_FD)]
    wanted += zip(reading, shim.READ_FDS, strict=True)
    wanted += zip(writing, shim.WRITE_FDS, strict=True)
    return wanted


def _lock(directory: str) -> int:
    """The lock is on the directory itself: one file less to make."""
    lock = _high(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise AlreadyBegun from None
    return lock


def _high(descriptor: int) -> int:
    """The same above those the shim uses: one of them must not be overwritten before it is copied."""
    if descriptor > shim.LOCK_FD:
        return descriptor
    higher = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, shim.LOCK_FD + 1)
    os.close(descriptor)
    return higher


def _make_pipe(path: str) -> tuple[int, int]:
    """(reading end, not blocking; writing end). Where there is no /proc to find it again, it has a name."""
    if LINUX:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        if min(reading, writing) <= shim.LOCK_FD:
            reading, writing = _high(reading), _high(writing)
        os.set_blocking(reading, False)
        return reading, writing
    reading = _high(open_pipe(path, make=True))
    return reading, _high(os.open(path, os.O_WRONLY | os.O_CLOEXEC))


def reopen_pipes(directory: str, pid: int) -> list[int]:
    """The reading ends of an attempt of an earlier process, whose shim still holds them."""
    if LINUX:
        return [open_pipe(f"/proc/{pid}/fd/{number}", make=False) for number in shim.READ_FDS]
    return [open_pipe(f"{directory}/{name}", make=False) for name in PIPES]


def locked(directory: str) -> bool:
    """Whether some shim holds the attempt's lock: it lives."""
    try:
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
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


def open_pipe(path: str, *, make: bool) -> int:
    """The reading end of a named pipe, not blocking; `make` creates it where it is missing."""
    if make:
        make_pipe(path)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def make_pipe(path: str) -> None:
    """A named pipe that is there from now on."""
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path, 0o600)


def write_private(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)


def marker(directory: str) -> int | None:
    """The shim's pid where the attempt has begun, 0 where the pid cannot be read, None where it has not."""
    said = _said(directory)
    return None if said is None else said[0] if said else 0


def exit_code(directory: str) -> int | None:
    """The command's exit code where it has ended (128 + n where signal n killed it), else None."""
    said = _said(directory)
    return said[1] if said and len(said) > 1 else None


def _said(directory: str) -> list[int] | None:
    try:
        with open(f"{directory}/{shim.MARKER}", encoding="ascii") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return []
    # A line without its end is being written, or its writer was killed.
    return [int(line) for line in text.split("\n")[:-1] if line.isdigit()]


def is_ours(pid: int) -> bool:
    """Whether it is a child of this process."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def changed_at(path: str) -> int | None:
    """When the file was last written, as a moment; None where there is none."""
    try:
        return os.stat(path).st_mtime_ns // 1_000
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
