"""What a flood prints, held in pipes until the log takes it, so that most of it never goes through a file.

Of a flood the log keeps the head and the tail, and what will be the tail is known only as it ends. To write everything
and delete most of it again costs several times what it costs to print. From one pipe to another the system moves whole
pages, without a copy: so what a flood printed last waits in a ring of pipes, and where that is full, the oldest pipe is
emptied into nothing. The log takes the rest as the flood ends, and every HOLD until then.

Nothing is lost or repeated where the runner is killed at any instant. The pipes are held open by a process of their
own, the holder, which outlives the runner as a shim does. Nobody but the runner moves bytes into or out of the ring, so
what a pipe of it holds tells exactly how far a move came. Which pipe is the oldest, and how much was dropped, is on
record before it is dropped. The next runner reads the record, and gives the log what is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import struct
import termios
from collections.abc import Iterator

from runner.executors.capture import PIECE, PIECES, Log
from runner.executors.holder import FIRST_FD, Holder
from runner.executors.marks import LINUX, Marks
from runner.executors.spawn import BUSY
from runner.moment import MILLISECOND

_log = logging.getLogger("runner.executors")

HOLD = 100 * MILLISECOND
"""So long at most what was printed waits until it is in the log."""
WIDE = 1 << 20
"""What each pipe is made to hold: as much as Linux gives to anyone."""
RECORD = "flood"
"""The file that says what there is, and who holds it."""
_SET_SIZE = getattr(fcntl, "F_SETPIPE_SZ", 1031)
_RING = 7
"""One is empty or being emptied, one is being filled, one makes up for pages that are not quite full."""
_MOST = 2
"""Floods held at once: Linux gives a user 64 MiB for pipes, and those of others become small where that is gone."""

_STATE = struct.Struct("<7Q")
"""The holder: its pid, how many pipes it has, and the number the system gave the first of them, by which it is known.
Then the log's piece that came before, the oldest pipe, and: when so many bytes are left in it, so many were dropped."""


def waiting(pipe: int) -> int:
    """How many bytes lie in a pipe."""
    count: int = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]
    return count


class Floods:
    """Begins what is held, as far as the machine allows. `rest`: the named pipe that a holder waits on for ever."""

    def __init__(self, rest: str) -> None:
        self._rest = rest
        self._held: list[Backlog] = []

    def begin(self, marks: Marks) -> Backlog | None:
        """None where there are too many, or the machine refuses."""
        self._held = [backlog for backlog in self._held if not backlog.ended]
        if not LINUX or len(self._held) >= _MOST:
            return None
        try:
            backlog = _begun(marks.file(RECORD), self._rest)
        except OSError:
            return None
        self._held.append(backlog)
        return backlog


