"""The scheduler in a program's own process: one engine, and a front-end for each kind of host loop."""

from __future__ import annotations


class SchedulerAlreadyRunningError(Exception):
    """What was asked for needs a scheduler that is stopped."""

    def __str__(self) -> str:
        return "Scheduler is already running"


class SchedulerNotRunningError(Exception):
    """What was asked for needs a scheduler that was started."""

    def __str__(self) -> str:
        return "Scheduler is not running"
