"""A scheduler beside a program's own work, in daemon threads."""

from __future__ import annotations

from runner.schedulers.base import BaseScheduler


class BackgroundScheduler(BaseScheduler):
    """`start` returns at once. Listeners run in a thread of their own, coroutine functions in an event loop's."""
