"""PostgreSQL tells other connections (LISTEN, NOTIFY); the other databases cannot, and are asked each second."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Engine, text

from runner.jobstores.notice import TICK, Ear

_CHANNEL = "runner"


def tells(engine: Engine) -> bool:
    """Whether this database, through this driver, can tell."""
    return engine.dialect.name == "postgresql" and engine.dialect.driver == "psycopg"


def knock(connection: Connection, source: str) -> None:
    """Tell, when the transaction commits, that something was asked of the source or its lead given up."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_notify(:channel, :source)"), {"channel": _CHANNEL, "source": source}
        )


def notices(engine: Engine, source: str, ear: Ear) -> Iterator[None]:
    """One for each knock at the source, on a connection that is nobody else's."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        connection.detach()
        assert driver is not None
        driver.autocommit = True
        driver.execute(f"LISTEN {_CHANNEL}")
        yield
        while not ear.closed.is_set():
            for notice in driver.notifies(timeout=TICK):
                if notice.payload == source:
                    yield
                if ear.closed.is_set():
                    return
