from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.executors.rig import Open


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Open]:
    opened = Open(tmp_path)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def reactor() -> Iterator[Any]:
    """A reactor runs once in a process."""
    from twisted.internet import reactor

    one: Any = reactor  # Its module is said to be the interfaces, whose methods lack their self.
    thread = threading.Thread(target=lambda: one.run(installSignalHandlers=False), daemon=True)
    thread.start()
    yield one
    one.callFromThread(one.stop)
    thread.join(60)
