"""Connecting, transactions, and the schema's version."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from runner.errors import StoreCorrupt, StoreError, StoreFull, StoreUnknown, StoreUnreachable
from runner.jobstores.sqlalchemy import tables
from runner.jobstores.sqlalchemy.sqlite import beside

HEAD = "0003"
"""The newest migration; where the database says the same, alembic is not even loaded."""
EARLIER = ("0001", "0002")
"""The schemas that migrations bring up to it."""

_LIKE = "write it like sqlite:////var/lib/runner/runner.db or postgresql+psycopg://user@host/name"
_DRIVERS = {
    "postgresql": ("postgresql", "psycopg"),
    "mysql": ("mariadb", "pymysql"),
    "mariadb": ("mariadb", "pymysql"),
}
"""Which extra of this package installs which driver of a server."""

BUSY_MILLISECONDS = 2_000


def url_of(url: str | URL) -> URL:
    """A database's URL, read. StoreError where it is none; what was given may hold a password, and is not shown."""
    try:
        return make_url(url)
    except ArgumentError as error:
        raise StoreUnknown("the database's URL cannot be read", hint=_LIKE) from error


def file_of(url: str | URL) -> Path | None:
    """The file of a SQLite database; None for any other."""
    parsed = url_of(url)
    name = parsed.database
    if parsed.get_backend_name() != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name)


def connect(url: str | URL, options: Mapping[str, Any] | None = None, schema: str | None = None) -> Engine:
    """An engine for the URL; a SQLite file is made for its owner alone. `options` are `create_engine`'s; `schema` is
    where PostgreSQL looks for tables."""
    parsed = url_of(url)
    if schema and parsed.get_backend_name() != "postgresql":
        raise ValueError("a schema of tables is PostgreSQL's; elsewhere name the database in the URL")
    if parsed.get_backend_name() != "sqlite":
        limits = _PATIENCE.get(parsed.get_backend_name(), {})
        wanted: dict[str, Any] = {k: v for k, v in limits.items() if k not in parsed.query}
        if schema:
            wanted["options"] = f"-csearch_path={schema}"
        given = dict(options or {})
        wanted |= given.pop("connect_args", {})
        try:
            return create_engine(parsed, **{"pool_pre_ping": True, **given}, connect_args=wanted)
        except ImportError as error:
            raise _no_driver(parsed, error) from error
        except NoSuchModuleError as error:
            raise StoreUnknown(f"there is no kind of database {parsed.drivername!r}", hint=_LIKE) from error
    arguments: dict[str, Any] = {"connect_args": {"check_same_thread": False}}
    path = file_of(parsed)
    if path is not None:
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if not parsed.query:
            arguments = {"creator": partial(_open, path)}
    engine = create_engine(parsed, **{**(options or {}), **arguments}, isolation_level="AUTOCOMMIT")
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def looking(url: str | URL) -> Engine:
    """An engine that only reads: no file is made or written, beside a runner that is at work and without one.

    A SQLite file that is not there is a StoreError at the first question.
    """
    path = file_of(url)
    if path is None:
        return connect(url)
    engine = create_engine(url_of(url), creator=partial(_look, path), isolation_level="AUTOCOMMIT")
    event.listen(engine, "connect", _be_patient)
    return engine


def _look(path: Path) -> sqlite3.Connection:
    """Where nobody has it open nothing stands beside it, and nothing must stand there afterwards: SQLite would leave
    the files of its log, for it may not take them away."""
    alone = "" if Path(f"{path}-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro{alone}", uri=True, check_same_thread=False)


def _no_driver(url: URL, error: ImportError) -> StoreError:
    server = url.get_backend_name()
    extra, driver = _DRIVERS.get(server, ("", ""))
    hint = f"pip install 'runner[{extra}]', and begin the URL with {server}+{driver}://" if extra else ""
    return StoreError(f"the driver {error.name or 'of the database'} is not installed", hint=hint)


