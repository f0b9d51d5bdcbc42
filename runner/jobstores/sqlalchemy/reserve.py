"""A piece of disk kept for the day it is full: given up first, so that what ends can still be written."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

SIZE = 1 << 20
_ROOM = 16 * SIZE
"""It is only set aside where so much stays free beside it."""


class Reserve:
    """One file of 1 MiB, allocated and never written to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self) -> None:
        """Set it aside where it is not, and there is plenty of room."""
        try:
            if self._path.exists() or shutil.disk_usage(self._path.parent).free < _ROOM:
                return
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file, 0, SIZE)
            else:
                os.write(file, b"\1" * SIZE)
        except OSError:
            self.give()
        finally:
            os.close(file)

    def give(self) -> bool:
        """Give it up; whether there was one."""
        with contextlib.suppress(OSError):
            self._path.unlink()
            return True
        return False
