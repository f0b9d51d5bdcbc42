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
@frame.file_option
@frame.json_option
def command(job: str | None, count: int, at: str | None, file: str | None, as_json: bool) -> None:
    """The coming occurrences of all jobs, or of one."""
    from runner.views import upcoming

    with reading.desk(file) as desk:
        jobs = [desk.job(job)] if job is not None else list(desk.jobs)
        after = reading.moment(at, desk, jobs[0].spec.timezone if job is not None else str(desk.zone))
        coming = upcoming.upcoming(
            jobs, after=desk.now if after is None else after, now=desk.now, count=count
        )
        if as_json:
            frame.print_json(upcoming.document(coming))
        else:
            reading.show(upcoming.table(coming, now=desk.now, zone=desk.zone))
