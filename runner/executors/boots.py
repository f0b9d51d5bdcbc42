"""Whether the machine was started anew since attempts were put on record.

The marker of an attempt lies on the disk as soon as it is written, but only a sync makes it outlive a power loss, and a
sync for each command would cost more than the command. So after a restart of the machine a marker that is missing
proves nothing: the attempt may have begun. What is remembered here, for each source, is the start of the machine under
which it last began anything. A source's first word is synced; a later one that is lost makes nothing begin twice.
"""

from __future__ import annotations

import contextlib
import os
from functools import cache
from pathlib import Path

from runner.executors.spawn import file_name
from runner.spec import JobKey


class Boots:
    """One small file per store and source, in a directory of the executor's."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: set[tuple[str, str]] = set()

    def earlier(self, job: JobKey) -> bool:
        """Whether attempts on record of this job's source may have begun before the machine's last start."""
        try:
            return self._file(job).read_text(encoding="ascii", errors="replace") != _this()
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def begins(self, job: JobKey) -> None:
        """The source begins something under this start of the machine; what was before is settled and stored.

        OSError where a source's first word cannot be kept: nothing may begin that might be taken for never begun.
        """
        source = (job.store, job.source)
        if source in self._known:
            return
        path = self._file(job)
        if path.exists():
            # A disk that refuses leaves an older word: attempts without a marker then count as begun.
            with contextlib.suppress(OSError):
                path.write_text(_this(), encoding="ascii")
        else:
            self._first(path)
        self._known.add(source)

    def recovered(self, job: JobKey) -> None:
        """What the source had under way was looked at: its next beginning is told anew."""
        self._known.discard((job.store, job.source))

    def _first(self, path: Path) -> None:
        aside = path.with_suffix(".new")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(_this())
            file.flush()
            os.fsync(descriptor)
        aside.replace(path)
        keep_names(self._directory)
        keep_names(self._directory.parent)

    def _file(self, job: JobKey) -> Path:
        return self._directory / (".boot-" + file_name(f"{job.store}\0{job.source}"))


def doubt(state_dir: Path) -> None:
    """Another copy of the database was put in place: what it calls under way may have ended, and its marks are gone."""
    for word in (state_dir / "runs").glob(".boot-*"):
        word.write_text("another copy of the database\n", encoding="ascii")


def keep_names(directory: Path) -> None:
    """Have what was made in a directory still be there after a power loss: a file's own sync does not see to it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def boot_id() -> str:
    """Which start of the machine this is; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@cache
def _this() -> str:
    return f"{boot_id() or _booted_at()}\n"


def _booted_at() -> int:
    from runner.executors import portable  # brings along psutil, which Linux does without

    return portable.booted_at()
