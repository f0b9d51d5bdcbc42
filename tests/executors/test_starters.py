"""The threads that start commands: order, bound, close, a start that fails."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from functools import partial

import pytest

from runner.core.run import Status
from runner.errors import ExecutorError
from runner.executors.base import Task
from runner.executors.child import Launch
from runner.executors.local import LocalExecutor
from runner.executors.starters import Starters
from tests.executors.rig import Open, sh, task
from tests.waiting import PATIENCE, wait_until


def test_it_has_as_many_threads_as_it_may_and_no_more() -> None:
    starters = Starters("start", 3)
    barrier = threading.Barrier(3, timeout=PATIENCE)
    names: set[str] = set()

    def meet() -> None:
        # Three are here at once, or the barrier breaks.
        barrier.wait()
        names.add(threading.current_thread().name)

    for _ in range(9):
        starters.submit(meet)
    starters.close()
    assert names == {"start_0", "start_1", "start_2"}
    assert not barrier.broken


def test_one_thread_keeps_the_order_and_makes_all_that_was_asked_before_it_closes() -> None:
    starters = Starters("start", 1)
    begun: list[int] = []
    for number in range(100):
        starters.submit(partial(begun.append, number))
    starters.close()
    assert begun == list(range(100))


class Watched:
    """Starters where a few may wait, the first of which is stuck; what they want called later is kept."""

    def __init__(self, most: int) -> None:
        self.later: list[Callable[[], None]] = []
        self.starters = Starters("start", most, few=2, later=lambda span, look: self.later.append(look))
        self.free, stuck = threading.Event(), threading.Event()
        self.begun: queue.SimpleQueue[str] = queue.SimpleQueue()

        def blocks() -> None:
            stuck.set()
            self.free.wait(PATIENCE)

        self.starters.submit(blocks)
        assert stuck.wait(PATIENCE)

    def ask(self, name: str) -> None:
        self.starters.submit(lambda: self.begun.put(f"{name} in {threading.current_thread().name}"))

    def next(self) -> str:
        return self.begun.get(timeout=PATIENCE)

    def close(self) -> None:
        self.free.set()
        self.starters.close()


def test_a_few_wait_for_the_thread_that_is_at_work_and_more_have_another() -> None:
    watched = Watched(4)
    watched.ask("first")
    watched.ask("second")
    assert watched.begun.empty()
    # Asked for once, however many wait.
    assert len(watched.later) == 1
    watched.ask("third")
    assert [watched.next() for _ in range(3)] == ["first in start_1", "second in start_1", "third in start_1"]
    watched.close()


def test_those_behind_one_that_is_stuck_have_another_thread_soon() -> None:
    watched = Watched(4)
    watched.ask("first")
    watched.later.pop()()
    assert watched.next() == "first in start_1"
    wait_until(lambda: len(watched.starters._idle) == 1)
    # What is still to come is looked at again, and nothing is once nothing waits.
    watched.later.pop()()
    assert watched.later == []
    watched.ask("second")
    watched.later.pop()()
    assert watched.next() == "second in start_1"
    watched.close()


def test_as_long_as_starts_are_taken_up_nobody_comes_to_help() -> None:
    watched = Watched(1)
    watched.ask("first")
    watched.free.set()
    watched.next()
    wait_until(lambda: len(watched.starters._idle) == 1)
    held, holding = threading.Event(), threading.Event()

    def hold() -> None:
        holding.set()
        held.wait(PATIENCE)

    watched.starters._most = 4
    watched.starters.submit(hold)
    assert holding.wait(PATIENCE)
    watched.ask("second")
    # It was asked for while "first" waited, which was taken up since.
    watched.later.pop(0)()
    assert (watched.begun.empty(), len(watched.starters._threads)) == (True, 1)
    watched.later.pop(0)()
    assert watched.next() == "second in start_1"
    held.set()
    watched.close()


def test_what_waits_behind_a_stuck_one_is_made_before_the_close_ends() -> None:
    watched = Watched(2)
    watched.ask("first")
    closing = threading.Thread(target=watched.starters.close)
    closing.start()
    watched.free.set()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert watched.next() == "first in start_0"


def test_a_command_that_is_hard_to_prepare_does_not_hold_up_the_next(
    local: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, stuck = threading.Event(), threading.Event()
    launch = LocalExecutor._launch

    def launches(executor: LocalExecutor, task: Task) -> Launch:
        if task.run.spec.id == "stuck":
            stuck.set()
            free.wait(PATIENCE)
        return launch(executor, task)

    monkeypatch.setattr(LocalExecutor, "_launch", launches)
    local.executor.start(task(sh("echo stuck"), job="stuck"))
    assert stuck.wait(PATIENCE)
    assert local.run(sh("echo next"), job="next").tail == "next"
    free.set()
    assert local.next().tail == "stuck"


def test_nothing_is_taken_after_the_close() -> None:
    starters = Starters("start", 1)
    starters.close()
    with pytest.raises(ExecutorError, match="the executor is closed: it starts nothing any more"):
        starters.submit(lambda: None)


def test_one_that_fails_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    starters = Starters("start", 1)
    begun: list[str] = []

    def fails() -> None:
        raise RuntimeError("no")

    starters.submit(fails)
    starters.submit(lambda: begun.append("next"))
    starters.close()
    assert begun == ["next"]
    assert "a start failed in a way nobody foresaw" in caplog.text


def test_none_is_made_before_the_first_is_asked_for() -> None:
    before = set(threading.enumerate())
    starters = Starters("start", 4)
    assert set(threading.enumerate()) <= before
    starters.close()


def test_where_no_thread_can_be_made_those_that_are_there_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    starters = Starters("start", 4)
    begun: list[str] = []
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(ExecutorError, match="no thread to start commands with: can't start new thread"):
            starters.submit(lambda: begun.append("refused"))
    starters.submit(lambda: begun.append("first"))
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", no_thread)
        starters.submit(lambda: begun.append("second"))
    starters.close()
    # What was refused is never begun: it was told as failed.
    assert begun == ["first", "second"]


def test_an_executor_whose_start_was_refused_does_not_wait_for_it(
    local: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = local.executor._processes
    assert processes is not None
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", no_thread)
        refused = local.run(sh("echo refused >here"))
    assert (refused.status, processes.starting) == (Status.FAILED, False)
    assert "no thread to start commands with" in refused.error
    assert local.run(sh("echo done >here"), job="next").status is Status.SUCCEEDED
    local.close()
    assert (local.state_dir / "here").read_text() == "done\n"


def no_thread(thread: threading.Thread) -> None:
    """As Python does where the system refuses."""
    raise RuntimeError("can't start new thread")
