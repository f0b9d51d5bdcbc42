"""Which commit of their repository the jobs' files are, as git says it when they are read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_PATIENCE = 5.0
"""Seconds; a repository on a file system that hangs must not keep jobs from running."""


def commit_of(files: Sequence[Path]) -> str:
    """The short id of the commit, with `+` where a file differs from it; empty where git knows none of the files.

    The repository is that of the first file; files outside of it are not asked about.
    """
    try:
        places = [file.resolve() for file in files if not file.is_dir()]
        if not places:
            return ""
        top = Path(_git(places[0].parent, "rev-parse", "--show-toplevel").removesuffix("\n"))
        inside = [str(place) for place in places if place.is_relative_to(top)]
        said = _git(top, "status", "--porcelain", "-z", "-uall", "--ignored", "--", *inside)
        changed = [line for line in said.split("\0") if line]
        if sum(line.startswith(("??", "!!")) for line in changed) == len(set(inside)):
            return ""
        head = _git(top, "rev-parse", "--short", "HEAD").strip()
    except (OSError, RuntimeError, subprocess.SubprocessError):
        return ""
    return head + ("+" if changed else "")


def _git(directory: Path, *args: str) -> str:
    # Asking takes no lock that a commit under way may want, and a hook's variables name another repository.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "--no-optional-locks", "--literal-pathspecs", "-C", str(directory), *args],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=_PATIENCE,
        check=True,
        env=environ,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout
