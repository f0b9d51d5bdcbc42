"""Functions in the thread of Qt's event loop, where widgets may be touched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from runner.clock import Clock
from runner.core.run import AttemptKey
from runner.errors import ExecutorError
from runner.executors.base import Done, Task
from runner.executors.calls import call
from runner.executors.inside import Inside, Stop, is_coroutine
from runner.spec import Call

_BINDINGS = ("PySide6", "PyQt6", "PyQt5", "PySide2")


def binding() -> Any:
    """QtCore of the binding that is installed; ExecutorError where there is none."""
    for name in _BINDINGS:
        try:
            return import_module(f"{name}.QtCore")
        except ImportError:
            continue
    raise ExecutorError(f"no binding of Qt is installed ({', '.join(_BINDINGS)})", hint="pip install PySide6")


def poster() -> Callable[[Callable[[], object]], None]:
    """A function that has functions called in the thread of this call, by its event loop, from any thread."""
    core = binding()
    signal = getattr(core, "Signal", None) or core.pyqtSignal

    class Poster(core.QObject):  # type: ignore[misc, name-defined]  # whichever binding is there
        posted = signal(object)

        def __init__(self) -> None:
            super().__init__()
            self.posted.connect(self.run, core.Qt.ConnectionType.QueuedConnection)

        def run(self, function: Callable[[], object]) -> None:
            function()

    one = Poster()

    def post(function: Callable[[], object]) -> None:
        one.posted.emit(function)

    return post


class QtExecutor(Inside):
    """One function after another in the GUI's thread; coroutine functions in threads beside it."""

    def __init__(self, max_workers: int = 10, *, clock: Clock | None = None) -> None:
        super().__init__(max_workers, clock=clock)
        self._poster: Callable[[Callable[[], object]], None] | None = None
        self._thread = 0

    def open(self, done: Done) -> None:
        super().open(done)
        self._poster, self._thread = poster(), threading.get_ident()

    def _post(self, function: Stop) -> None:
        assert self._poster is not None
        self._poster(function)

    def start(self, task: Task) -> None:
        work = task.step.work
        if isinstance(work, Call) and is_coroutine(work):
            self._in_thread(task, work)
        else:
            super().start(task)

    def _begin(self, key: AttemptKey, work: Call) -> None:
        self._ended(key, call(work, self._clock))
