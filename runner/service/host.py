"""A computer with a state directory, as others on the same store know it; one process at a time speaks for it.

Its name must never be another one's: who stands by under the leader's name finds no mark of what the leader runs, and
would say that it never began. Computers made from one image may have one hostname and one path; so a random id in the
state directory is part of the name, and the machine's own id, should the directory be copied.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

MACHINE = Path("/etc/machine-id")


class Host:
    """`name` is the same after a restart. The lock ends with the process, however it ends."""

    def __init__(self, state: Path) -> None:
        self._path = state / "host.lock"
        machine = socket.gethostname()
        text = f"{machine}:{state}"
        if own := _own_id(state, used=self._path.exists()):
            text = f"{text}:{own}:{_machine_id()}"
        self.name = f"{machine}/{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
        self._lock = -1

    def take(self) -> bool:
        """Speak for the host from now on; False where another process does."""
        if self._lock >= 0:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def give(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _own_id(state: Path, *, used: bool) -> str:
    """The id in a state directory, made with it. None in one that was `used` before there were ids: attempts that are
    under way there bear the name without one."""
    path = state / "host.id"
    if not used and not path.exists():
        # What is there counts: a file system on which a directory cannot be synced has the file all the same, and the
        # next process would find it.
        with suppress(OSError):
            _make_id(state, path)
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _make_id(state: Path, path: Path) -> None:
    directory = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # The first one stays: another process may do the same just now.
        fcntl.flock(directory, fcntl.LOCK_EX)
        if path.exists():
            return
        new = state / ".host.id.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_hex(8)}\n")
            file.flush()
            os.fsync(descriptor)
        # Whole or not at all, and there after a power loss: what is on record then bears the name that it makes.
        new.replace(path)
        os.fsync(directory)
    finally:
        os.close(directory)


def _machine_id() -> str:
    try:
        return MACHINE.read_text().strip()
    except OSError:
        return ""
