from __future__ import annotations

import click

from runner.cli import completing, frame, reading

STATUSES = "pending running waiting succeeded failed timed_out cancelled interrupted".split()


@click.command("history")
@click.argument("job", metavar="[JOB|RUN]", required=False, shell_complete=completing.jobs)
@click.option(
    "-n", "--count", type=click.IntRange(1), default=20, show_default=True, help="how many, the newest"
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="also occurrences that were skipped, missed or merged, and when the clock was set",
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES),
    metavar="STATUS",
    help=f"only these, of {', '.join(STATUSES)}; repeatable",
)
@click.option("--since", metavar="T", help="from this moment on: 2026-12-24, or a length of time back: 7d")
@frame.file_option
@frame.json_option
def command(
    job: str | None,
    count: int,
    everything: bool,
    statuses: tuple[str, ...],
    since: str | None,
    file: str | None,
    as_json: bool,
) -> None:
    """Past and live runs, newest first; of a run's id, that run with its steps."""
    from runner.history.finding import parse_run_id
    from runner.views import history

    with reading.desk(file, past_only=True) as desk:
        if job is not None and parse_run_id(job) is not None:
            _one(desk, job, as_json)
            return
        start = reading.since(since, desk)
        past = desk.history
        named = _source(desk, job) if job is not None else None
        # A job that is no longer in the file still has its history.
        if job is not None and (past is None or not past.runs(source=named, job=job, limit=1)):
            desk.job(job)
        runs = (
            past.runs(source=named, job=job, statuses=statuses, since=start, limit=count)
            if past is not None
            else []
        )
        others = (
            past.occurrences(source=named, job=job, since=start, limit=count)
            if past is not None and everything
            else []
        )
        clock = (
            history.seen_once(past.clock_changes(source=named, since=start, limit=count))
            if past is not None and everything
            else []
        )
        if len(runs) == count:
            clock = [one for one in clock if (one.closed_at or one.since) >= runs[-1].key.slot]
            others = [one for one in others if one.slot >= runs[-1].key.slot]
        if as_json:
            zones = {each.key: each.spec.timezone for each in desk.jobs}
            frame.print_json(history.document(runs, others, zones, clock if everything else None))
        else:
            chosen = bool(statuses) or start is not None
            reading.show(history.table(runs, others, clock, now=desk.now, zone=desk.zone, chosen=chosen))


def _source(desk: reading.Desk, job: str) -> str:
    """Whose job it is: a job's that is there, else that of the newest run, for a job that is gone has its history."""
    for one in desk.jobs:
        if one.spec.id == job:
            return one.spec.source
    runs = desk.history.runs(job=job, limit=1) if desk.history is not None else []
    return runs[0].key.job.source if runs else desk.place.source


def _one(desk: reading.Desk, id: str, as_json: bool) -> None:
    from runner.views import run as view

    run = desk.history.find(id, source=desk.place.source) if desk.history is not None else None
    if run is None and desk.history is not None:
        run = desk.history.find(id)
    if run is None:
        raise frame.fault(frame.EXIT_UNKNOWN, f"there is no run {id!r}", hint="runner history lists them")
    if as_json:
        frame.print_json(view.document(run))
    else:
        reading.show(view.table(run, now=desk.now, zone=desk.zone))
