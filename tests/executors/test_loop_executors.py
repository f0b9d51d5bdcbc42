"""The one contract, on executors inside the loops of frameworks: the real loops, turning in threads of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runner.executors.asyncio import AsyncIOExecutor
from runner.executors.gevent import GeventExecutor
from runner.executors.qt import QtExecutor
from runner.executors.tornado import TornadoExecutor
from runner.executors.twisted import TwistedExecutor
from runner.spec import Call, Work
from runner.testing.executor_suite import ExecutorSuite
from tests.executors import loops


def awaited(name: str) -> Callable[..., Work]:
    """The suite's calls made through a coroutine function of tests.executors.awaiting."""

    def call(self: Any, target: Callable[..., Any] | str, *args: Any, **kwargs: Any) -> Work:
        assert isinstance(target, str)
        if target.startswith("no_such_module"):
            return Call(target, args, kwargs)
        return Call(f"tests.executors.awaiting:{name}", (target, *args), kwargs)

    return call


class TestAsyncIOWithALoopOfItsOwn(ExecutorSuite):
    @pytest.fixture
    def executor(self) -> AsyncIOExecutor:
        return AsyncIOExecutor()


class TestAsyncIOFunctions(ExecutorSuite):
    @pytest.fixture
    def executor(self) -> Iterator[AsyncIOExecutor]:
        with loops.asyncio_loop() as loop:
            yield AsyncIOExecutor(event_loop=loop)


class TestAsyncIOCoroutines(TestAsyncIOFunctions):
    call = awaited("on_asyncio")


class TestTornado(ExecutorSuite):
    call = awaited("on_asyncio")

    @pytest.fixture
    def executor(self) -> Iterator[TornadoExecutor]:
        with loops.io_loop() as loop:
            yield TornadoExecutor(io_loop=loop)


class TestGevent(ExecutorSuite):
    call = awaited("on_gevent")

    @pytest.fixture
    def executor(self) -> Iterator[loops.Elsewhere]:
        with loops.gevent_hub() as post:
            yield loops.Elsewhere(GeventExecutor(), loops.waited(post))


class TestGeventCoroutines(TestGevent):
    call = awaited("on_asyncio")


class TestTwistedFunctions(ExecutorSuite):
    @pytest.fixture
    def executor(self, reactor: Any) -> TwistedExecutor:
        return TwistedExecutor(reactor)


class TestTwistedCoroutines(TestTwistedFunctions):
    call = awaited("on_twisted")


class TestQt(ExecutorSuite):
    parallel = False  # the thread of the windows does one thing at a time

    @pytest.fixture
    def executor(self) -> Iterator[loops.Elsewhere]:
        with loops.qt_loop() as post:
            yield loops.Elsewhere(QtExecutor(), loops.waited(post))
