from __future__ import annotations

import click

from runner.cli import completing, frame, reading


@click.command("calendar")
@click.argument("job", required=False, shell_complete=completing.jobs)
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="how many days")
@frame.file_option
@frame.json_option
def command(job: str | None, days: int, file: str | None, as_json: bool) -> None:
    """How busy each hour of the coming days is."""
    from runner.views import calendar

    with reading.desk(file) as desk:
        jobs = [desk.job(job)] if job is not None else list(desk.jobs)
        heat = calendar.heat(jobs, now=desk.now, zone=desk.zone, days=days, maintenance=desk.maintenance)
        if as_json:
            frame.print_json(calendar.document(heat))
        else:
            click.echo(calendar.text(heat, width=reading.width(), zone=str(desk.zone)))
