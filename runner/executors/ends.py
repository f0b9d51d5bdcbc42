"""Where shims tell that their commands ended: one named pipe of an executor, and what is read from it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial

from runner.executors import spawn
from runner.executors.loop import Loop, guarded


class Ends:
    """`told` is called on the loop, with the attempt's id and its exit code."""

    def __init__(self, path: str, loop: Loop, told: Callable[[str, int], None]) -> None:
        self.path = path
        self._loop = loop
        self._told = told
        self._lock = threading.Lock()
        self._pipe = self._hold = -1

    def listen(self) -> None:
        """Hear of ends from now on. Not before something is begun or taken over here: a runner that stands by with
        the same state directory would read away what is told to the one that leads."""
        if self._hold >= 0:
            return
        with self._lock:
            if self._hold >= 0:
                return
            self._pipe = spawn.open_pipe(self.path, make=True)
            # Held open for writing too: without any writer the pipe would be at its end, and ready, for ever.
            self._hold = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._loop.call(partial(self._loop.watch, self._pipe, self._read))

    def close(self) -> None:
        """Once the loop has ended."""
        for descriptor in (self._pipe, self._hold):
            if descriptor >= 0:
                os.close(descriptor)

    def _read(self) -> None:
        try:
            said = os.read(self._pipe, 1 << 16)
        except BlockingIOError:
            return
        for line in said.decode("ascii", "replace").splitlines():
            name, _, code = line.partition(" ")
            if code.isdigit():
                guarded(self._told, name, int(code))
