"""Directories watched through Linux's inotify: a thread that waits costs nothing until something happens.

The libraries that wrap inotify look at its queue a hundred times a second, or hold events back for half a second.
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
from collections.abc import Iterable
from pathlib import Path

_CLOEXEC, _NONBLOCK = os.O_CLOEXEC, os.O_NONBLOCK
_MODIFY, _CLOSE_WRITE, _MOVED, _CREATE, _DELETE = 0x2, 0x8, 0xC0, 0x100, 0x200
_SELF = 0xC00
"""The directory itself was deleted or moved."""
_CHANGES = _MODIFY | _CLOSE_WRITE | _MOVED | _CREATE | _DELETE | _SELF


class Inotify:
    """Waits until something in its directories changes. OSError where the system refuses a watch."""

    def __init__(self, directories: Iterable[Path], wake: int) -> None:
        """`wake`: a descriptor whose being readable ends a wait."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._queue: int = self._libc.inotify_init1(_CLOEXEC | _NONBLOCK)
        if self._queue < 0:
            raise self._error("inotify")
        self._poll = select.poll()
        self._poll.register(self._queue, select.POLLIN)
        self._poll.register(wake, select.POLLIN)
        try:
            for directory in directories:
                if self._libc.inotify_add_watch(self._queue, os.fsencode(directory), _CHANGES) < 0:
                    raise self._error(str(directory))
        except OSError:
            self.close()
            raise

    def wait(self, seconds: float) -> bool:
        """Whether something changed; False after so long, or once the descriptor that wakes can be read."""
        return any(ready == self._queue for ready, _ in self._poll.poll(seconds * 1000))

    def clear(self) -> None:
        """Forget what has happened until now."""
        try:
            while os.read(self._queue, 1 << 16):
                continue
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self._queue)

    def _error(self, what: str) -> OSError:
        number = ctypes.get_errno()
        return OSError(number, os.strerror(number), what)


POSSIBLE = sys.platform.startswith("linux")
