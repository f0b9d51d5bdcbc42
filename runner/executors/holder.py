"""The process that keeps the pipes of a flood open (backlog.py): it outlives the runner, as a shim does.

It is known by a descriptor of the process, where the system gives one: a pid may be another's a moment after it was
looked at, and then that one would be killed or reaped in its place.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Sequence

from runner.executors import native

FIRST_FD = 10
"""Where it has the pipes."""

_BY_HANDLE = getattr(os, "P_PIDFD", 3)

_TEXT = r'read -r _ && : <"$1"'
"""It stays once it is told that it is on record, so that none is ever left that nobody knows of."""


class Holder:
    """`known`: the number the system gave the first of its pipes, by which it is told from others."""

    def __init__(self, pid: int, known: int, handle: int) -> None:
        self.pid = pid
        self.known = known
        self._handle = handle

    @classmethod
    def begin(cls, rest: str, pipes: Sequence[int]) -> tuple[Holder, int]:
        """Start one that waits on the named pipe `rest` for ever, and where to tell it that it is on record."""
        with contextlib.ExitStack() as opened:
            heard, tell = os.pipe2(os.O_CLOEXEC)
            opened.callback(os.close, heard)
            with contextlib.ExitStack() as failed:
                failed.callback(os.close, tell)
                null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                opened.callback(os.close, null)
                copies = [(heard, 0), (null, 1), (null, 2)]
                copies += [(pipe, FIRST_FD + number) for number, pipe in enumerate(pipes)]
                argv = ["/bin/sh", "-c", _TEXT, "runner-holder", rest]
                known = os.fstat(pipes[0]).st_ino
                pid = native.start("/bin/sh", argv, native.Inherited({}), {}, copies)
                failed.pop_all()
        return cls(pid, known, _handle(pid)), tell

    @classmethod
    def found(cls, pid: int, known: int) -> Holder | None:
        """One that an earlier runner began, if it is still there."""
        # In this order: who has the pid as its pipes are looked at had it before, so the descriptor is of that one.
        handle = _handle(pid)
        if _has(pid, known):
            return cls(pid, known, handle)
        if handle >= 0:
            os.close(handle)
        return None

    @property
    def there(self) -> bool:
        """Whether nobody has killed it."""
        return _has(self.pid, self.known)

    def pipe(self, number: int) -> str:
        """Where one of its pipes is found."""
        return _held_by(self.pid, number)

    def end(self) -> None:
        """End it, unless somebody did. It may be the child of a runner that is no more, or reaped by now."""
        handle, self._handle = self._handle, -1
        if handle < 0:
            self._end_by_number()
            return
        try:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitid(_BY_HANDLE, handle, os.WEXITED)
        except OSError:
            # A sandbox or a kernel that knows the descriptor, and not what is done with it.
            self._end_by_number()
        finally:
            os.close(handle)

    def _end_by_number(self) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            if self.there:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            else:
                os.waitpid(self.pid, os.WNOHANG)


def _handle(pid: int) -> int:
    """A descriptor of a process; less than nothing where the system knows none, or has none left."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return -1


def _held_by(pid: int, number: int) -> str:
    return f"/proc/{pid}/fd/{FIRST_FD + number}"


def _has(pid: int, known: int) -> bool:
    """Whether this process has the first pipe. It is not opened: a machine may have no descriptor left."""
    try:
        found = os.stat(_held_by(pid, 0))
    except OSError:
        return False
    return stat.S_ISFIFO(found.st_mode) and found.st_ino == known
