"""The threads that start commands: order, bound, close, a start that fails."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from runner.core.run import Status
from runner.errors import ExecutorError
from runner.executors.starters import Starters
from tests.executors.rig import Open, sh


def test_it_has_as_many_threads_as_it_may_and_no_more() -> None:
    starters = Starters("start", 3)
    barrier = threading.Barrier(3, timeout=10)
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
    assert set(threading.enumerate()) == before
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