def _open(path: Path) -> sqlite3.Connection:
    """Never makes the file: one that was deleted must not come back empty."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, check_same_thread=False)


_PATIENCE: Mapping[str, Mapping[str, int]] = {
    "postgresql": {
        "connect_timeout": 3,
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "tcp_user_timeout": 5_000,
    },
    "mysql": {"connect_timeout": 3, "read_timeout": 10, "write_timeout": 10},
    "mariadb": {"connect_timeout": 3, "read_timeout": 10, "write_timeout": 10},
}
"""A server that cannot be reached any more is a StoreError within seconds, not after the quarter of an hour that TCP
takes by itself. What the URL says goes first."""

_SESSION = {
    "postgresql": ("SET idle_in_transaction_session_timeout = 3000", "SET lock_timeout = 2000"),
    "mariadb": (
        "SET SESSION idle_write_transaction_timeout = 3",
        "SET SESSION idle_readonly_transaction_timeout = 3",
        "SET SESSION innodb_lock_wait_timeout = 2",
        # Idle it is between two statements. A runner that is frozen amid one has sent or read half of it.
        "SET SESSION net_read_timeout = 3",
        "SET SESSION net_write_timeout = 3",
    ),
    "mysql": ("SET SESSION innodb_lock_wait_timeout = 3",),
}


_NAME = "runner: store"
_FROZEN = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name "
    "AND usename = current_user AND datname = current_database() AND state = 'idle in transaction' "
    "AND state_change < clock_timestamp() - interval '3 seconds'"
)


def end_frozen(engine: Engine, error: Exception) -> None:
    """After a lock that was waited for in vain: end what a frozen runner holds open longer than a lease.

    The server does so by itself, but not between psycopg's executemany and the next statement.
    """
    if engine.dialect.name == "postgresql" and "lock timeout" in str(error):
        with contextlib.suppress(SQLAlchemyError), engine.begin() as connection:
            connection.execute(text(_FROZEN), {"name": _NAME})


def prepare_session(connection: Connection) -> None:
    """A runner that is frozen amid a transaction holds the lease's row: the server ends it as the lease ends."""
    dialect = connection.dialect
    name = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    for statement in _SESSION.get(name, ()):
        connection.exec_driver_sql(statement)
    if name == "postgresql":
        connection.exec_driver_sql(f"SET application_name = '{_NAME}'")
    if name == "postgresql" and (dialect.server_version_info or (0,)) >= (17,):
        connection.exec_driver_sql("SET transaction_timeout = 30000")
    if name in _SESSION:
        connection.commit()


def _be_patient(connection: Any, _record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}").close()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # FULL: a row that is committed before a start is still there after a power cut.
    for pragma in (f"busy_timeout={BUSY_MILLISECONDS}", "journal_mode=WAL", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Channel:
    """The driver's own cursor under a connection, for statements that were compiled before.

    What SQLAlchemy does around a statement takes longer than a small turn's statements themselves. Errors come out as
    SQLAlchemy's all the same.
    """

    __slots__ = ("_cursor", "_dialect", "_error", "connection")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._dialect = connection.dialect
        self._error: type[Exception] = connection.dialect.loaded_dbapi.Error
        self._cursor = connection.connection.cursor()

    def execute(self, text: str, values: Any = ()) -> None:
        try:
            self._cursor.execute(text, values)
        except self._error as error:
            raise self._translated(text, error) from error

    def many(self, text: str, rows: Sequence[Any]) -> None:
        """Not on PostgreSQL: psycopg ends its pipeline with a flush, and after a flush the server counts no idle time.
        A runner frozen there would keep its locks as long as it is frozen."""
        try:
            self._cursor.executemany(text, rows)
        except self._error as error:
            raise self._translated(text, error) from error

    def scalar(self, text: str, values: Any = ()) -> Any:
        """The first value of the first row, None where there is no row."""
        try:
            self._cursor.execute(text, values)
            row = self._cursor.fetchone()
        except self._error as error:
            raise self._translated(text, error) from error
        return None if row is None else row[0]

    def _translated(self, text: str, error: Exception) -> BaseException:
        return DBAPIError.instance(text, None, error, self._error, dialect=self._dialect)


class transaction:  # noqa: N801  # used as a function is
    """All or nothing. On SQLite the write lock is taken at once, so that no read goes stale under it.

    A class of its own, for a turn with one run spends much of its time around the statements. `channel`: the
    connection's, where there is one.
    """

    __slots__ = ("_begun", "_channel", "_connection")

    def __init__(self, connection: Connection, channel: Channel | None = None) -> None:
        self._connection = connection
        self._channel = channel
        self._begun: Any = None

    def __enter__(self) -> None:
        if self._connection.dialect.name != "sqlite":
            self._begun = self._connection.begin()
            self._begun.__enter__()
            return
        if self._channel is None:
            self._channel = Channel(self._connection)
        self._channel.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if self._begun is not None:
            self._begun.__exit__(kind, error, trace)
            return
        assert self._channel is not None
        if error is None:
            try:
                self._channel.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        with contextlib.suppress(SQLAlchemyError):
            self._connection.exec_driver_sql("ROLLBACK")


@contextlib.contextmanager
def reading(connection: Connection) -> Iterator[None]:
    """One consistent read; where a transaction begins by itself it is ended again."""
    try:
        yield
    finally:
        if connection.dialect.name != "sqlite" and connection.in_transaction():
            connection.rollback()


@contextlib.contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection whose every read is as of one moment, while others go on writing."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")
        else:
            with reading(connection.execution_options(isolation_level="REPEATABLE READ")):
                yield connection


