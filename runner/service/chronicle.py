"""Tells people what the engine announces: one plain line for each thing that happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from runner.amounts import count
from runner.clock import Clock
from runner.config import Config
from runner.core.action import Announce
from runner.core.machine import Machine
from runner.core.run import Delivery, Incident, Job, Occurrence, Run, RunKey, Status, StepRun
from runner.duration import say_duration
from runner.moment import SECOND, Moment, iso, to_datetime
from runner.service.place import Place
from runner.service.report import Report
from runner.spec import JobKey
from runner.views.run import origin

_TAIL_LINES = 5
_FEW = 5


class Chronicle:
    """Hears announcements on the clock thread, and says the ones people want to read."""

    def __init__(self, report: Report, clock: Clock, zone_of: Callable[[JobKey], str]) -> None:
        self._report = report
        self._clock = clock
        self._zone_of = zone_of
        self._found: tuple[RunKey, ...] = ()
        self._say: Mapping[str, Callable[[Announce], None]] = {
            "run.started": self._run_started,
            "run.ended": self._run_ended,
            "step.retrying": self._step_retrying,
            "occurrence.skipped": self._occurrence,
            "occurrence.missed": self._occurrence,
            "occurrence.merged": self._occurrence,
            "job.paused": self._job,
            "job.resumed": self._job,
            "job.broken": self._job,
            "delivery.retrying": self._retrying,
            "delivery.given_up": self._given_up,
            "delivery.delivered": self._delivered,
            "store.failed": self._store_failed,
            "store.back": lambda _: report.say("store.back", "the store is back", "good"),
            "lease.lost": lambda _: report.say("lease.lost", "another runner leads now; standing by", "bad"),
        }

    @property
    def hears(self) -> frozenset[str]:
        """The announcements, by name, that something is said of."""
        return frozenset(self._say)

    def hear(self, announce: Announce) -> None:
        say = self._say.get(announce.name)
        if say is not None:
            say(announce)

    # ── the beginning ───────────────────────────────────────────────────────────────────────

    def loaded(self, place: Place, config: Config) -> None:
        """What was read, where the state lies, and what is worth a warning."""
        scheduled = sum(spec.trigger is not None and spec.enabled for spec in config.jobs)
        parts = [count(len(config.jobs), "job"), f"{scheduled} scheduled"]
        if config.channels:
            parts.append(count(len(config.channels), "channel"))
        self._report.say(
            "config.loaded",
            f"{place.file}: {', '.join(parts)}",
            "good",
            file=str(place.file),
            jobs=len(config.jobs),
        )
        for warning in config.warnings:
            self._report.say("config.warning", str(warning), "warn")
        self._report.say("state", f"state: {place.state}", state=str(place.state))
        if foreign := place.foreign():
            self._report.say("state", foreign, "warn")
        self._report.say(
            "timezone",
            f"timezone: {config.timezone}, the machine's, where the file names no other",
            timezone=config.timezone,
        )

    def found(self, machine: Machine) -> None:
        """What the last runner left; said before anything is decided."""
        self._found = tuple(run.key for run in machine.runs.values() if run.started_at is not None)

    def leading(self, machine: Machine | None) -> None:
        """What comes next; said when this runner takes the lead."""
        if machine is None:
            return
        due = sorted(
            (job.next_at, job.spec.id, job.spec.timezone)
            for job in machine.jobs.values()
            if job.next_at is not None and job.state == "scheduled"
        )
        now = self._clock.now()
        for at, id, zone in due[:_FEW]:
            self._report.say("next", f"next: {id} at {_clock(at, now, zone)}", job=id, at=iso(at))
        if len(due) > _FEW:
            self._report.say("next", f"      and {len(due) - _FEW} more (runner list)")
        if not due:
            self._report.say("next", "nothing is scheduled; jobs run by hand: runner trigger JOB")
        live = [key for key in self._found if key in machine.runs]
        if live:
            self._report.say(
                "recovered", f"{count(len(live), 'run')} of the last runner taken over", live=len(live)
            )

    # ── what happens ────────────────────────────────────────────────────────────────────────

    def _run_started(self, announce: Announce) -> None:
        run: Run = announce.value
        zone = run.spec.timezone
        if run.origin == "schedule":
            planned = _clock(run.key.slot, run.started_at or run.key.slot, zone)
            late = f", {say_duration(run.late)} late" if run.late >= SECOND else ""
            why = f"(planned {planned}{late})"
        else:
            why = f"({origin(run)})"
        self._report.say("run.started", f"{run.spec.title} started {why}", run=run.id, job=run.spec.id)

    def _run_ended(self, announce: Announce) -> None:
        run: Run = announce.value
        facts = {"run": run.id, "job": run.spec.id, "status": str(run.status), "took": run.took / SECOND}
        if run.status.good:
            self._report.say(
                "run.ended", f"{run.spec.title} succeeded in {say_duration(run.took)}", "good", **facts
            )
            return
        word = str(run.status).replace("_", " ")
        reason = f" ({run.reason})" if run.reason and run.status is not Status.TIMED_OUT else ""
        lines = [f"{run.spec.title} {word}{reason} after {say_duration(run.took)}"]
        for state in run.steps.values():
            lines += _what_went_wrong(state, alone=len(run.steps) == 1)
        lines.append(f"more: runner logs {run.id}")
        self._report.say("run.ended", "\n".join(lines), "bad", **facts)

    def _step_retrying(self, announce: Announce) -> None:
        run, state = announce.value
        assert isinstance(run, Run)
        assert isinstance(state, StepRun)
        wait = f" in {say_duration(state.due - self._clock.now())}" if state.due else ""
        self._report.say(
            "step.retrying",
            f"{run.spec.title}: step {state.id} failed (attempt {state.attempt}), again{wait}",
            "warn",
            run=run.id,
            step=state.id,
        )

    def _occurrence(self, announce: Announce) -> None:
        occurrence: Occurrence = announce.value
        planned = _clock(occurrence.slot, self._clock.now(), self._zone_of(occurrence.job))
        what = f"{occurrence.count} times from {planned}" if occurrence.count > 1 else planned
        self._report.say(
            announce.name,
            f"{occurrence.job.id}: {what} {occurrence.state} ({occurrence.reason})",
            "warn" if occurrence.state == "missed" else "info",
            job=occurrence.job.id,
            slot=iso(occurrence.slot),
        )

    def _job(self, announce: Announce) -> None:
        job: Job = announce.value
        word = announce.name.partition(".")[2]
        reason = f": {job.reason}" if job.reason else ""
        self._report.say(
            announce.name,
            f"{job.spec.title} {word}{reason}",
            "bad" if word == "broken" else "info",
            job=job.spec.id,
        )

    def _retrying(self, announce: Announce) -> None:
        delivery: Delivery = announce.value
        wait = max(0, delivery.next_at - self._clock.now())
        self._report.say(
            "delivery.retrying",
            f"could not tell {delivery.channel}: {delivery.news.kind} of {_about(delivery)}: {delivery.error}; "
            f"trying again in {say_duration(wait // SECOND * SECOND or SECOND)}",
            "warn",
        )

    def _given_up(self, announce: Announce) -> None:
        delivery: Delivery = announce.value
        self._report.say(
            "delivery.given_up",
            f"an alert about {_about(delivery)} could not be delivered to {delivery.channel}: {delivery.error}",
            "bad",
        )

    def _delivered(self, announce: Announce) -> None:
        delivery: Delivery = announce.value
        self._report.say(
            "delivery.delivered", f"told {delivery.channel}: {delivery.news.kind} of {_about(delivery)}"
        )

    def _store_failed(self, announce: Announce) -> None:
        alias, error = announce.value
        self._report.say(
            "store.failed", f"the store {alias!r} fails: {error}; nothing starts until it is back", "bad"
        )


def _about(delivery: Delivery) -> str:
    """The job, or the file where the news is of the configuration."""
    return delivery.news.job.id or delivery.news.job.source


def _what_went_wrong(state: StepRun, *, alone: bool) -> list[str]:
    outcome = state.outcome
    if outcome is None or state.status in (Status.SUCCEEDED, Status.SKIPPED):
        return []
    if outcome.error:
        fact = outcome.error
    elif outcome.exit_code is not None:
        fact = f"exit code {outcome.exit_code}"
    else:
        fact = str(state.status)
    head = fact if alone else f"step {state.id}: {fact}"
    return [head, *(f"  {line}" for line in outcome.tail.splitlines()[-_TAIL_LINES:])]


def _clock(moment: Moment, now: Moment, zone: str) -> str:
    """The time of day in the job's zone, with the date where that is another day."""
    there = _zone(zone)
    when, today = to_datetime(moment, there), to_datetime(now, there)
    form = "%H:%M:%S" if when.second else "%H:%M"
    return when.strftime(form) if when.date() == today.date() else when.strftime(f"%Y-%m-%d {form}")


def _zone(name: str) -> tzinfo:
    return ZoneInfo(name)


def clock_set(change: Incident | None) -> dict[str, Any] | None:
    """The last time that the clock was set while this runner led."""
    if change is None or change.closed_at is None:
        return None
    return {"at": iso(change.closed_at), "was": iso(change.since), "text": change.detail}
