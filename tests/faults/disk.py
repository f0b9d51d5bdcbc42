"""What a disk may hold after a power loss: built from a record of everything that was done to files (recorder.c).

Whatever a sync had covered when the power went is there. Of the rest anything may be there, sector by sector: a file
is made of the writes after its last sync that happened to arrive, and where a sector did not arrive within what the
file grew by, it holds zeros or noise. A name that was made, moved or removed is certain only after a sync of its
directory; until then a directory may be at any point of what was done to it. A file's own sync does not save its name.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_HEADER = struct.Struct("<c3xIIQq")
_SECTOR = 512

How = Literal["synced", "all", "prefix", "some"]
"""What arrived of what no sync had covered: nothing, all, all up to a torn write, any sectors."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that was done. `at`: an offset, a length, or what pairs the begin of a sync with its end."""

    what: str
    path: str
    inode: int
    at: int
    data: bytes


def deeds(record: Path) -> list[Deed]:
    return list(_deeds(record.read_bytes()))


def _deeds(text: bytes) -> Iterator[Deed]:
    position = 0
    while position < len(text):
        what, path, data, inode, at = _HEADER.unpack_from(text, position)
        position += _HEADER.size
        name = os.fsdecode(text[position : position + path])
        position += path
        yield Deed(what.decode(), name, inode, at, text[position : position + data])
        position += data


@dataclass(slots=True, eq=False)
class _File:
    changes: list[Deed] = field(default_factory=list)
    safe: int = 0
    """So many of them had been synced."""


@dataclass(slots=True)
class _Directory:
    changes: list[tuple[str, _File | str | None]] = field(default_factory=list)
    """Name -> what it stands for from then on: a file, a directory's path, or nothing."""
    safe: int = 0


class Disk:
    """The disk after the first `count` deeds of a record, below one directory which is there for certain."""

    def __init__(self, root: Path, done: list[Deed], count: int) -> None:
        self._root = str(root)
        self._directories: dict[str, _Directory] = {self._root: _Directory()}
        self._files: dict[int, _File] = {}
        self._names: dict[str, _File] = {}
        syncing: dict[int, int] = {}
        for deed in done[:count]:
            self._do(deed, syncing)

    def _do(self, deed: Deed, syncing: dict[int, int]) -> None:
        match deed.what:
            case "c":
                self._files[deed.inode] = self._names[deed.path] = _File()
                self._name(deed.path, self._names[deed.path])
            case "w" | "t":
                if deed.inode in self._files:
                    self._files[deed.inode].changes.append(deed)
            case "m":
                self._directories[deed.path] = _Directory()
                self._name(deed.path, deed.path)
            case "u":
                self._names.pop(deed.path, None)
                self._name(deed.path, None)
            case "n":
                file = self._names.pop(deed.path, None)
                new = os.fsdecode(deed.data)
                if file is not None:
                    self._names[new] = file
                    self._name(new, file)
                self._name(deed.path, None)
            case "s":
                changed = self._synced(deed)
                syncing[deed.at] = len(changed.changes) if changed is not None else 0
            case "S":
                changed = self._synced(deed)
                if changed is not None:
                    changed.safe = max(changed.safe, syncing.pop(deed.at, 0))

    def _synced(self, deed: Deed) -> _File | _Directory | None:
        return self._directories.get(deed.path) or self._files.get(deed.inode)

    def _name(self, path: str, what: _File | str | None) -> None:
        parent, _, name = path.rpartition("/")
        if parent in self._directories:
            self._directories[parent].changes.append((name, what))

    def write(self, only: str, how: How, dice: random.Random) -> None:
        """Write what may be left below the root, of what is called `only`."""
        self._write(self._root, how, dice, only)

    def _write(self, path: str, how: How, dice: random.Random, only: str = "") -> None:
        directory = self._directories[path]
        most = len(directory.changes)
        count = {"synced": directory.safe, "all": most}.get(how, dice.randint(directory.safe, most))
        entries = dict(directory.changes[:count])
        for name, what in entries.items():
            if what is None or (only and name != only):
                continue
            here = f"{path}/{name}"
            if isinstance(what, str):
                os.mkdir(here, 0o700)
                self._write(what, how, dice)
            elif not name.endswith(
                "-shm"
            ):  # Memory that processes share: its writes are not seen, nor ever synced.
                with open(here, "xb", opener=_private) as file:
                    file.write(_content(what, how, dice))


def _content(file: _File, how: How, dice: random.Random) -> bytes:
    data = bytearray()
    for change in file.changes[: file.safe]:
        _apply(data, change)
    rest = file.changes[file.safe :]
    if how == "synced":
        return bytes(data)
    if how == "prefix":
        rest = rest[: dice.randint(0, len(rest))]
    for number, change in enumerate(rest):
        if how == "all" or (how == "prefix" and number + 1 < len(rest)):
            _apply(data, change)
        elif change.what == "t":
            if dice.random() < 0.5:
                _apply(data, change)
        else:
            _apply_some(data, change, dice)
    return bytes(data)


def _apply(data: bytearray, change: Deed) -> None:
    if change.what == "t":
        del data[change.at :]
        data.extend(bytes(change.at - len(data)))
        return
    data.extend(bytes(max(0, change.at - len(data))))
    data[change.at : change.at + len(change.data)] = change.data


def _apply_some(data: bytearray, change: Deed, dice: random.Random) -> None:
    """Any of its sectors."""
    noise = dice.random() < 0.5
    end = change.at + len(change.data)
    at = change.at
    while at < end:
        until = min(end, (at // _SECTOR + 1) * _SECTOR)
        if dice.random() < 0.5:
            _apply(data, Deed("w", "", 0, at, change.data[at - change.at : until - change.at]))
        elif noise and until > len(data):
            grown = max(at, len(data))
            _apply(data, Deed("w", "", 0, grown, dice.randbytes(until - grown)))
        at = until


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
