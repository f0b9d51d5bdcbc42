from __future__ import annotations

import click

from runner.cli import completing, frame, owner


@click.command("pause")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=completing.jobs)
@frame.file_option
@owner.source_option
@click.option("--until", metavar="TIME", help="go on by itself then: 2026-12-24T08:00, in the job's zone")
@click.option("--note", default="", help="why, for those who look at the list")
@frame.json_option
def command(
    jobs: tuple[str, ...], file: str | None, source: str | None, until: str | None, note: str, as_json: bool
) -> None:
    """Stop scheduling jobs until they are resumed. What runs goes on; what is skipped is recorded."""
    place = frame.place_of(file, shared=True)
    zone = frame.local_zone()
    moment = frame.moment_of(until, zone) if until else None
    for job in jobs:
        frame.ask(place, "pause", source=owner.owner(place, job, source), job=job, until=moment, note=note)
        if not as_json:
            click.echo(f"{job}: paused" + (f" until {until}" if until else ""))
    if as_json:
        frame.print_json({"paused": list(jobs)})
