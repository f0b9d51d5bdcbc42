from __future__ import annotations

import click

from runner.cli import completing, frame, owner


@click.command("resume")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=completing.jobs)
@frame.file_option
@owner.source_option
@frame.json_option
def command(jobs: tuple[str, ...], file: str | None, source: str | None, as_json: bool) -> None:
    """Go on scheduling paused jobs. What was skipped meanwhile is not caught up."""
    place = frame.place_of(file, shared=True)
    for job in jobs:
        frame.ask(place, "resume", source=owner.owner(place, job, source), job=job)
        if not as_json:
            click.echo(f"{job}: scheduled")
    if as_json:
        frame.print_json({"resumed": list(jobs)})
