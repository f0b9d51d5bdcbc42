"""One command at work: its pipes into its log, and what is known of its end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from runner.core.run import AttemptKey, Outcome
from runner.executors.backlog import WIDE, Backlog, Floods, waiting
from runner.executors.capture import Log
from runner.executors.marks import Marks
from runner.executors.room import Room
from runner.executors.spawn import Order
from runner.frozen import frozen
from runner.moment import MILLISECOND, Moment, Span

CHUNK = 1 << 16
"""What a pipe holds where nobody asked for more."""
_SET_SIZE = getattr(fcntl, "F_SETPIPE_SZ", 1031 if sys.platform == "linux" else None)
QUICK = 20 * MILLISECOND
"""A piece of its log that is full within this time is a flood."""
REST = 1e-6
"""Seconds between two moves of a flood: as short as the system can, which is about fifty times as long."""
DRAIN = 1 << 21
"""More than a pipe can hold: what the command itself wrote is read to its end, an endless grandchild is not."""


class Mask(Protocol):
    """Hides secrets in a stream, across the edges of what it is fed."""

    def feed(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


@frozen
class Ended:
    """What is known of a command that ended. `exit_code` None: nobody saw its end."""

    marks: Marks
    exit_code: int | None
    started_at: Moment
    ended_at: Moment
    tail: str


@frozen
class Launch:
    """A command ready to start. `judge` makes an outcome of an end nobody forced; `mask` makes a fresh mask."""

    order: Order
    stop_signal: int
    stop_grace: Span
    judge: Callable[[Ended], Outcome]
    mask: Callable[[], Mask] | None = None
    kill: Callable[[], None] | None = None
    """Kills whoever is in its control group, where it has one."""
    slow: bool = False
    """Judging it takes time (files to copy, a regular expression): not on the loop."""


def widen(pipe: int) -> None:
    """Let the writer of a pipe go on for longer while nobody reads: a flood then costs far fewer wake-ups.

    Where the system refuses (it gives each user so much memory for pipes), it stays as it is.
    """
    if _SET_SIZE is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, _SET_SIZE, WIDE)


@dataclass(slots=True)
class Child:
    """The state of one command; only the loop thread touches it."""

    key: AttemptKey
    name: str
    launch: Launch
    log: Log
    pid: int
    pipes: list[int]
    started_at: Moment
    own: bool = True
    """A child of this process, which must be reaped."""
    adopted: bool = False
    """Begun by an earlier executor, and taken over."""
    pidfd: int = -1
    wide: list[bool] = field(default_factory=lambda: [False, False])
    """Which pipes were asked to hold more."""
    masks: list[Mask | None] = field(default_factory=lambda: [None, None])
    exit_code: int | None = None
    ended_at: Moment | None = None
    stopping: str = ""
    killed: bool = False
    gone: bool = False
    """The shim is no more."""
    refused: bool = False
    """The shim came too late to begin the command."""
    finished: bool = False
    room: Room | None = None
    """Says whether the disk has room for output."""
    floods: Floods | None = None
    """Begins to hold what it floods; None where it must not, or could not."""
    backlog: Backlog | None = None
    """What it printed last, and the log does not have yet."""
    filled_at: Moment = 0
    """When a piece of its log was full last, or its pipe for the first time."""
    due: bool = False
    """Somebody sees to it that the log is given that."""
    pressing: bool = False
    """Whether more waited in its pipe, or will have come by now: it is not worth while to be told of that."""
    lost: int = 0
    """Bytes dropped since output was last kept."""
    dropped: int = 0
    """Bytes dropped for want of room, in all."""
    trouble: str = ""
    """Why the log could not be written any more, where it could not."""

    @property
    def spoiled(self) -> str:
        """Why output could not be kept, where it could not."""
        if self.dropped and not self.trouble:
            return f"the disk was nearly full, {self.dropped} bytes were dropped"
        return self.trouble

    @property
    def holds(self) -> bool:
        """Whether some of what it printed waits for `let_go`."""
        return self.backlog is not None and self.backlog.holds

    def pump(self, index: int, now: Moment) -> int:
        """Move one chunk from a pipe to the log. 0 at the pipe's end; BlockingIOError where it is empty."""
        mask = self.masks[index]
        count = self._move(self.pipes[index], index, now)
        if not count and mask:
            self._keep(index, mask.flush(), now)
            self.masks[index] = None
        return count

    def _move(self, pipe: int, index: int, now: Moment) -> int:
        mask = self.masks[index]
        if mask is None and (self.log.opened or waiting(pipe)) and self._may_write(now):
            try:
                return self.log.splice(index, pipe, now)
            except BlockingIOError:
                raise
            except OSError as error:
                self._spoil(error)
        data = os.read(pipe, CHUNK)
        if data:
            self._keep(index, mask.feed(data) if mask else data, now)
        return len(data)

    def pour(self, index: int, now: Moment) -> bool:
        """Move what a pipe holds to the log, but so much at once that others are not kept waiting. False at its end."""
        moved = 0
        self.pressing = False
        with contextlib.suppress(BlockingIOError):
            while moved < WIDE:
                if index == 0 and self._floods(now) and (count := self._hold()) is not None:
                    if not count:
                        return False
                    moved += count
                    # Each move keeps the command from its pipe, and so does being woken: less often, more at once.
                    time.sleep(REST)
                    continue
                self.let_go(now)
                count = self.pump(index, now)
                if not count:
                    return False
                moved += count
                if moved >= CHUNK and not self.wide[index]:
                    # More came than fits at once: the command waits for the reader.
                    self.wide[index] = True
                    self.filled_at = now
                    widen(self.pipes[index])
            self.pressing = self.holds
        return True

    def _floods(self, now: Moment) -> bool:
        """Whether what it prints is held back. That begins where a piece of its log is full, and was so quickly."""
        if self.holds:
            return True
        if self.floods is None or not self.log.full:
            return False
        took, self.filled_at = now - self.filled_at, now
        if took > QUICK:
            return False
        if self.backlog is not None and not self.backlog.kept:
            self._end_backlog()
        if self.backlog is None:
            self.backlog = self.floods.begin(self.launch.order.marks)
        if self.backlog is None or not self.backlog.begin(self.log.newest):
            self.floods = None
        return self.holds

    def _hold(self) -> int | None:
        """Hold what its stdout has; 0 at its end, None where it cannot be held."""
        assert self.backlog is not None
        try:
            return self.backlog.put(self.pipes[0])
        except BlockingIOError:
            raise
        except (BufferError, OSError):
            self.floods = None
            return None

    def let_go(self, now: Moment) -> None:
        """Give the log what is held back for it."""
        backlog = self.backlog
        if backlog is None or not backlog.holds:
            return
        try:
            backlog.settle(self.log)
        except OSError as error:
            self._spoil(error)
            self.lost += backlog.dropped
            self.dropped += backlog.dropped
        for pipe in backlog.parts():
            self._move(pipe, 0, now)
        backlog.holds = False
        if not backlog.dropped or self.floods is None:
            # It printed much, but fast enough it was not.
            self._end_backlog()

    def recover(self, now: Moment) -> None:
        """Give its log what an earlier runner held back."""
        self.backlog = Backlog.left(self.launch.order.marks)
        self.let_go(now)
        self._end_backlog()

    def _end_backlog(self) -> None:
        if self.backlog is not None:
            self.backlog.end()
            self.backlog = None

    def drain(self, now: Moment) -> None:
        """Read what is in the pipes now."""
        self.let_go(now)
        for index, pipe in enumerate(self.pipes):
            # Most have nothing to say: asking is cheaper than an attempt to read.
            if pipe < 0 or not waiting(pipe):
                continue
            moved = 0
            with contextlib.suppress(BlockingIOError):
                while moved < DRAIN:
                    count = self.pump(index, now)
                    if not count:
                        break
                    moved += count

    def close_pipe(self, index: int) -> None:
        if self.pipes[index] >= 0:
            os.close(self.pipes[index])
            self.pipes[index] = -1

    def close(self, now: Moment) -> None:
        """Give back every descriptor; what was held back is written."""
        self.let_go(now)
        self._end_backlog()
        for index, mask in enumerate(self.masks):
            if mask is not None:
                self._keep(index, mask.flush(), now)
                self.masks[index] = None
            self.close_pipe(index)
        self.log.close()

    def _keep(self, index: int, data: bytes, now: Moment) -> None:
        if not data or self.trouble:
            return
        if not self._may_write(now):
            self.lost += len(data)
            self.dropped += len(data)
            return
        try:
            self.log.append(index, data, now)
        except OSError as error:
            self._spoil(error)
            if not self.trouble:
                self.lost += len(data)
                self.dropped += len(data)

    def _may_write(self, now: Moment) -> bool:
        """Whether there is a log and a disk to write to; what was dropped until now is noted there first."""
        if self.trouble or (self.room is not None and self.room.short()):
            return False
        return not self.lost or self.note_lost(now)

    def note_lost(self, now: Moment) -> bool:
        """Say in the log what was dropped at this place; whether it could be said."""
        note = f"\n… {self.lost} bytes dropped: the disk was nearly full …\n".encode()
        self.lost = 0
        try:
            self.log.append(1, note, now)
        except OSError as error:
            self._spoil(error)
            return False
        return True

    def _spoil(self, error: OSError) -> None:
        # The disk is full or the log is gone: the command goes on, its output is read and dropped.
        if self.room is None or not self.room.refused(error):
            self.trouble = error.strerror or str(error)
