from __future__ import annotations

import click

from runner.cli import completing, frame, owner


@click.command("trigger")
@click.argument("job", shell_complete=completing.jobs)
@frame.file_option
@owner.source_option
@frame.params_option
@frame.json_option
def command(job: str, file: str | None, source: str | None, params: tuple[str, ...], as_json: bool) -> None:
    """Ask the running service to run a job now, and say the run's id."""
    place = frame.place_of(file, shared=True)
    whose = owner.owner(place, job, source)
    if whose in (None, place.source):
        spec = frame.job_of(frame.load(place), job)
    else:
        spec = owner.spec_of(place, job, whose)
    answer = frame.ask(place, "trigger", source=whose, job=job, params=frame.given(spec, params))
    if as_json:
        frame.print_json(answer)
    else:
        click.echo(str(answer["run"]))