class Backlog:
    """A ring of pipes. `put` fills it, `settle` and `parts` give the log what it holds."""

    def __init__(self, record: str, file: int, holder: Holder, pipes: list[int]) -> None:
        self._record = record
        self._file = file
        self._holder = holder
        self._pipes = pipes
        self._before = self._oldest = self._left = self._dropped = 0
        self.holds = False
        """Whether it stands between the command's pipe and the log."""

    @classmethod
    def left(cls, marks: Marks) -> Backlog | None:
        """What a killed runner left of an attempt."""
        record = marks.file(RECORD)
        try:
            file = os.open(record, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        pipes: list[int] = []
        holder: Holder | None = None
        try:
            pid, count, known, before, oldest, left, dropped = _STATE.unpack(os.pread(file, _STATE.size, 0))
            holder = Holder.found(pid, known)
            if holder is None:
                raise ProcessLookupError
            for number in range(count):
                pipes.append(os.open(holder.pipe(number), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        except (OSError, struct.error) as error:
            for descriptor in (file, *pipes):
                os.close(descriptor)
            if holder is not None:
                holder.end()
            # Most were killed before it was put to use, or the machine was started anew.
            if isinstance(error, OSError) and error.errno in BUSY:
                _log.warning("%s: what was held of its output is lost: %s", marks.name, error.strerror)
            release(record)
            return None
        backlog = cls(record, file, holder, pipes)
        backlog._before, backlog._oldest, backlog._left, backlog._dropped = before, oldest, left, dropped
        # Killed between the record and the end of the drop: the rest of it is still there.
        backlog._dropped -= waiting(pipes[oldest]) - left
        backlog.holds = True
        return backlog

    @property
    def ended(self) -> bool:
        return self._file < 0

    @property
    def kept(self) -> bool:
        """Whether it would outlive the runner: nobody killed its holder."""
        return self._holder.there

    def begin(self, before: int) -> bool:
        """Hold from now on what comes after this piece of the log, which is full; whether it can. It must be empty."""
        self._before = before
        with contextlib.suppress(OSError):
            self._say(self._oldest, 0, 0)
            self.holds = True
        return self.holds

    def put(self, source: int) -> int:
        """Move what a pipe has into it; 0 at that pipe's end. BlockingIOError where it has nothing.

        BufferError where it is full of pages that are not: it does not hold enough for a tail, and nothing was moved.
        """
        # All of it: what stayed would fill the pipe before the next move, and keep the command waiting.
        there, moved = waiting(source), 0
        while True:
            try:
                count = self._move(source)
            except (BlockingIOError, BufferError):
                if not moved:
                    raise
                return moved
            moved += count
            if not count or moved >= there:
                return moved

    def settle(self, log: Log) -> None:
        """Make ready to be taken: drop what the log would not keep, and have it go on behind that. OSError."""
        if log.newest > self._before:
            return  # A killed runner had begun to take it.
        held = sum(map(waiting, self._pipes))
        over = -self._dropped % PIECE
        over += max(0, -(-(held - over) // PIECE) - PIECES) * PIECE
        # There is less where a full disk refused what was held, and the runner was killed before the log went on.
        self._drop(min(over, held))
        if self._dropped:
            log.skip(self._before + 1 + self._dropped // PIECE)

    @property
    def dropped(self) -> int:
        """How many bytes did not stay, since it began to hold."""
        return self._dropped

    def parts(self) -> Iterator[int]:
        """Its pipes, oldest first, each as long as it holds something."""
        for pipe in (*self._pipes[self._oldest :], *self._pipes[: self._oldest]):
            while waiting(pipe):
                yield pipe

    def end(self) -> None:
        """It is empty and not needed any more."""
        if self.ended:
            return
        self.holds = False
        self._holder.end()
        for descriptor in (self._file, *self._pipes):
            os.close(descriptor)
        self._file = -1
        # Last: a holder that is not on record would stay for ever.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._record)

    def _move(self, source: int) -> int:
        """As much as the newest pipe takes."""
        for _ in self._pipes:
            newest = self._pipes[self._oldest - 1]
            try:
                return os.splice(source, newest, WIDE)
            except BlockingIOError:
                if _takes(newest):
                    raise
                self._turn()
        raise BufferError

    def _turn(self) -> None:
        """The newest pipe is full: go on with an empty one, and empty the one after that."""
        following = (self._oldest + 1) % len(self._pipes)
        goes = waiting(self._pipes[following])
        if goes and sum(map(waiting, self._pipes)) - goes < PIECES * PIECE:
            raise BufferError
        self._say(following, 0, self._dropped + goes)
        self._discard(following, goes)

    def _drop(self, count: int) -> None:
        """Drop so many bytes of the oldest."""
        pipe = self._oldest
        while count:
            held = waiting(self._pipes[pipe])
            goes = min(held, count)
            self._say(pipe, held - goes, self._dropped + goes)
            self._discard(pipe, goes)
            count -= goes
            pipe = (pipe + 1) % len(self._pipes)

    def _say(self, oldest: int, left: int, dropped: int) -> None:
        holder = self._holder
        state = _STATE.pack(holder.pid, len(self._pipes), holder.known, self._before, oldest, left, dropped)
        os.pwrite(self._file, state, 0)
        self._oldest, self._left, self._dropped = oldest, left, dropped

    def _discard(self, number: int, count: int) -> None:
        if not count:
            return
        nothing = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            while count:
                count -= os.splice(self._pipes[number], nothing, count)
        finally:
            os.close(nothing)


def release(record: str) -> None:
    """End the holder of a record that nobody asks for any more, and remove the record."""
    with contextlib.suppress(OSError):
        with contextlib.suppress(struct.error), open(record, "rb") as file:
            pid, _, known, *_ = _STATE.unpack(file.read())
            if (holder := Holder.found(pid, known)) is not None:
                holder.end()
        os.unlink(record)


def _begun(record: str, rest: str) -> Backlog:
    opened: list[int] = []
    holder: Holder | None = None
    try:
        file = os.open(record, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        opened.append(file)
        pipes = [_pipe(opened) for _ in range(_RING)]
        holder, tell = Holder.begin(rest, pipes)
        try:
            backlog = Backlog(record, file, holder, pipes)
            backlog._say(0, 0, 0)
            os.write(tell, b"\n")
        finally:
            os.close(tell)
    except BaseException:
        for descriptor in opened:
            os.close(descriptor)
        if holder is not None:
            holder.end()
        with contextlib.suppress(OSError):
            os.unlink(record)
        raise
    return backlog


def _pipe(opened: list[int]) -> int:
    """One descriptor that reads and writes, above those of the holder. OSError where it cannot hold enough."""
    ends = os.pipe2(os.O_CLOEXEC)
    try:
        if fcntl.fcntl(ends[0], _SET_SIZE, WIDE) < WIDE:
            raise BlockingIOError("the pipe stays too small")
        both = os.open(f"/proc/self/fd/{ends[0]}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            high = fcntl.fcntl(both, fcntl.F_DUPFD_CLOEXEC, FIRST_FD + _RING)
        finally:
            os.close(both)
    finally:
        for end in ends:
            os.close(end)
    opened.append(high)
    return high


def _takes(pipe: int) -> bool:
    """Whether a pipe has room for another page."""
    asked = select.poll()
    asked.register(pipe, select.POLLOUT)
    return bool(asked.poll(0))
