"""What a loaded configuration is: frozen values, ready to be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runner.config.expected import Expected
from runner.core.event import Maintenance
from runner.errors import Problem
from runner.moment import Span
from runner.spec import JobSpec
from runner.triggers.calendars import Calendar


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go. `urls` may hold `${{ secrets.NAME }}`; `quiet` is two times of day, `22:00-07:00`."""

    name: str
    urls: tuple[str, ...]
    min_interval: Span | None = None
    quiet: str | None = None


@dataclass(frozen=True, slots=True)
class Executor:
    """Where work runs."""

    name: str = "default"
    type: Literal["local"] = "local"
    max_workers: int | None = None
    python: Literal["processes", "threads"] = "processes"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """An address that is asked every `every` microseconds as long as the runner is well."""

    url: str
    every: Span


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes: what output of all jobs may take, and what is left free on its disk (None: by the disk's size)."""

    logs: int = 2 << 30
    keep_free: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a file says. `files` are all that were read: those to watch."""

    path: Path
    jobs: tuple[JobSpec, ...] = ()
    channels: Mapping[str, Channel] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    executors: Mapping[str, Executor] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    maintenance: tuple[Maintenance, ...] = ()
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    tests: tuple[Expected, ...] = ()
    heartbeat: Heartbeat | None = None
    storage: Storage = Storage()
    warnings: tuple[Problem, ...] = ()
    """What is doubtful, and the notes."""
    files: tuple[Path, ...] = ()
    patterns: tuple[str, ...] = ()
    """The patterns files were looked for with, absolute: a file that comes to match is a change as well."""
    digest: str = ""
    timezone: str = "UTC"
    """The machine's zone, by name: that of every job that names none."""
    isolate_files: bool = False
    broken: tuple[Problem, ...] = ()
    """What is wrong with files whose last good form stands in for them."""
