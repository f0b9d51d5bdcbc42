"""Whether the disk has room for output. Output is the first thing to do without: the store needs the rest."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

from runner.clock import Clock
from runner.moment import SECOND, Span

_log = logging.getLogger("runner.executors")

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_MOST_FREE = 1 << 30
_LOOK_EVERY: Span = SECOND


class Room:
    """Looked at once a second at most, from the loops that keep output and from whoever tells how it is.

    `keep_free`: bytes that output leaves to others; None: 2 % of the disk, at most 1 GiB. `on_short` is called, in any
    thread, when there is no longer that much; it must return at once.
    """

    def __init__(self, directory: Path, clock: Clock, keep_free: int | None = None) -> None:
        self._directory = directory
        self._clock = clock
        self.keep_free = keep_free
        self.on_short: Callable[[], object] = _ignore
        self._looked: Span | None = None
        self._short = False

    @property
    def trouble(self) -> str:
        """In words, while output is dropped; else empty."""
        return "the disk is nearly full: output of commands is dropped" if self._short else ""

    def short(self) -> bool:
        """Whether output is to be dropped now."""
        now = self._clock.elapsed()
        if self._looked is None or now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._say(self._nearly_full())
        return self._short

    def refused(self, error: OSError) -> bool:
        """The disk refused a write: whether for want of room. It is then short until the next look."""
        if error.errno not in FULL:
            return False
        self._looked = self._clock.elapsed()
        self._say(True)
        return True

    def _nearly_full(self) -> bool:
        try:
            free, kept = free_and_kept(self._directory, self.keep_free)
        except OSError:
            return False
        return free < kept

    def _say(self, short: bool) -> None:
        was, self._short = self._short, short
        if short and not was:
            _log.error(
                "the disk of %s is nearly full: output of commands is dropped until there is room again; "
                "schedules go on",
                self._directory,
            )
            self.on_short()
        elif was and not short:
            _log.warning("the disk of %s has room again: output is kept", self._directory)


def free_and_kept(directory: Path, keep_free: int | None) -> tuple[int, int]:
    """Bytes: what is free on the disk of a directory, and what output leaves to others there. OSError."""
    disk = os.statvfs(directory)
    size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    return free, min(size // 50, _MOST_FREE) if keep_free is None else keep_free


def _ignore() -> None:
    return None
