"""Loops of frameworks, each turning in a thread of its own, for executors that live inside them."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from runner.core.run import AttemptKey
from runner.executors.base import Done, Found, Task

PATIENCE = 60.0


class Elsewhere:
    """An executor that is opened and closed on its loop's thread, as its framework's users do."""

    def __init__(self, executor: Any, there: Callable[[Callable[[], Any]], Any]) -> None:
        self._executor = executor
        self._there = there
        self._open = False

    @property
    def capacity(self) -> int | None:
        found: int | None = self._executor.capacity
        return found

    def open(self, done: Done) -> None:
        self._open = True
        self._there(lambda: self._executor.open(done))

    def start(self, task: Task) -> None:
        self._executor.start(task)

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        self._executor.cancel(attempt, reason)

    def recover(self, tasks: Any) -> Found:
        found: Found = self._executor.recover(tasks)
        return found

    def close(self, *, leave: bool = False) -> None:
        if self._open:
            self._open = False
            self._there(lambda: self._executor.close(leave=leave))


def waited(post: Callable[[Callable[[], None]], object]) -> Callable[[Callable[[], Any]], Any]:
    """A call on a loop whose answer is waited for; what it raises is raised here."""

    def there(function: Callable[[], Any]) -> Any:
        answers: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

        def run() -> None:
            try:
                answers.put((function(), None))
            except BaseException as error:
                answers.put((None, error))

        post(run)
        value, error = answers.get(timeout=PATIENCE)
        if error is not None:
            raise error
        return value

    return there


@contextlib.contextmanager
def asyncio_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


@contextlib.contextmanager
def io_loop() -> Iterator[Any]:
    """Tornado's own loop, begun and ended in its words."""
    from tornado.ioloop import IOLoop

    loop = IOLoop(make_current=False)
    thread = threading.Thread(target=loop.start, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.add_callback(loop.stop)
        thread.join(PATIENCE)
        loop.close()


@contextlib.contextmanager
def gevent_hub() -> Iterator[Callable[[Callable[[], None]], None]]:
    """What posts to a hub that turns in a thread of its own."""
    import gevent

    ready, calls, over = threading.Event(), queue.SimpleQueue[Callable[[], None]](), threading.Event()
    made: list[Any] = []

    def turn() -> None:
        watcher = gevent.get_hub().loop.async_()

        def heard() -> None:
            while not calls.empty():
                gevent.spawn(calls.get())

        watcher.start(heard)
        made.append(watcher)
        ready.set()
        while not over.is_set():
            gevent.sleep(0.01)

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)

    def post(function: Callable[[], None]) -> None:
        calls.put(function)
        made[0].send()

    try:
        yield post
    finally:
        over.set()
        thread.join(PATIENCE)


@contextlib.contextmanager
def qt_loop() -> Iterator[Callable[[Callable[[], None]], None]]:
    """What posts to a thread with Qt's event loop."""
    import os

    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QCoreApplication, QEventLoop

    from runner.executors.qt import poster

    ready, made = threading.Event(), list[Any]()

    def turn() -> None:
        application = QCoreApplication([])
        loop = QEventLoop()
        made.extend((poster(), loop, application))
        ready.set()
        loop.exec()
        # Where it was made it must end: a later end, in the main thread, is a crash.
        made.clear()
        del loop
        application.shutdown()

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield made[0]
    finally:
        post, loop = made[0], made[1]
        post(loop.quit)
        del loop
        thread.join(PATIENCE)
