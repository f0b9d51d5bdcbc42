"""Reads the facts of news, whatever is missing or odd among them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from runner.core.run import News
from runner.moment import SECOND, Moment, Span, parse_iso, to_datetime


class Facts:
    """The facts of one piece of news; a fact that is missing or makes no sense reads as empty."""

    def __init__(self, news: News, zone: str) -> None:
        self.news = news
        self._facts: Mapping[str, Any] = news.facts
        self._zone = zone_of(self.text("zone") or zone)

    @property
    def title(self) -> str:
        return self.text("title") or self.news.job.id or self.text("file") or self.news.job.source

    @property
    def took(self) -> Span | None:
        started, ended = self.moment("started_at"), self.moment("ended_at")
        if started is not None and ended is not None:
            return max(0, ended - started)
        return self.span("took")

    def text(self, key: str) -> str:
        value = self._facts.get(key)
        if key == "run" and value is None and self.news.run is not None:
            return str(self.news.run)
        return value if isinstance(value, str) else "" if value is None else str(value)

    def lines(self, key: str) -> list[str]:
        value = self._facts.get(key)
        if isinstance(value, str):
            return [value]
        return [str(item) for item in value] if isinstance(value, list | tuple) else []

    def yes(self, key: str) -> bool:
        return self._facts.get(key) is True

    def whole(self, key: str) -> int | None:
        value = self._facts.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def moment(self, key: str) -> Moment | None:
        value = self._facts.get(key)
        if isinstance(value, str):
            try:
                return parse_iso(value)
            except ValueError:
                return None
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def span(self, key: str) -> Span | None:
        value = self._facts.get(key)
        if isinstance(value, float):
            return round(value * SECOND)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def when(self, moment: Moment) -> str:
        """`Tue 2026-11-24 02:00:00 CET`: no reader has to guess the day or the zone."""
        return to_datetime(moment, self._zone).strftime("%a %Y-%m-%d %H:%M:%S %Z")

    def clock(self, moment: Moment) -> str:
        return to_datetime(moment, self._zone).strftime("%H:%M:%S")

    def context(self) -> dict[str, Any]:
        """What a rule's own title and body may read: `job`, `run`, `news`, `params`."""
        duration = self.took
        job = {
            "id": self.news.job.id,
            "name": self.title,
            "owner": self.text("owner"),
            "runbook": self.text("runbook"),
            "tags": self.lines("tags"),
            "timezone": self.text("zone"),
            "failures": self.whole("failures") or 0,
            "since": self._datetime("since"),
        }
        run = {
            "id": self.text("run"),
            "status": self.text("status"),
            "reason": self.text("reason"),
            "failed_step": self.text("step"),
            "exit_code": self.whole("exit_code"),
            "error": self.text("error"),
            "output": self.text("tail"),
            "attempt": self.whole("attempt") or 1,
            "scheduled_at": self._datetime("scheduled_at"),
            "started_at": self._datetime("started_at"),
            "ended_at": self._datetime("ended_at"),
            "duration": None if duration is None else duration / SECOND,
        }
        news = {
            "kind": self.news.kind,
            "at": to_datetime(self.news.at, self._zone),
            "late": self.text("late"),
            "channel": self.text("channel"),
        }
        params = self._facts.get("params")
        return {"job": job, "run": run, "news": news, "params": params if isinstance(params, Mapping) else {}}

    def _datetime(self, key: str) -> datetime | None:
        moment = self.moment(key)
        return None if moment is None else to_datetime(moment, self._zone)


def zone_of(name: str) -> tzinfo:
    """The zone of this name; UTC where there is none, for a message must not be lost over its clock."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
