"""The same jobs file by another path: it has another state there, and each of its jobs would run twice."""

from __future__ import annotations

import os
from pathlib import Path

from runner.service.control import knock
from runner.service.leader import Leader
from runner.service.place import Place


def twin(place: Place) -> Leader | None:
    """Who leads the same file by another path (a link, a directory above that is one); None where nobody does.

    Only states beside each other are seen. One of the very same path in another directory was meant: it stands by
    on the same database, or has one of its own.
    """
    for note in place.state.parent.glob("*-*/leader.json"):
        if note.parent == place.state:
            continue
        leader = Leader.read(note.parent)
        if leader is None or leader.file == str(place.file) or not _same(Path(leader.file), place.file):
            continue
        if knock(note.parent / place.socket.name):
            return leader
    return None


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
