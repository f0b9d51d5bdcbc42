"""A runner of the very same file with another state directory: what one finds who looks without the service's settings.

It is known by its command line and environment, as far as this user may read those.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from runner.errors import RunnerError
from runner.service.place import Place, find_files

_SERVE = "serve"
_FILE = ("-f", "--file")


def elsewhere(place: Place) -> Iterator[tuple[int, Path]]:
    """The processes that serve the place's file, each with its state directory, where that is another one."""
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if _SERVE not in words or not any("runner" in word for word in words[: words.index(_SERVE)]):
                continue
            other = _place_of(words, process.environ(), Path(process.cwd()))
        except (psutil.Error, OSError, RunnerError):
            continue
        if other.state != place.state and other.file == place.file and _same(process.pid, place.file):
            yield process.pid, other.state


def _same(pid: int, file: Path) -> bool:
    """A container has files of its own beneath the same names."""
    try:
        return os.path.samefile(f"/proc/{pid}/root{file}", file)
    except OSError:
        return False


def _place_of(words: Sequence[str], environ: Mapping[str, str], home: Path) -> Place:
    given = [
        value
        for word, after in zip(words, [*words[1:], ""], strict=True)
        for value in (
            [after] if word in _FILE else [word.partition("=")[2]] if word.startswith("--file=") else []
        )
    ] or [each for each in environ.get("RUNNER_FILE", "").split(os.pathsep) if each]
    named = os.pathsep.join(str(home / each) for each in given or ["jobs.yaml"])
    return Place.of(find_files(named, environ), environ)
