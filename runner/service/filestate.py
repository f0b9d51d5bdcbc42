"""Whether the jobs file is good, since when it is not, and who is told of either."""

from __future__ import annotations

from pathlib import Path

from runner.clock import Clock
from runner.core.event import Notice
from runner.errors import ConfigError, RunnerError
from runner.moment import Moment
from runner.service.house import House
from runner.service.reload import Swap
from runner.service.report import Report

CHANGED = "the file changed"
"""The reason of a reload that nobody asked for: one that changes nothing is not worth a line."""


class FileState:
    """Told by whoever reloads, one at a time; its attributes may be read from anywhere."""

    def __init__(self, house: House, report: Report, clock: Clock) -> None:
        self._house = house
        self._report = report
        self._clock = clock
        self.loaded_at: Moment = clock.now()
        self.broken = ""
        """What is wrong with the file as it stands; empty while it is good."""
        self.broken_since: Moment | None = None
        self.suspects: tuple[Path, ...] = ()
        """The files that keep it from being good."""

    def refuse(self, error: RunnerError, kept: str = "the last good configuration keeps running") -> None:
        """The file, or a part of it, was not taken; `kept` says what goes on instead."""
        self.broken = str(error)
        self.broken_since = self.broken_since or self._clock.now()
        files = {Path(problem.file) for problem in getattr(error, "problems", ())}
        self.suspects = tuple(sorted(files))
        self._report.raw(str(error))
        self._report.say("config.refused", kept, "bad")
        self.tell()

    def accept(self, swap: Swap, reason: str, took: int) -> None:
        """The file was taken, in `took` milliseconds, wholly or but for its broken parts."""
        if swap.config.broken:
            if swap.difference:
                self._report.say("config.loaded", f"{reason}: {swap.difference} ({took} ms)", "good")
            error = ConfigError("the configuration is broken in part", problems=swap.config.broken)
            self.refuse(error, "the jobs of the broken files keep their last good form")
            return
        mended, self.broken, self.broken_since = bool(self.broken), "", None
        self.suspects = ()
        self.loaded_at = self._clock.now()
        if mended:
            self.tell()
        if swap.difference or mended or reason != CHANGED:
            self._report.say("config.loaded", f"{reason}: {self._taken(swap, mended)} ({took} ms)", "good")
            for warning in swap.config.warnings:
                self._report.say("config.warning", str(warning), "warn")

    def _taken(self, swap: Swap, mended: bool) -> str:
        if self._house.partition.leading:
            return str(swap.difference)
        return "it is good again; standing by" if mended else "it is good, and counts once this runner leads"

    def tell(self) -> None:
        """Have people told whether the file is good, once for each time that this changes.

        That is the leader's to tell. Whoever takes the lead tells it as well: an earlier leader may have died
        between a broken edit and the good one, or while nobody could tell of either.
        """
        if not self._house.partition.leading:
            return
        facts = {"file": str(self._house.place.file)} | ({"error": self.broken} if self.broken else {})
        self._house.engine.post(
            Notice(
                "config", self._house.place.source, self._news_channels(), good=not self.broken, facts=facts
            )
        )

    def _news_channels(self) -> tuple[str, ...]:
        """Who hears of trouble with the file: everybody who hears of a failure of one of its jobs."""
        names = {
            channel: None
            for spec in self._house.config.jobs
            for rule in spec.notify.on_failure
            for channel in rule.to
        }
        return tuple(names)
