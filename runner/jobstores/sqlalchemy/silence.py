"""A server that takes connections and never answers: the wait for it ends, as it does for one that is gone.

TCP tells of a host that cannot be reached, not of a server process that is frozen, or of a proxy that lost what stands
behind it. PyMySQL bounds each read by itself (`read_timeout`). psycopg waits for ever, so its wait is done here.
"""

from __future__ import annotations

import select
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Engine, event

LONGEST = 10.0
"""Seconds without a word from the server within a statement. Locks are waited for 2 s (database.py)."""


@dataclass(slots=True)
class Silence:
    """How long it may last, in seconds; None while something slow is asked for, as a migration is."""

    seconds: float | None = None


def bounded(engine: Engine) -> Silence:
    """Bound the silence of a PostgreSQL server on the connections an engine makes; by LONGEST, till told otherwise."""
    silence = Silence(LONGEST)
    if engine.dialect.name == "postgresql" and engine.dialect.driver == "psycopg":

        @event.listens_for(engine, "do_connect")
        def _connect(_dialect: Any, _record: Any, args: list[Any], options: dict[str, Any]) -> Any:
            connection = _connection().connect(*args, **options)
            connection.silence = silence
            return connection

    return silence


@cache
def _connection() -> Any:
    """psycopg's connection, with a wait that ends. The driver is only there where the extra is installed."""
    import psycopg

    class Connection(psycopg.Connection[Any]):
        silence = Silence()

        def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
            seconds = self.silence.seconds
            if args or kwargs or seconds is None:
                # Whoever says how long it waits, as for a notice, is not waiting for an answer.
                return super().wait(gen, *args, **kwargs)
            try:
                return _wait(gen, self.pgconn.socket, seconds)
            except TimeoutError:
                self.pgconn.finish()
                raise psycopg.OperationalError(f"the server has not answered for {seconds:g} s") from None

    return Connection


_READ, _WRITE = 1, 2


def _wait(generator: Generator[int, Any, Any], descriptor: int, seconds: float) -> Any:
    """Drive one of psycopg's generators to its end, as its own `waiting.wait_poll` does. TimeoutError."""
    try:
        wanted = next(generator)
        poll = select.poll()
        poll.register(descriptor, _mask(wanted))
        while True:
            events = poll.poll(seconds * 1000)
            if not events:
                raise TimeoutError
            happened = events[0][1]
            ready = _READ if happened & ~select.POLLOUT else 0
            ready |= _WRITE if happened & select.POLLOUT else 0
            now_wanted = generator.send(_ready(ready))
            if now_wanted != wanted:
                wanted = now_wanted
                poll.modify(descriptor, _mask(wanted))
    except StopIteration as end:
        return end.value


def _mask(wanted: int) -> int:
    return (select.POLLIN if wanted & _READ else 0) | (select.POLLOUT if wanted & _WRITE else 0)


@cache
def _ready(number: int) -> Any:
    from psycopg.waiting import Ready

    return Ready(number)
