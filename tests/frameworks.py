"""Frameworks that need more of the machine than their package brings."""

from __future__ import annotations

from importlib import import_module

import pytest


def needs_qt() -> None:
    """Skip where Qt's libraries cannot be loaded: its wheel expects some of the system's."""
    try:
        import_module("PySide6.QtCore")
    except ImportError as error:
        pytest.skip(f"Qt cannot be loaded ({error}); Debian has what it needs in libglib2.0-0")
