"""What many ask for at once is done once more, not once for each."""

from __future__ import annotations

import threading

import pytest

from runner.service.merged import Merged
from tests.waiting import PATIENCE


class Work:
    """Counts how often it has begun, and ends when it is told to."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.end = threading.Semaphore(0)
        self.times = 0
        self.at_once = 0

    def __call__(self) -> None:
        self.times += 1
        self.at_once += 1
        assert self.at_once == 1, "one at a time"
        self.begun.release()
        assert self.end.acquire(timeout=PATIENCE)
        self.at_once -= 1


def test_all_who_ask_while_it_is_done_have_it_done_once_more() -> None:
    work = Work()
    merged = Merged(work, name="work")
    merged.ask()
    assert work.begun.acquire(timeout=PATIENCE)
    for _ in range(50):
        merged.ask()
    assert sum(thread.name == "work" for thread in threading.enumerate()) == 2
    work.end.release()
    assert work.begun.acquire(timeout=PATIENCE), "who asks while it is done may know more than it has read"
    work.end.release()
    merged.ask()
    assert work.begun.acquire(timeout=PATIENCE)
    work.end.release()
    for thread in threading.enumerate():
        if thread.name == "work":
            thread.join(PATIENCE)
    assert work.times == 3


def test_a_work_that_fails_is_done_again_for_the_next() -> None:
    done = threading.Event()
    outcomes = iter([ZeroDivisionError("the first time"), None])

    def work() -> None:
        error = next(outcomes)
        if error is not None:
            raise error
        done.set()

    heard: list[str] = []
    before, threading.excepthook = threading.excepthook, lambda failed: heard.append(str(failed.exc_value))
    try:
        merged = Merged(work, name="work")
        merged.ask()
        for thread in threading.enumerate():
            if thread.name == "work":
                thread.join(PATIENCE)
        merged.ask()
        assert done.wait(PATIENCE)
    finally:
        threading.excepthook = before
    assert heard == ["the first time"]


def test_where_there_is_no_thread_whoever_asks_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    merged = Merged(lambda: done.append(threading.current_thread().name), name="work")

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        merged.ask()
    assert done == [threading.current_thread().name]
    merged.ask()
    for thread in threading.enumerate():
        if thread.name == "work":
            thread.join(PATIENCE)
    assert len(done) == 2
