"""A computer with a state directory, as others on the same store know it; one process at a time speaks for it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
from pathlib import Path


class Host:
    """`name` is the same after a restart. The lock ends with the process, however it ends."""

    def __init__(self, state: Path) -> None:
        self._path = state / "host.lock"
        machine = socket.gethostname()
        self.name = f"{machine}/{hashlib.blake2b(f'{machine}:{state}'.encode(), digest_size=4).hexdigest()}"
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
