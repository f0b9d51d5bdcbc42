"""Jobs, runs and alerts in a SQL database: SQLite embedded by default; PostgreSQL and MariaDB across hosts."""

from runner.jobstores.sqlalchemy.store import SQLAlchemyJobStore

__all__ = ["SQLAlchemyJobStore"]
