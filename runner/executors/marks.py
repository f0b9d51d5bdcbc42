"""What an attempt keeps on disk while it is under way: that it has begun, that it lives, how it ended.

Two forms. A command that needs no files of its own has one file, its marker, among those of all others, and its lock
is on a byte of a file they share: to make a directory costs as much as to start half a shim. One that needs files has
a directory, which is its lock, with the marker in it. So has every attempt where the system knows no lock on a part
of a file that a child inherits, and so had every one that an older runner began. Both forms stand at one path, so that
whoever makes one of them finds the other.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import sys
from functools import lru_cache
from stat import S_ISDIR
from typing import NamedTuple

from runner.executors import shim
from runner.moment import Moment

LINUX = sys.platform.startswith("linux")
LOCKS = ".locks"
"""The file whose bytes are the locks of attempts that have no directory."""
MARKER = "started"
"""The marker's name in a directory."""

_LONGEST = 256
"""Bytes: more than a marker has, which is two numbers."""
_FLOCK = struct.Struct("hhqqi4x")
"""The system's `struct flock`: type, whence, start, length, pid."""
_HELD = frozenset({errno.EAGAIN, errno.EACCES})


class AlreadyBegun(Exception):
    """The attempt's marker or lock is there: some shim has it, and it is not started again."""


class Marks(NamedTuple):
    """Where they are. `path` is place.attempt_path; `directory` says which form they have.

    `none`: there were none just now. Who begins something need not look a second time: were they made meanwhile, the
    lock is held, or the shim finds the marker.
    """

    path: str
    directory: bool
    none: bool = False

    @classmethod
    def of(cls, path: str, *, files: bool = False) -> Marks:
        """As they are, else as they shall be made: `files` asks for a directory."""
        # Asked first: mostly there is nothing, and an exception costs more than the question.
        if os.access(path, os.F_OK, follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):
                return cls(path, S_ISDIR(os.lstat(path).st_mode))
        return cls(path, files or not shares(path.rpartition("/")[0]), none=True)

    @property
    def marker(self) -> str:
        return f"{self.path}/{MARKER}" if self.directory else self.path

    @property
    def name(self) -> str:
        """The attempt's opaque name."""
        return self.path.rpartition("/")[2]

    def file(self, name: str) -> str:
        """Where a file of this name belongs."""
        return f"{self.path}/{name}" if self.directory else f"{self.path}.{name}"

    def make(self) -> None:
        """Have room for the marker. AlreadyBegun where it is there."""
        if self.directory:
            try:
                os.mkdir(self.path, 0o700)
            except FileExistsError:
                pass
            else:
                return
        elif self.none:
            return
        # Not by reading it: that takes a descriptor, and a machine that has none left would say that it has begun.
        if os.access(self.marker, os.F_OK, follow_symlinks=False):
            raise AlreadyBegun

    def lock(self) -> int:
        """The lock, held by whoever has this descriptor open. AlreadyBegun where somebody has it."""
        descriptor = self._open(os.O_CREAT)
        try:
            if self.directory:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, self._byte())
        except OSError as error:
            os.close(descriptor)
            if error.errno in _HELD:
                raise AlreadyBegun from None
            raise
        return descriptor

    def alive(self) -> bool:
        """Whether some shim holds the lock."""
        try:
            descriptor = self._open(0)
        except FileNotFoundError:
            return False
        try:
            if self.directory:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
            found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, self._byte())
            return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)

    def pid(self) -> int | None:
        """The shim's pid where the attempt has begun, 0 where the pid cannot be read, None where it has not."""
        said = self._said()
        return None if said is None else said[0] if said else 0

    def exit_code(self) -> int | None:
        """The command's exit code where it has ended (128 + n where signal n killed it), else None."""
        said = self._said()
        return said[1] if said and len(said) > 1 else None

    def changed_at(self) -> Moment | None:
        """When the marker was last written."""
        return changed_at(self.marker)

    def asked_to_stop(self) -> str:
        """Why somebody stopped it, where one did."""
        try:
            with open(self.file(shim.STOP), encoding="utf-8") as file:
                return file.read()
        except (OSError, UnicodeDecodeError):
            return ""

    def _open(self, flags: int) -> int:
        if self.directory:
            return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return _open_shared(self.path.rpartition("/")[0], flags)

    def _byte(self) -> bytes:
        # Sixty bits of the name: as many as a file may be long.
        return _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, int(self.name[:15], 16), 1, 0)

    def _said(self) -> list[int] | None:
        try:
            descriptor = os.open(self.marker, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError:
            return []
        try:
            said = os.read(descriptor, _LONGEST)
        except OSError:
            return []
        finally:
            os.close(descriptor)
        # A line without its end is being written, or its writer was killed.
        return [int(line) for line in said.split(b"\n")[:-1] if line.isdigit()]


def changed_at(path: str) -> Moment | None:
    """When the file was last written, as a moment; None where there is none."""
    try:
        return os.stat(path).st_mtime_ns // 1_000
    except OSError:
        return None


def write_private(path: str, data: bytes) -> None:
    """A file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)


@lru_cache(maxsize=64)
def shares(runs: str) -> bool:
    """Whether locks on a part of a file can be had there, which a child inherits and which end with the last of those
    that have them."""
    if not LINUX or not hasattr(fcntl, "F_OFD_GETLK"):
        return False
    descriptor = _open_shared(runs, os.O_CREAT)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _open_shared(runs: str, flags: int) -> int:
    return os.open(f"{runs}/{LOCKS}", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
