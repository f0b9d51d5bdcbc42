"""When a channel may speak: pure. One message at a time, one per window, the rest counted and summed up.

- the first message goes at once; what comes within `window` of it waits for the window's end and goes as one
  message (a storm of 500 failures is one message per window);
- `min_interval`: the same for each job by itself, with the channel's own interval;
- `quiet`: what comes in those times of day waits for their end and goes as one message; urgent news passes.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo
from typing import NamedTuple

from runner.core.run import Delivery
from runner.errors import RunnerError, TriggerError
from runner.moment import SECOND, Moment, Span, from_datetime, to_datetime
from runner.spec import JobKey
from runner.triggers.windows import Window

WINDOW: Span = 5 * SECOND
"""A channel speaks at most once in this time."""


class Quiet(NamedTuple):
    """Times of day, from `start` to `end`, over midnight where `end` is not later."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Quiet:
        """`22:00-07:00`; RunnerError where it is not two times of day."""
        try:
            window = Window.of(text)
        except TriggerError as error:
            raise RunnerError(f"quiet: {error.fact}", hint='write quiet: "22:00-07:00"') from None
        return cls(_clock(window.begin), _clock(window.end))

    def until(self, moment: Moment, zone: tzinfo) -> Moment | None:
        """The end of the quiet time that `moment` lies in; None where it lies in none."""
        now = to_datetime(moment, zone)
        clock = now.time()
        if self.start < self.end:
            inside, ends_tomorrow = self.start <= clock < self.end, False
        else:
            inside, ends_tomorrow = clock >= self.start or clock < self.end, clock >= self.start
        if not inside:
            return None
        day = now.date() + timedelta(days=1) if ends_tomorrow else now.date()
        end = from_datetime(datetime.combine(day, self.end, zone))
        return end if end > moment else None


def _clock(second: int) -> time:
    minutes, seconds = divmod(second % (24 * 3600), 60)
    return time(minutes // 60, minutes % 60, seconds)


class Gate:
    """Keeps a channel's deliveries until they may go. The caller says the time; it may be set back."""

    def __init__(
        self,
        *,
        zone: tzinfo,
        window: Span = WINDOW,
        min_interval: Span | None = None,
        quiet: Quiet | None = None,
    ) -> None:
        self._waiting: dict[str, Delivery] = {}
        self._fresh: list[Delivery] = []
        self._soonest: Moment | None = None
        self._seen: Moment = 0
        self._spoke: Moment | None = None
        self._spoke_of: dict[JobKey, Moment] = {}
        self.set(zone=zone, window=window, min_interval=min_interval, quiet=quiet)

    def set(
        self,
        *,
        zone: tzinfo,
        window: Span = WINDOW,
        min_interval: Span | None = None,
        quiet: Quiet | None = None,
    ) -> None:
        """Other rules from now on; what waits goes on waiting under them."""
        self._zone = zone
        self._window = window
        self._min_interval = min_interval or 0
        self._quiet = quiet
        self._look_again()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, delivery: Delivery) -> None:
        """Take it in; the same delivery given twice is one."""
        self._waiting[delivery.id] = delivery
        self._fresh.append(delivery)

    def drain(self) -> list[Delivery]:
        """All that waits, whatever the rules say."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        self._look_again()
        return waiting

    def take(self, now: Moment) -> list[Delivery]:
        """What may go now, to be sent as one message; empty where nothing may."""
        soonest = self.next_at(now)
        if soonest is None or soonest > now:
            return []
        ready = [delivery for delivery in self._waiting.values() if self._due(delivery, now) <= now]
        for delivery in ready:
            del self._waiting[delivery.id]
            self._spoke_of[delivery.news.job] = now
        if ready:
            self._spoke = now
            self._forget(now)
        self._look_again()
        return ready

    def hurry(self, now: Moment) -> bool:
        """The end is near: the window holds nothing back any more (the job's interval and quiet times do)."""
        if self._window:
            self._window = 0
            self._look_again()
        due = self.next_at(now)
        return due is not None and due <= now

    def next_at(self, now: Moment) -> Moment | None:
        """When something may go, as seen from `now`; None where nothing waits."""
        # Thousands may wait for the morning: only what is new is looked at, until the soonest is there.
        if now < self._seen:
            self._rewind(now)
        self._seen = now
        for delivery in self._fresh:
            due = self._due(delivery, now)
            self._soonest = due if self._soonest is None else min(self._soonest, due)
        self._fresh.clear()
        return None if self._soonest is None else max(self._soonest, now)

    def _look_again(self) -> None:
        """The rules or what was said last have changed: all that waits is looked at anew."""
        self._fresh = list(self._waiting.values())
        self._soonest = None

    def _due(self, delivery: Delivery, now: Moment) -> Moment:
        if delivery.news.kind == "test":
            return now
        due = now
        if self._spoke is not None:
            due = max(due, self._spoke + self._window)
        last = self._spoke_of.get(delivery.news.job)
        if last is not None:
            due = max(due, last + self._min_interval)
        if self._quiet is not None and not is_urgent(delivery):
            due = self._quiet.until(due, self._zone) or due
        return due

    def _rewind(self, now: Moment) -> None:
        """A clock that was set back must not silence a channel: what was said in the future was said now."""
        if self._spoke is not None and self._spoke > now:
            self._spoke = now
            self._spoke_of = {job: min(at, now) for job, at in self._spoke_of.items()}
        self._look_again()

    def _forget(self, now: Moment) -> None:
        """Drop what no rule asks about any more, so that a year of jobs does not add up."""
        if len(self._spoke_of) > 1_000:
            horizon = now - self._min_interval
            self._spoke_of = {job: at for job, at in self._spoke_of.items() if at > horizon}


def is_urgent(delivery: Delivery) -> bool:
    """News of a job with the tag `urgent` passes quiet times."""
    facts = delivery.news.facts
    tags = facts.get("tags") or ()
    return bool(facts.get("urgent")) or (isinstance(tags, list | tuple) and "urgent" in tags)
