"""A scheduler in a program with Qt's event loop."""

from __future__ import annotations

import threading
from collections.abc import Awaitable
from typing import Any

from runner.executors.coroutines import Coroutines, Failed
from runner.executors.qt import poster
from runner.schedulers.base import BaseScheduler
from runner.schedulers.hosts import Host, LoopHost


class Gui(LoopHost):
    """The host that the thread with Qt's event loop is: the one in which it is made."""

    def __init__(self) -> None:
        super().__init__(poster())
        self._thread = threading.get_ident()
        self._coroutines = Coroutines()

    def follow(self, awaitable: Awaitable[Any], failed: Failed) -> None:
        self._coroutines.run(awaitable, failed)

    def close(self) -> None:
        self._coroutines.close()


class QtScheduler(BaseScheduler):
    """Listeners run in the thread of Qt's event loop, in which `start` is called; jobs in a thread pool.

    The executor `qt` runs functions in the GUI's thread too.
    """

    def _make_host(self) -> Host:
        return Gui()