class translated:  # noqa: N801  # used as a function is
    """Whatever the database raises, as a StoreError that says what was being done."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (SQLAlchemyError, OSError)):
            raise store_error(error, self._what) from error


def store_error(error: StoreError | SQLAlchemyError | OSError, what: str) -> StoreError:
    """The error as a StoreError that says what was being done; one that is has said so."""
    if isinstance(error, SQLAlchemyError):
        return translate(error, what)
    if isinstance(error, OSError):
        return StoreError(f"{what}: {error.strerror or error}")
    return error


_MARIADB_GONE = frozenset({2002, 2003, 2005, 2006, 2013, 2055})
"""What its clients call a server that cannot be found, or is gone amid a question."""


def translate(error: SQLAlchemyError, what: str) -> StoreError:
    origin = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    fact = f"{what}: {origin.strip().splitlines()[0] if origin.strip() else type(error).__name__}"
    if isinstance(error, DatabaseError) and any(
        sign in origin for sign in ("malformed", "not a database", "disk image")
    ):
        return StoreCorrupt(
            fact, hint="restore a backup with runner db restore FILE; runner db check says what is wrong"
        )
    if isinstance(error, OperationalError) and any(sign in origin for sign in ("is full", "No space left")):
        return StoreFull(fact, hint="free space on the disk; work resumes by itself")
    if isinstance(error, DBAPIError) and _unreachable(error):
        return StoreUnreachable(fact)
    return StoreError(fact)


def _unreachable(error: DBAPIError) -> bool:
    """Whether there was nobody to ask. A server that refuses what it is asked (a password, a table) is there."""
    origin: Any = error.orig
    if not isinstance(error, (OperationalError, InterfaceError)) or isinstance(origin, sqlite3.Error):
        return False
    # Where a server of PostgreSQL said something, there is a code: 08 is of the wire, 57P of a server that ends or
    # begins. Where there is none, the driver has found nobody, or has something to say of a refusal of the server's.
    if hasattr(origin, "sqlstate"):
        state, words = origin.sqlstate, str(origin)
        refused = "FATAL" in words and "the database system is" not in words
        return not refused if state is None else state.startswith(("08", "57P"))
    code = origin.args[0] if getattr(origin, "args", None) else None
    return error.connection_invalidated or code in _MARIADB_GONE


def version_of(connection: Connection) -> str | None:
    """The version of the schema in the database, None where there is none."""
    with contextlib.suppress(SQLAlchemyError):
        found = connection.execute(text("SELECT version_num FROM runner_alembic_version")).scalar()
        return str(found) if found is not None else None
    if connection.in_transaction():
        connection.rollback()
    return None


def migrate(engine: Engine) -> None:
    """Bring the schema to this version; StoreError where a newer one wrote it."""
    with engine.connect() as connection:
        found = version_of(connection)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise StoreError(
            f"the database has schema {found}, and this version knows {HEAD}",
            hint="run the newer version, or restore a backup from before the upgrade",
        )
    # Two runners may start at once: the second waits, and then finds nothing left to do.
    with _alone(engine), engine.connect() as connection:
        if version_of(connection) == HEAD:
            return
        if engine.dialect.name == "sqlite" and not inspect(connection).get_table_names():
            with transaction(connection):
                _begin(connection)
        else:
            upgrade(connection)


def _begin(connection: Connection) -> None:
    """The newest tables in a file that is empty: nothing is to be migrated, and alembic need not be loaded.

    What stands in the file then is what all the migrations would have left, column by column.
    """
    tables.metadata.create_all(connection)
    connection.exec_driver_sql(_VERSIONS)
    connection.execute(text("INSERT INTO runner_alembic_version VALUES (:head)"), {"head": HEAD})


_VERSIONS = (
    "CREATE TABLE runner_alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT runner_alembic_version_pkc PRIMARY KEY (version_num))"
)


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing. What they need is large, and is loaded only here."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()


@contextlib.contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Nobody else migrates this database meanwhile."""
    name = engine.dialect.name
    database = beside(engine.url) if name == "sqlite" else None
    if database is not None:
        with open(f"{database}.migrate.lock", "w", opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    elif name in _LOCKS:
        take, give = _LOCKS[name]
        with engine.connect() as connection:
            connection.execute(text(take))
            try:
                yield
            finally:
                connection.execute(text(give))
    else:
        yield


_LOCKS = {
    "postgresql": ("SELECT pg_advisory_lock(7258363)", "SELECT pg_advisory_unlock(7258363)"),
    "mysql": ("SELECT GET_LOCK('runner_migrate', 60)", "SELECT RELEASE_LOCK('runner_migrate')"),
    "mariadb": ("SELECT GET_LOCK('runner_migrate', 60)", "SELECT RELEASE_LOCK('runner_migrate')"),
}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
