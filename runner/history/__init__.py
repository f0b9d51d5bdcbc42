"""WHAT HAPPENED: reading jobs, runs and occurrences back from a database."""

from runner.history.read import History

__all__ = ["History"]
