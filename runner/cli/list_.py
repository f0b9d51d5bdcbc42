from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from runner.cli import frame, reading

if TYPE_CHECKING:
    from runner.core.run import Job
    from runner.service.place import Place


@click.command("list")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="only jobs with this tag; repeatable")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(["scheduled", "paused", "broken", "finished"]),
    help="only jobs in this state; repeatable",
)
@frame.file_option
@frame.json_option
def command(file: str | None, as_json: bool, tags: tuple[str, ...], states: tuple[str, ...]) -> None:
    """The jobs, their state, when they run next and how they last ended."""
    from runner.views import listing

    with reading.desk(file) as desk:
        jobs = [
            job
            for job in desk.jobs
            if (not tags or set(tags) & set(job.spec.tags)) and (not states or job.state in states)
        ]
        last = desk.history.last(job.key for job in jobs) if desk.history is not None else {}
        if as_json:
            frame.print_json(listing.document(jobs, last))
        else:
            reading.show(listing.table(jobs, last, now=desk.now, zone=desk.zone, chosen=bool(tags or states)))
            if desk.history is not None and not _served(desk.place):
                click.echo(_nobody(jobs), err=True)


def _nobody(jobs: Sequence[Job]) -> str:
    """Who would have to be at work for something to start."""
    if jobs and all(job.spec.source.startswith("api:") for job in jobs):
        return "these are jobs of a Python program: they start while its scheduler runs"
    return "no runner is at work here: nothing starts until one is (runner serve)"


def _served(place: Place) -> bool:
    """Whether a runner is at work for this file; on a server one may be elsewhere, which `runner status` knows."""
    from runner.clock import SystemClock
    from runner.service.health import Health

    if not place.url.startswith("sqlite:"):
        return True
    known = Health.read(place.state)
    return known is not None and not known.alive(SystemClock())
