"""A store whose every trouble is a StoreError: what no store should raise is trouble as well, not the end of a turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import ParamSpec, TypeVar

from runner.core.action import Change
from runner.core.run import Request, Run
from runner.errors import StoreError, StoreFault
from runner.jobstores.base import LEASE, Fence, JobStore, Loaded
from runner.moment import Moment, Span

P = ParamSpec("P")
T = TypeVar("T")


def _guarded(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    except StoreError:
        raise
    except Exception as error:
        raise _fault(error) from error


def _fault(error: Exception) -> StoreFault:
    return StoreFault(f"{type(error).__name__}: {error}")


def _takes(function: Callable[..., object], number: int) -> bool:
    """Whether it can be called with so many arguments."""
    try:
        signature(function).bind(*range(number))
    except TypeError:
        return False
    return True


class Guarded:
    """What the engine asks of a store, in the store's own words. `StoreFault` has the error itself as its cause."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._chooses = _takes(store.hold, 4)

    def load(self, source: str) -> Loaded:
        return _guarded(self._store.load, source)

    def live_of(self, source: str) -> Sequence[Run]:
        return _guarded(self._store.live_of, source)

    def write(self, changes: Sequence[Change], fence: Fence | None) -> None:
        # Asked in each turn: spelled out, it takes no call more than what it guards.
        try:
            self._store.write(changes, fence)
        except StoreError:
            raise
        except Exception as error:
            raise _fault(error) from error

    def hold(self, source: str, owner: str, now: Moment, lease: Span) -> Fence | None:
        if lease == LEASE or not self._chooses:
            # A store made before leads could last longer is not asked for more than it knows of.
            return _guarded(self._store.hold, source, owner, now)
        return _guarded(self._store.hold, source, owner, now, lease)

    def release(self, fence: Fence) -> None:
        _guarded(self._store.release, fence)

    def ask(self, request: Request) -> None:
        _guarded(self._store.ask, request)

    def asked(self, source: str) -> Sequence[Request]:
        return _guarded(self._store.asked, source)

    def answer(self, request: str) -> Request | None:
        return _guarded(self._store.answer, request)
