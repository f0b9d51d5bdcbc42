"""What a file's jobs may need only days from now is loaded soon after the start.

An upgrade replaces the files under a runner that is at work. What it loaded then would be of another version than the
rest of it.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from importlib import import_module

from runner.config import Config
from runner.notify.targets import uses_apprise
from runner.spec import Http

log = logging.getLogger("runner.service")

_AFTER = 2.0
"""Seconds: what is due at once comes first."""
_HTTP = "runner.executors.http"
_APPRISE = "runner.notify.apprise"


def load_soon(config: Config) -> None:
    """Have a thread load what this configuration needs and nothing has asked for yet; returns at once."""
    missing = [name for name in _needed(config) if name not in sys.modules]
    if missing:
        threading.Thread(target=_load, args=(missing,), name="runner-beforehand", daemon=True).start()


def _needed(config: Config) -> Iterator[str]:
    if any(isinstance(step.work, Http) for spec in config.jobs for step in spec.steps):
        yield _HTTP
    if any(uses_apprise(url) for channel in config.channels.values() for url in channel.urls):
        yield _APPRISE


def _load(names: list[str]) -> None:
    threading.Event().wait(_AFTER)
    for name in names:
        try:
            module = import_module(name)
            if name == _APPRISE:
                module.load()
        except Exception:
            # Whoever needs it says so then, in its own words.
            log.debug("%s could not be loaded beforehand", name, exc_info=True)
