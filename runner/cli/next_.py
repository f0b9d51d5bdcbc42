from __future__ import annotations

import click

from runner.cli import completing, frame, reading


@click.command("next")
@click.argument("job", required=False, shell_complete=completing.jobs)
@click.option(
    "-n", "--count", type=click.IntRange(1, 100_000), default=10, show_default=True, help="how many"
)
@click.option(
    "--at", metavar="T", help="after this moment: 2026-12-24T08:00, or a length of time ahead: 7d  [now]"
)
@click.option(
    "-p",
    "--previous",
    metavar="N",
    type=click.IntRange(1, 100_000),
    help="the N planned times before it instead, as the schedules are now",
)
@frame.file_option
@frame.json_option
def command(
    job: str | None, count: int, at: str | None, previous: int | None, file: str | None, as_json: bool
) -> None:
    """The coming occurrences of all jobs, or of one; with -p those that lie behind."""
    from runner.views import upcoming

    with reading.desk(file) as desk:
        jobs = [desk.job(job)] if job is not None else list(desk.jobs)
        after = reading.moment(at, desk, jobs[0].spec.timezone if job is not None else str(desk.zone))
        after = desk.now if after is None else after
        if previous is not None:
            coming = upcoming.past(jobs, before=after, count=previous)
        else:
            coming = upcoming.upcoming(
                jobs, after=after, now=desk.now, count=count, maintenance=desk.maintenance
            )
        if as_json:
            frame.print_json(upcoming.document(coming))
        else:
            empty = "nothing is planned" if previous is None else "nothing was planned before it"
            reading.show(upcoming.table(coming, now=desk.now, zone=desk.zone, empty=empty))
