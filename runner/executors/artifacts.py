"""Files a step leaves for people: copied out of its working directory when it ends, well or badly."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from runner.core.run import AttemptKey
from runner.errors import ExecutorError
from runner.executors.place import attempt_id
from runner.moment import Moment

_UNTIL = ".until"
LIMIT = 1 << 30
"""Bytes an attempt may keep; what is beyond is an error."""


def path_of(state_dir: Path, key: AttemptKey) -> Path:
    """The directory of an attempt's artifacts, laid out as they were; it exists where there are any."""
    return state_dir / "artifacts" / attempt_id(key)


def collect(patterns: Sequence[str], base: Path, target: Path) -> int:
    """Copy what the patterns match under `base` (`*`, `**`); says how many files. ExecutorError.

    Links are not followed: a link could lead to any file the runner may read.
    """
    total = count = 0
    # `parents` would make it by the umask.
    target.parent.mkdir(exist_ok=True, mode=0o700)
    for source in sorted(set(_matches(patterns, base))):
        total += source.stat().st_size
        if total > LIMIT:
            raise ExecutorError(f"the artifacts are larger than {LIMIT >> 20} MiB")
        copy = target / source.relative_to(base)
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(source, copy, follow_symlinks=False)
        copy.chmod(0o600)
        count += 1
    return count


def keep_until(path: Path, moment: Moment) -> None:
    """Note until when an attempt's artifacts are kept, where somebody said so."""
    if path.is_dir():
        _until(path).write_text(str(moment), encoding="ascii")


def expire(state_dir: Path, now: Moment) -> int:
    """Delete the artifacts whose time has come; says of how many attempts."""
    count = 0
    for note in sorted((state_dir / "artifacts").glob(f"*{_UNTIL}")):
        try:
            due = int(note.read_text(encoding="ascii")) <= now
        except (OSError, ValueError):
            continue  # Nobody can tell what it says: they go with the job's output.
        if due:
            remove(note.with_suffix(""))
            count += 1
    return count


def remove(path: Path) -> None:
    """Delete an attempt's artifacts."""
    shutil.rmtree(path, ignore_errors=True)
    _until(path).unlink(missing_ok=True)


def _until(path: Path) -> Path:
    return path.with_name(path.name + _UNTIL)


def _matches(patterns: Sequence[str], base: Path) -> Iterator[Path]:
    for pattern in patterns:
        parts = PurePosixPath(pattern)
        if parts.is_absolute() or ".." in parts.parts:
            raise ExecutorError(
                f"artifacts: {pattern} leaves the working directory", hint="write it relative to it"
            )
        for found in base.glob(str(parts)):
            if found.is_dir() and not found.is_symlink():
                yield from _files(found)
            elif _inside(found, base):
                yield found


def _files(directory: Path) -> Iterator[Path]:
    for root, _, names in os.walk(directory):
        yield from (path for name in names if _inside(path := Path(root, name), directory))


def _inside(path: Path, base: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(base.resolve())
