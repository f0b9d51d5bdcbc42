"""`runner why JOB [--at T]`: why it did or did not run then, from its rule and from what is written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Literal

from runner.core.event import Maintenance
from runner.core.run import Incident, Job, Occurrence, Run
from runner.core.timing import start_of
from runner.duration import say_duration
from runner.moment import MINUTE, SECOND, Moment
from runner.triggers import explain
from runner.views.history import REASONS, occurrence_entry
from runner.views.history import reason as in_words
from runner.views.run import entry, sentence
from runner.views.when import iso, when, zone_of

Verdict = Literal["ran", "running", "skipped", "missed", "merged", "planned", "not planned", "unknown"]


@dataclass(frozen=True, slots=True)
class Answer:
    """`because`: one sentence for each thing that is so, the weightiest first."""

    job: Job
    at: Moment
    verdict: Verdict
    because: tuple[str, ...]
    run: Run | None = None
    occurrence: Occurrence | None = None
    previous: Moment | None = None
    next: Moment | None = None


def answer(
    job: Job,
    at: Moment,
    *,
    now: Moment,
    zone: tzinfo,
    runs: Sequence[Run] = (),
    others: Sequence[Occurrence] = (),
    maintenance: Sequence[Maintenance] = (),
    clock: Sequence[Incident] = (),
    oldest: Moment | None = None,
) -> Answer:
    """Judge one moment. `zone`: the job's. `runs` and `others` are this job's, at least those around `at`.

    `maintenance`: the windows that are planned now. `clock`: when it was set. `oldest`: the slot of the oldest record.
    """
    trigger = job.spec.trigger
    planned = trigger is not None and explain.fires(trigger, at)
    words = explain.why(trigger, at) if trigger is not None else []
    previous = explain.previous(trigger, at) if trigger is not None else None
    following = trigger.next_after(at) if trigger is not None else None
    run = _run_at(runs, at)
    kept_off = trigger is not None and any(one.slot == at for one in trigger.passed(at - 1, at))
    covering = [one for one in others if one.state != "ran" and _covers(one, at, planned, kept_off)]
    # A time may be amid both kinds of ranges; a calendar may have been edited since it kept this one off.
    by_calendar = kept_off and not planned
    counted = (one for one in covering if one.slot == at or (one.reason == "calendar") == by_calendar)
    occurrence = next(counted, next(iter(covering), None))
    verdict: Verdict
    if run is not None:
        verdict = "ran" if run.status.final else "running"
        because = (sentence(run, now=now, zone=zone), *_not_by_schedule(run, planned, words))
    elif occurrence is not None:
        verdict = occurrence.state
        because = (f"it was planned, but {occurrence.state}: {in_words(occurrence, now, zone)}",)
    elif trigger is None and job.state == "finished" and not job.spec.after:  # it left the file
        verdict, because = "unknown", ("no schedule of it is on record",)
    elif not planned:
        verdict, because = "not planned", _not_planned(job, words)
    elif at > now:
        verdict, because = "planned", (*_coming(job, at, now, zone, maintenance), *words)
    else:
        verdict, because = "unknown", _nothing_known(at, oldest, now, zone)
    because += tuple(_clock_set(each, now, zone) for each in clock if _passes(each, at))
    return Answer(job, at, verdict, because, run, occurrence, previous, following)


def document(made: Answer, note: str = "") -> dict[str, Any]:
    """`{job, at, verdict, note, schedule, because, run, occurrence, previous, next}`; times in the job's zone."""
    zone = zone_of(made.job.spec.timezone)
    one = made.occurrence
    return {
        "job": made.job.spec.id,
        "at": iso(made.at, zone),
        "verdict": made.verdict,
        "note": note,
        "schedule": _schedule(made.job),
        "because": list(made.because),
        "run": None if made.run is None else entry(made.run),
        "occurrence": None if one is None else occurrence_entry(one, made.job.spec.timezone),
        "previous": iso(made.previous, zone),
        "next": iso(made.next, zone),
    }


