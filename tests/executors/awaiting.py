"""The calls of the contract suite as coroutine functions, one for each kind of loop."""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from typing import Any


def _function(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


async def on_asyncio(target: str, *args: Any) -> Any:
    if target == "time:sleep":
        return await asyncio.sleep(*args)
    if target == "os:open":  # it waits for somebody at the other end of a pipe
        return await asyncio.to_thread(os.open, *args)
    return _function(target)(*args)


async def on_twisted(target: str, *args: Any) -> Any:
    from twisted.internet import reactor, task, threads

    if target == "os:open":
        return await threads.deferToThread(os.open, *args)
    if target == "time:sleep":
        return await task.deferLater(reactor, *args)
    return _function(target)(*args)


def on_gevent(target: str, *args: Any) -> Any:
    import gevent

    if target == "os:open":
        return gevent.get_hub().threadpool.apply(os.open, args)
    return gevent.sleep(*args) if target == "time:sleep" else _function(target)(*args)
