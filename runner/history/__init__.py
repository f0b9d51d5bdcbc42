"""WHAT HAPPENED: reading jobs, runs and occurrences back, forgetting the old, and looking after the database."""

from typing import Any

from runner.history.move import Checked, backup, check, copy, export, import_, restore
from runner.history.output import Trimmed, trim
from runner.history.read import History
from runner.history.remembered import Remembered
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore

__all__ = [
    "Checked",
    "History",
    "Remembered",
    "Trimmed",
    "backup",
    "check",
    "copy",
    "export",
    "history_of",
    "import_",
    "restore",
    "trim",
]


def history_of(store: Any) -> History | Remembered:
    """The history of an open store, whichever it is."""
    if isinstance(store, SQLAlchemyJobStore):
        return History(store.engine, alias=store.alias)
    return Remembered(store)
