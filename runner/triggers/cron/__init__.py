"""Wall-clock schedules: crontab text, and APScheduler's eight fields."""

from __future__ import annotations

from runner.triggers.cron.crontab import CrontabTrigger

__all__ = ["CrontabTrigger"]
