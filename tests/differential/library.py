"""One program, two libraries: what it sees is written down in words that name neither."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from types import ModuleType
from typing import Any

ROOTS = ("apscheduler", "runner")
PATIENT = {"misfire_grace_time": None}
"""Job defaults: nothing is missed because a busy machine delays it. What is said for a job goes first."""
FAR = datetime(2040, 1, 1, 12, 30)
PATIENCE = 60.0


class Library:
    """The modules under one import root, and a record of what a program saw."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.seen: list[Any] = []

    def __call__(self, module: str) -> ModuleType:
        return import_module(f"{self.root}.{module}" if module else self.root)

    def scheduler(self, kind: str = "Background", **options: Any) -> Any:
        options = {"timezone": "UTC", **options}
        return getattr(self(f"schedulers.{kind.lower()}"), f"{kind}Scheduler")(**options)

    @contextmanager
    def running(self, kind: str = "Background", *, paused: bool = False, **options: Any) -> Iterator[Any]:
        """A scheduler that runs, and is shut down at the end."""
        scheduler = self.scheduler(kind, **options)
        scheduler.start(paused=paused)
        try:
            yield scheduler
        finally:
            if scheduler.running:
                scheduler.shutdown()

    def say(self, *values: Any) -> None:
        """Write down what the program sees."""
        self.seen.append(tuple(map(self._plain, values)))

    def try_(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it, and write down what it returns or raises."""
        try:
            value = call(*args, **kwargs)
        except Exception as error:
            self.seen.append((*self._kinds(error), self._text(str(error))))
            return None
        self.say("returned", value)
        return value

    def _kinds(self, error: Exception) -> tuple[str, str]:
        """Its class, or that of APScheduler's world it derives from: ours may say more."""
        builtin = next(each for each in type(error).__mro__ if each.__module__ == "builtins")
        ours = type(error).__module__.startswith(("runner.errors", "builtins"))
        return ("raised", builtin.__name__ if ours else type(error).__name__)

    def _plain(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(str(key)): self._plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set):
            return [type(value).__name__, *map(self._plain, value)]
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, type):
            return f"class {value.__name__}"
        return self._text(repr(value))

    def _text(self, text: str) -> str:
        text = re.sub(r" at 0x[0-9a-f]+", "", text)
        text = re.sub(r"<function (\w+\.<locals>\.)*", "<function ", text)
        return text.replace("apscheduler", "runner").replace("APScheduler", "runner")


class Ears:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self._changed = threading.Condition()

    def __call__(self, event: Any) -> None:
        with self._changed:
            self.heard.append(event)
            self._changed.notify_all()

    def wait(self, mask: int, count: int = 1) -> None:
        """Until so many events of the mask were heard."""
        with self._changed:
            there = self._changed.wait_for(lambda: self.count(mask) >= count, PATIENCE)
        assert there, [(each.code, getattr(each, "job_id", "")) for each in self.heard]

    def count(self, mask: int) -> int:
        return sum(1 for each in list(self.heard) if each.code & mask)

    def facts(self) -> list[tuple[Any, ...]]:
        """Each event with all it carries, but for moments and traceback texts."""
        found = []
        for each in list(self.heard):
            more = {
                key: value
                for key, value in vars(each).items()
                if key not in ("scheduled_run_time", "scheduled_run_times", "traceback")
            }
            more["exception"] = repr(more.get("exception"))
            found.append((type(each).__name__, *sorted((key, str(value)) for key, value in more.items())))
        return found


@contextmanager
def logged(root: str, level: int = logging.INFO) -> Iterator[list[tuple[str, str, str]]]:
    """The log records under a root meanwhile: name, level, text."""
    kept: list[tuple[str, str, str]] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append((record.name.replace("apscheduler", "runner"), record.levelname, record.getMessage()))

    logger, keeper = logging.getLogger(root), Keeper()
    before = logger.level
    logger.addHandler(keeper)
    logger.setLevel(level)
    try:
        yield kept
    finally:
        logger.removeHandler(keeper)
        logger.setLevel(before)
