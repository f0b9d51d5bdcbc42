"""A scheduler in a Twisted program."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from twisted.internet import defer

from runner.executors.base import Executor
from runner.executors.coroutines import Failed
from runner.executors.twisted import TwistedExecutor
from runner.schedulers.base import BaseScheduler
from runner.schedulers.hosts import Host, LoopHost


class Reactor(LoopHost):
    """The host that a reactor is."""

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor.callFromThread)
        self.reactor = reactor

    @property
    def here(self) -> bool:
        from twisted.python.threadable import isInIOThread

        return bool(isInIOThread())  # type: ignore[no-untyped-call]  # Twisted has no types there

    def follow(self, awaitable: Awaitable[Any], failed: Failed) -> None:
        def begin() -> None:
            deferred: Any = defer.ensureDeferred(awaitable)  # type: ignore[arg-type]  # any awaitable will do
            deferred.addErrback(lambda failure: failed(failure.value))

        if self.here:
            begin()
        else:
            self.reactor.callFromThread(begin)


class TwistedScheduler(BaseScheduler):
    """Listeners and coroutine functions run on the reactor: the usual one, unless `reactor` says another."""

    def _make_host(self) -> Host:
        reactor = self._options.rest.get("reactor")
        if reactor is None:
            from twisted.internet import reactor
        return Reactor(reactor)

    def _default_executor(self) -> Executor:
        return TwistedExecutor()

    def _bind(self, executor: Executor) -> None:
        if isinstance(executor, TwistedExecutor) and isinstance(self._host, Reactor):
            executor.bind(self._host.reactor)
