"""The calls of the contract suite as coroutine functions, one for each kind of loop."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any


def _function(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


async def on_asyncio(target: str, *args: Any) -> Any:
    if target == "time:sleep":
        return await asyncio.sleep(*args)
    return _function(target)(*args)


async def on_twisted(target: str, *args: Any) -> Any:
    from twisted.internet import reactor, task

    if target == "time:sleep":
        return await task.deferLater(reactor, *args)
    return _function(target)(*args)


def on_gevent(target: str, *args: Any) -> Any:
    import gevent

    return gevent.sleep(*args) if target == "time:sleep" else _function(target)(*args)