def text(made: Answer, *, now: Moment, zone: tzinfo, note: str = "") -> str:
    """The verdict, the reasons below it, and the planned times around the moment, on the job's wall clock.

    `note`: what is to be said of the moment itself, such as that the clock does not show it that day.
    """
    lines = [f"{made.job.spec.id}, {when(made.at, now, zone)} {made.job.spec.timezone}: {made.verdict}"]
    lines += [f"  {note}"] if note else []
    lines += [f"  {reason}" for reason in made.because]
    around = []
    if made.previous is not None:
        around.append(f"before it {when(made.previous, now, zone)}")
    if made.next is not None:
        around.append(f"after it {when(made.next, now, zone)}")
    if around:
        lines.append(f"  planned {', '.join(around)}")
    if schedule := _schedule(made.job):
        lines.append(f"  its schedule: {schedule}")
    return "\n".join(lines)


def _passes(change: Incident, at: Moment) -> bool:
    """Whether the clock passed over this moment, or showed it twice."""
    there = change.closed_at or change.since
    return min(change.since, there) <= at <= max(change.since, there)


def _clock_set(change: Incident, now: Moment, zone: tzinfo) -> str:
    there = change.closed_at or change.since
    what = "this time was passed over" if there > change.since else "this time came twice"
    return f"{change.detail}, from {when(change.since, now, zone)} to {when(there, now, zone)}: {what}"


def _schedule(job: Job) -> str:
    if job.spec.trigger is None:
        return ""
    written, words = job.spec.schedule, explain.words(job.spec.trigger)
    return f"{written} ({words})" if written and written != words else words


def _run_at(runs: Sequence[Run], at: Moment) -> Run | None:
    """The run of this slot; else one that began by hand within the minute asked for."""
    exact = [run for run in runs if run.key.slot == at]
    if exact:
        return max(exact, key=lambda run: (run.origin == "schedule", run.key.nonce))
    if at % MINUTE:
        return None
    within = (run for run in runs if run.origin != "schedule" and 0 <= run.key.slot - at < MINUTE)
    return next(within, None)


def _covers(one: Occurrence, at: Moment, planned: bool, kept_off: bool) -> bool:
    """A range of days off is of what the calendar keeps from running, any other one of what it does not."""
    if one.last is None or one.slot == at:
        return one.slot == at
    named = planned or (kept_off and one.reason == "calendar")
    return named and one.slot <= at <= one.last


def _not_by_schedule(run: Run, planned: bool, words: Sequence[str]) -> tuple[str, ...]:
    if run.origin == "schedule" or planned or run.spec.trigger is None:
        return ()
    return ("its schedule did not ask for it", *words)


def _not_planned(job: Job, words: Sequence[str]) -> tuple[str, ...]:
    if job.spec.trigger is None:
        starts = ", ".join(after.job for after in job.spec.after)
        return (
            f"it has no schedule; it runs after {starts}"
            if starts
            else "it has no schedule; it runs by hand",
        )
    return tuple(words) or (f"its schedule ({job.spec.schedule}) does not name this time",)


def _coming(
    job: Job, at: Moment, now: Moment, zone: tzinfo, maintenance: Sequence[Maintenance]
) -> tuple[str, ...]:
    if job.state == "paused":
        until = job.paused_until
        if until is not None and until <= at:
            return (f"the job is paused until {when(until, now, zone)}, and goes on by then",)
        note = REASONS.get(job.reason, job.reason)
        lasts = f" until {when(until, now, zone)}" if until is not None else ""
        return (f"it will be skipped: the job is paused{lasts}" + (f" ({note})" if note else ""),)
    if job.state == "broken":
        return (f"it will not run: the job is broken ({job.reason})",)
    if job.state == "finished":
        return ("it will not run: the job is finished",)
    start = start_of(job.spec, at)
    ends = [(end, each.name) for each in maintenance if (end := each.until(job.spec, start)) is not None]
    if ends:
        end, name = max(ends)
        return (f"it will be skipped: the maintenance {name} lasts until {when(end, now, zone)}",)
    if start != at:
        moved = f", {say_duration(start - at)} after its time (jitter)"
        return (f"it will run {when(start - start % SECOND, now, zone)}{moved}",)
    return (f"it will run {when(at, now, zone)}",)


def _nothing_known(at: Moment, oldest: Moment | None, now: Moment, zone: tzinfo) -> tuple[str, ...]:
    first = "its schedule names this time, but nothing is written down of it"
    if oldest is None:
        return (first, "nothing is written down of this job at all: it has not been served yet")
    if oldest < at:
        return (first, "it has older records: it had another schedule then, or was not enabled or not there")
    record = f"the oldest record of this job is of {when(oldest, now, zone)}"
    return (
        first,
        f"{record}; before that it was not there, had another schedule, or its history was cleared",
    )
