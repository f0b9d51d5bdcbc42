"""The log of an attempt, read: whole, its last lines, or followed while it grows (docs/commands.md)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.core.run import AttemptKey
from runner.executors.capture import INDEX, PIECE, index_path, piece_path, pieces, tail_dir
from runner.executors.place import log_file
from runner.moment import Moment

STREAMS = ("stdout", "stderr")
TAIL_LINES = 20
TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Line:
    """One line: when its end arrived, which stream, its raw bytes without the newline.

    `stream` is `stdout`, `stderr`, or `note` for the mark that stands where bytes were dropped.
    """

    at: Moment
    stream: str
    raw: bytes

    @property
    def text(self) -> str:
        """The line for people: UTF-8 where it is, control characters and other bytes escaped."""
        return readable(self.raw)


def path_of(state_dir: Path, key: AttemptKey) -> Path:
    """The log file of an attempt; it exists once something was printed. More files stand beside it."""
    return Path(log_file(state_dir, key))


def read(path: Path) -> bytes:
    """What was kept, raw: head, a mark saying how many bytes were dropped, tail. Empty where there is none."""
    parts: list[bytes] = []
    previous = -1
    for number, _ in pieces(path):
        if number > previous + 1:
            parts.append(b"\n" + _gap(previous, number) + b"\n")
        try:
            parts.append(piece_path(path, number).read_bytes())
        except FileNotFoundError:
            continue
        previous = number
    return b"".join(parts)


def tail(path: Path, lines: int = TAIL_LINES, limit: int = TAIL_BYTES) -> str:
    """The last lines, for people and messages: at most `lines` of them and `limit` bytes, escaped."""
    data = b""
    for number, _ in reversed(pieces(path)):
        try:
            with piece_path(path, number).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - (limit + 1 - len(data))))
                data = file.read() + data
        except FileNotFoundError:
            break
        if len(data) > limit:
            break
    cut = len(data) > limit
    rows = data.rstrip(b"\n").split(b"\n")
    if cut and len(rows) > 1:
        rows = rows[1:]
    return "\n".join(readable(row[-limit:]) for row in rows[-lines:])


def lines(path: Path) -> Iterator[Line]:
    """Every kept line with its time and stream, and a note where bytes were dropped."""
    reader = _Reader(path)
    yield from reader.more()
    yield from reader.rest()


def follow(path: Path, ended: Callable[[], bool], wait: Callable[[], object]) -> Iterator[Line]:
    """Every kept line, then those that come, until `ended` says so. `wait` passes the time between two looks.

    What is dropped faster than it is read is told by a note.
    """
    reader = _Reader(path)
    while True:
        last = ended()
        yield from reader.more()
        if last:
            yield from reader.rest()
            return
        wait()


def remove(path: Path) -> int:
    """Delete a log with all that stands beside it; says how many bytes went."""
    freed = 0
    for number, size in reversed(pieces(path)):
        piece = piece_path(path, number)
        index_path(piece).unlink(missing_ok=True)
        piece.unlink(missing_ok=True)
        freed += size
    with contextlib.suppress(OSError):
        tail_dir(path).rmdir()
    return freed


def size(path: Path) -> int:
    """How many bytes of disk the log takes, its index not counted."""
    return sum(size for _, size in pieces(path))


def readable(raw: bytes) -> str:
    """Text that is safe to print anywhere: tabs stay, other control characters and stray bytes are escaped."""
    text = raw.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c == "\t" or c.isprintable() else _escaped(c) for c in text.removesuffix("\r"))


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _gap(before: int, after: int) -> bytes:
    dropped = (after - before - 1) * PIECE
    return f"… {dropped} bytes dropped …".encode()


class _Reader:
    """Reads on from where it was; a partial line waits for its end, each stream for itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self._offset = 0
        self._partial: dict[int, bytes] = {0: b"", 1: b""}
        self._last: tuple[Moment, int] = (0, 0)

    def more(self) -> Iterator[Line]:
        for number, _ in pieces(self._path):
            if number < self._number:
                continue
            if number > self._number + 1:
                yield from self.rest()
                yield Line(self._last[0], "note", _gap(self._number, number))
            if number > self._number:
                self._number, self._offset = number, 0
            yield from self._piece(number)

    def rest(self) -> Iterator[Line]:
        for stream, partial in self._partial.items():
            if partial:
                yield Line(self._last[0], STREAMS[stream], partial)
        self._partial = {0: b"", 1: b""}

    def _piece(self, number: int) -> Iterator[Line]:
        path = piece_path(self._path, number)
        try:
            # The index is written first or right after: read after the bytes, it knows at least as much.
            with path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
                marks = _marks(path) or [(0, os.fstat(file.fileno()).st_mtime_ns // 1_000 << 1)]
        except FileNotFoundError:
            return
        for begin, end, at, stream in _spans(marks, self._offset, self._offset + len(data), self._last):
            self._last = (at, stream)
            chunk = data[begin - self._offset : end - self._offset]
            *whole, self._partial[stream] = (self._partial[stream] + chunk).split(b"\n")
            for row in whole:
                yield Line(at, STREAMS[stream], row)
        self._offset += len(data)


def _marks(piece: Path) -> list[tuple[int, int]]:
    """The index of a piece; nothing where it has none."""
    try:
        data = index_path(piece).read_bytes()
    except FileNotFoundError:
        return []
    return [INDEX.unpack_from(data, at) for at in range(0, len(data) - INDEX.size + 1, INDEX.size)]


def _spans(
    marks: list[tuple[int, int]], begin: int, end: int, last: tuple[Moment, int]
) -> Iterator[tuple[int, int, Moment, int]]:
    """Cut [begin, end) by the index: (begin, end, moment, stream) in order."""
    at, stream = last
    for offset, word in marks:
        if offset >= end:
            break
        if offset > begin:
            yield begin, offset, at, stream
            begin = offset
        at, stream = word >> 1, word & 1
    if begin < end:
        yield begin, end, at, stream
