"""How any thread wakes the one that waits for descriptors: a pipe that nobody writes into once it is closed."""

from __future__ import annotations

import contextlib
import os


class Bell:
    """Law: what is rung before `hear` is heard by it, however often it was rung; after `close` a ring is lost."""

    def __init__(self) -> None:
        self._ends: _Ends | None = _Ends()
        self.descriptor = self._ends.read
        """Can be read while it is rung."""
        self.rung = False

    def ring(self) -> None:
        """Wake the waiter, from any thread or signal handler."""
        if not self.rung:
            self.rung = True
            ends = self._ends
            if ends is not None:
                with contextlib.suppress(BlockingIOError):
                    os.write(ends.write, b"\0")

    def hear(self) -> None:
        """Make it quiet; only who waits for it."""
        # Emptied first, then open to rings: the other way round a ring between the two would be read away, still
        # count as rung, and silence every later one. A ring between the two now is not lost either: its caller looks.
        with contextlib.suppress(BlockingIOError):
            os.read(self.descriptor, 4096)
        self.rung = False

    def close(self) -> None:
        """Only who waits for it. Who is just ringing may do so to the end."""
        self.rung = True
        self._ends = None


class _Ends:
    """A pipe, closed when the last who holds it lets go.

    Not sooner: who stands between the look at the number of a descriptor and the write would write into whatever file
    has the number since. No lock keeps them apart, for a signal may interrupt whoever holds it, and ring.
    """

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        self._process = os.getpid()
        os.set_blocking(self.read, False)
        os.set_blocking(self.write, False)

    def __del__(self) -> None:
        # In the child of a fork the numbers may be of something else.
        if os.getpid() == self._process:
            os.close(self.read)
            os.close(self.write)
