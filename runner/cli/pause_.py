from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.cli import completing, frame, owner, reading

if TYPE_CHECKING:
    from runner.moment import Moment


@click.command("pause")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=completing.jobs)
@frame.file_option
@owner.source_option
@click.option(
    "--until", metavar="TIME", help="go on by itself then: 2h, or 2026-12-24T08:00 in the job's zone"
)
@click.option("--note", default="", help="why, for those who look at the list")
@frame.json_option
def command(
    jobs: tuple[str, ...], file: str | None, source: str | None, until: str | None, note: str, as_json: bool
) -> None:
    """Stop scheduling jobs until they are resumed. What runs goes on; what is skipped is recorded."""
    place = frame.place_of(file, shared=True)
    ends = _ends(file, jobs, until) if until else {}
    for job in jobs:
        moment, words = ends.get(job, (None, ""))
        frame.ask(place, "pause", source=owner.owner(place, job, source), job=job, until=moment, note=note)
        if not as_json:
            click.echo(f"{job}: paused{words}")
    if as_json:
        frame.print_json({"paused": list(jobs)})


def _ends(file: str | None, jobs: tuple[str, ...], until: str) -> dict[str, tuple[Moment, str]]:
    """When each pause ends, and how that is said; all are right before the first job is paused."""
    from runner.views.when import when, zone_of

    ends = {}
    with reading.desk(file) as desk:
        for job in jobs:
            zone = desk.job(job).spec.timezone
            moment = reading.moment_at(until, desk.now, zone, base=desk.now)
            if moment <= desk.now:
                raise frame.fault(frame.EXIT_USAGE, f"{until!r} is over", hint="name a moment that comes")
            ends[job] = moment, f" until {when(moment, desk.now, zone_of(zone))} {zone}"
    return ends
