"""A real server that stands still, with every process of it: it takes connections, and answers nothing."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.jobstores.store_servers import Url


@contextlib.contextmanager
def frozen(url: str) -> Iterator[None]:
    """While it lasts, the server of this URL, one of our own, stands still."""
    server = url.server if isinstance(url, Url) else None
    assert server is not None, "only a server of our own is frozen"
    stopped: list[int] = []
    try:
        # The first of them may still start another one before it stops itself.
        while new := [pid for pid in _beneath(server.pid) if pid not in stopped]:
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            stopped += new
        yield
    finally:
        for pid in reversed(stopped):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _beneath(keeper: int) -> list[int]:
    """The processes that descend from the keeper, parents first."""
    children: dict[int, list[int]] = {}
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(each.name))
    found: list[int] = []
    line = [keeper]
    while line:
        line = [child for pid in line for child in children.get(pid, ())]
        found += line
    return found
