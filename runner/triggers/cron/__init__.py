"""Wall-clock schedules: crontab text, and APScheduler's eight fields."""

from __future__ import annotations

from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.cron.trigger import CronField, CronTrigger

__all__ = ["CronField", "CronTrigger", "CrontabTrigger"]
