"""Starts a shim: its lock, its pipes, and one posix_spawn."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import resource
from collections.abc import Mapping

from runner.executors import native, shim
from runner.executors.base import Until, always
from runner.executors.marks import LINUX, Marks, write_private
from runner.frozen import frozen

PIPES = ("out", "err")
BUSY = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})
"""A machine short of something: worth another try soon."""


class Revoked(Exception):
    """Another runner leads, or may soon: the attempt is its to begin."""


@frozen
class Order:
    """What is started. `env` comes on top of what is `inherited`.

    `files` are written beside its marks first, as name -> bytes.
    """

    marks: Marks
    argv: tuple[str, ...]
    inherited: native.Inherited
    env: Mapping[str, str]
    working_dir: str
    files: Mapping[str, bytes]
    until: Until = always

    @classmethod
    def begun(cls, path: str) -> Order:
        """Of an attempt that has begun: where it lies is all that is known."""
        return cls(Marks.of(path), (), native.Inherited({}), {}, "", {})


@frozen
class Spawned:
    """A shim at work: its pid and the reading ends of stdout and stderr."""

    pid: int
    pipes: tuple[int, int]


def spawn(
    order: Order, *, ended: str, rest: str, descriptors: str, umask: str, null: int, deadline: str
) -> Spawned:
    """Start the command behind its shim. AlreadyBegun, or OSError where the machine refuses."""
    marks = order.marks
    marks.make()
    lock = _high(marks.lock())
    opened: list[int] = []
    try:
        for name, data in order.files.items():
            write_private(marks.file(name), data)
        for name in PIPES:
            opened += _make_pipe(marks.file(name))
        pid = native.start(
            "/bin/sh",
            shim.argv(
                marks.name,
                marks.marker,
                marks.file(shim.STOP),
                order.working_dir,
                descriptors,
                umask,
                ended,
                rest,
                deadline,
                order.argv,
            ),
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


def _high(descriptor: int) -> int:
    """The same above those the shim uses: one of them must not be overwritten before it is copied."""
    if descriptor > shim.LOCK_FD:
        return descriptor
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, shim.LOCK_FD + 1)
    finally:
        # Also where there is none above: a lock that nobody gives back would be taken for a shim's.
        os.close(descriptor)


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


def reopen_pipes(marks: Marks, pid: int) -> list[int]:
    """The reading ends of an attempt of an earlier process, whose shim still holds them."""
    if LINUX:
        return [open_pipe(f"/proc/{pid}/fd/{number}", make=False) for number in shim.READ_FDS]
    return [open_pipe(marks.file(name), make=False) for name in PIPES]


def open_pipe(path: str, *, make: bool) -> int:
    """The reading end of a named pipe, not blocking; `make` creates it where it is missing."""
    if make:
        make_pipe(path)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def make_pipe(path: str) -> None:
    """A named pipe that is there from now on."""
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path, 0o600)


def is_ours(pid: int) -> bool:
    """Whether it is a child of this process."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def file_name(text: str) -> str:
    """A name on disk for text people wrote."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def usual_umask() -> str:
    """This process's umask, as a shell takes it."""
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("Umask:"):
                return line.split()[1]
    # Elsewhere it is told only by setting it: what another thread makes in this instant is private.
    umask = os.umask(0o077)
    os.umask(umask)
    return f"{umask:04o}"


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
