"""A scheduler in a gevent program, monkey-patched or not."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import gevent
from gevent.event import Event

from runner.executors.base import Executor
from runner.executors.coroutines import Coroutines, Failed
from runner.executors.gevent import GeventExecutor, Hub, begin_in_real_thread
from runner.schedulers.base import BaseScheduler
from runner.schedulers.hosts import Host, LoopHost
from runner.schedulers.house import Asker


class HubHost(LoopHost):
    """The host that a hub is."""

    def __init__(self) -> None:
        self._hub = Hub()
        super().__init__(self._hub.post)
        self._coroutines = Coroutines(begin_in_real_thread)

    @property
    def here(self) -> bool:
        return self._hub.here

    def follow(self, awaitable: Awaitable[Any], failed: Failed) -> None:
        self._coroutines.run(awaitable, lambda error: self.post(lambda: failed(error)))

    def close(self) -> None:
        self._coroutines.close()
        self._hub.close()


class GeventScheduler(BaseScheduler):
    """Listeners and jobs run as greenlets. `start` returns a greenlet that ends with `shutdown`."""

    _over: Event

    def _make_host(self) -> Host:
        self._over = Event()
        return HubHost()

    def start(self, paused: bool = False) -> Any:
        """Start, and return the greenlet to `join`; see BaseScheduler.start."""
        super().start(paused)
        return gevent.spawn(self._over.wait)

    def shutdown(self, wait: bool = True) -> None:
        """See BaseScheduler.shutdown. Once begun it comes to its end, whatever becomes of the greenlet that asked."""
        if gevent.getcurrent() is gevent.get_hub():
            return super().shutdown(wait)
        # The one that asks may be a run of ours, which is killed as its executor ends; or it may have a timeout.
        if (error := gevent.spawn(self._error_of_end, wait, self._house.asker()).get()) is not None:
            raise error

    def _error_of_end(self, wait: bool, asker: Asker | None) -> BaseException | None:
        # Returned, for what a greenlet raises is shown on stderr, too.
        try:
            self._shut_down(wait, asker)
        except BaseException as error:
            return error
        return None

    def _end(self, *, wait: bool, asker: Asker | None = None) -> None:
        super()._end(wait=wait, asker=asker)
        self._over.set()

    def _default_executor(self) -> Executor:
        return GeventExecutor()
