from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.cli import completing, frame, reading

if TYPE_CHECKING:
    from runner.core.run import Job
    from runner.moment import Moment


@click.command("why")
@click.argument("job", metavar="JOB|RUN", shell_complete=completing.jobs)
@click.option(
    "--at",
    metavar="T",
    help="the moment: 2026-12-24T08:00, 08:00, or so long back: -2h [the last on record, else the next planned]",
)
@frame.file_option
@frame.json_option
def command(job: str, at: str | None, file: str | None, as_json: bool) -> None:
    """Why a job did or did not run at a moment: its rule, field by field, and what is written down.

    A run's id names its job and its planned time.
    """
    from runner.history.finding import parse_run_id
    from runner.moment import MINUTE, SECOND
    from runner.views import why
    from runner.views.when import zone_of

    with reading.desk(file) as desk:
        id = parse_run_id(job)
        found, note = _job(job if id is None else id[0], desk)
        zone = zone_of(found.spec.timezone)
        asked = reading.moment(at, desk, found.spec.timezone)
        if asked is None:
            asked = _last(found, desk) if id is None else id[1]
        else:
            asked -= asked % SECOND
        note = note or ("" if at is None else _clock_change(at, found.spec.timezone))
        runs, others, clock, oldest = [], [], [], None
        if desk.history is not None:
            key, until = found.key, asked + MINUTE
            oldest = desk.history.oldest(key)
            runs = desk.history.runs(source=key.source, job=key.id, since=asked, until=until)
            others = desk.history.occurrences(source=key.source, job=key.id, since=asked, until=until)
            clock = desk.history.clock_changes(source=key.source)
        made = why.answer(
            found,
            asked,
            now=desk.now,
            zone=zone,
            runs=runs,
            others=others,
            maintenance=desk.maintenance,
            clock=clock,
            oldest=oldest,
        )
        if as_json:
            frame.print_json(why.document(made, note))
        else:
            click.echo(why.text(made, now=desk.now, zone=zone, note=note))


_RECENT = 100
"""Runs of a job that left the file, the newest, of which one may know its schedule."""


def _job(name: str, desk: reading.Desk) -> tuple[Job, str]:
    """The job of this id, and a word on it: one that left the file still has its history, and its last definition."""
    from runner.core.run import Job

    runs = (
        []
        if desk.history is None or any(one.spec.id == name for one in desk.jobs)
        else desk.history.runs(job=name, limit=_RECENT)
    )
    if not runs:
        return desk.job(name), ""
    gone = f"it is not in {desk.place.file} any more; this is what is known of it"
    # `runner run` keeps no schedule with its runs.
    specs = [run.spec for run in runs]
    spec = next((each for each in specs if each.trigger is not None or each.after), specs[0])
    return Job(spec, state="finished"), gone


def _last(job: Job, desk: reading.Desk) -> Moment:
    """The last moment that something is on record of; where there is none the next that is planned, else now."""
    slots: list[Moment] = []
    if desk.history is not None:
        source, id = job.key.source, job.key.id
        slots += [run.key.slot for run in desk.history.runs(source=source, job=id, limit=1)]
        others = desk.history.occurrences(source=source, job=id, limit=1)
        slots += [one.slot if one.last is None else one.last for one in others]
    coming = job.spec.trigger.next_after(desk.now) if job.spec.trigger is not None else None
    return max(slots) if slots else coming or desk.now


def _clock_change(text: str, zone: str) -> str:
    """What a clock change makes of the time that was typed, where it is one of the wall clock."""
    from datetime import datetime

    from runner.triggers.explain import clock_change

    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return "" if wall.tzinfo is not None else clock_change(wall, zone)
