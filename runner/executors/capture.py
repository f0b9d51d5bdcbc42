"""The log of an attempt, written: the head and the tail are kept, what lies between is dropped.

The bytes are stored raw, in files that `cat` reads: the head, then pieces of the tail that are deleted from
the oldest on as new ones come. All state is in the names and sizes of the files, so a runner that is killed
between two instructions leaves nothing to repair, and the next one goes on where it ended. Beside each file
stands an index of 16-byte entries (offset, moment and stream) from which lines get their time and stream. A piece of
the tail without an index is stdout, of the moment it was last written: in a flood no piece needs more.
"""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

from runner.moment import MILLISECOND, Moment

HEAD = 1 << 20
PIECE = 1 << 20
PIECES = 4
"""The tail: at most this many pieces, the one being written included."""

INDEX = struct.Struct("<QQ")
_SPARSE = 100 * MILLISECOND
"""Entries of one stream stand at least this far apart: an index must not outgrow what it describes."""


def piece_path(path: Path, number: int) -> Path:
    """The file of one piece: 0 is the head, the tail counts from 1 in a directory beside it."""
    return path if number == 0 else tail_dir(path) / f"{number:08d}"


def tail_dir(path: Path) -> Path:
    return path.with_name(f"{path.name}.d")


def index_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.t")


def pieces(path: Path) -> list[tuple[int, int]]:
    """(number, size) of the pieces that exist, in order."""
    found = []
    try:
        found.append((0, path.stat().st_size))
        entries = os.scandir(tail_dir(path))
    except OSError:
        return found
    with entries:
        for entry in entries:
            if entry.name.isdigit():
                try:
                    found.append((int(entry.name), entry.stat().st_size))
                except OSError:
                    continue
    return sorted(found)


def capacity(number: int) -> int:
    return HEAD if number == 0 else PIECE


class Log:
    """Writes one attempt's log. Files are made when the first byte comes: a silent command leaves none."""

    def __init__(self, path: Path | str) -> None:
        # A text: a flood makes and removes thousands of files, and a Path costs more than a file does.
        self._name = str(path)
        self._file = -1
        self._index = -1
        self._number = 0
        self._size = 0
        self._entry: tuple[int, Moment] | None = None
        self._owed = b""
        """The piece's first entry, for as long as no other has to be written."""
        self.written = False
        """Whether there is anything to read."""

    @property
    def opened(self) -> bool:
        return self._file >= 0

    @property
    def full(self) -> bool:
        """Whether a new piece begins with what comes next."""
        return self._file >= 0 and self._size >= capacity(self._number)

    @property
    def newest(self) -> int:
        """The number of the last piece there is."""
        if self._file >= 0:
            return self._number
        known = pieces(Path(self._name))
        return known[-1][0] if known else 0

    def skip(self, number: int) -> None:
        """Go on with this piece: those between were dropped before they were written."""
        self.close()
        self._open(number)
        self._drop_until(number - PIECES)

    def append(self, stream: int, data: bytes, now: Moment) -> None:
        """Write bytes of a stream (0 stdout, 1 stderr). OSError where the disk refuses them."""
        view = memoryview(data)
        while view:
            room = self._room()
            self._mark(stream, now)
            written = os.write(self._file, view[:room])
            self._size += written
            view = view[written:]

    def splice(self, stream: int, source: int, now: Moment) -> int:
        """Move bytes from a pipe without a copy that a killed runner could lose. 0 at its end.

        BlockingIOError where the pipe is empty.
        """
        room = self._room()
        moved = os.splice(source, self._file, min(room, PIECE))
        if moved:
            self._mark(stream, now)
            self._size += moved
        return moved

    def close(self) -> None:
        # Forgotten first, and each closed whatever the other says: a number may be somebody else's a moment later.
        descriptors = [each for each in (self._index, self._file) if each >= 0]
        self._file = self._index = -1
        with contextlib.ExitStack() as every:
            for descriptor in descriptors:
                every.callback(os.close, descriptor)

    def _room(self) -> int:
        if self._file < 0:
            self._open(self.newest)
            # One that was killed between a new piece and the end of the oldest has left it.
            self._drop_until(self._number - PIECES)
        room = capacity(self._number) - self._size
        if room <= 0:
            self.close()
            self._open(self._number + 1)
            self._drop(self._number - PIECES)
            room = capacity(self._number)
        return room

    def _open(self, number: int) -> None:
        path = self._piece(number)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = os.open(path, flags, 0o600)
        except FileNotFoundError:
            # `parents` would make logs/ itself by the umask.
            parent = Path(path).parent
            parent.parent.mkdir(exist_ok=True, mode=0o700)
            parent.mkdir(exist_ok=True, mode=0o700)
            self._file = os.open(path, flags, 0o600)
        self._size = os.lseek(self._file, 0, os.SEEK_END)
        self._number = number
        self._entry = None
        self._owed = b""
        if self._size and number and not os.path.exists(f"{path}.t"):
            # An earlier runner's: what it wrote keeps its time.
            self._owed = INDEX.pack(0, os.fstat(self._file).st_mtime_ns // 1_000 << 1)
        self.written = True

    def _drop_until(self, number: int) -> None:
        """Drop this piece of the tail and all before it."""
        for known, _ in pieces(Path(self._name)) if number > 0 else ():
            if known <= number:
                self._drop(known)

    def _drop(self, number: int) -> None:
        if number < 1:
            return
        # The index first: a piece that is left by a kill in between is found again, an index alone is not.
        for path in (f"{self._piece(number)}.t", self._piece(number)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _piece(self, number: int) -> str:
        return self._name if number == 0 else f"{self._name}.d/{number:08d}"

    def _mark(self, stream: int, now: Moment) -> None:
        if self._entry is not None and self._entry[0] == stream and now - self._entry[1] < _SPARSE:
            return
        entry = INDEX.pack(self._size, now << 1 | stream)
        first = self._entry is None and not self._size and self._number and not stream
        self._entry = (stream, now)
        if first:
            self._owed = entry
            return
        if self._index < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_APPEND
            self._index = os.open(f"{self._piece(self._number)}.t", flags, 0o600)
        os.write(self._index, self._owed + entry)
        self._owed = b""
