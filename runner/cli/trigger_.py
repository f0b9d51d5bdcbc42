from __future__ import annotations

import click

from runner.cli import completing, frame


@click.command("trigger")
@click.argument("job", shell_complete=completing.jobs)
@frame.file_option
@frame.params_option
@frame.json_option
def command(job: str, file: str | None, params: tuple[str, ...], as_json: bool) -> None:
    """Ask the running service to run a job now, and say the run's id."""
    place = frame.place_of(file)
    spec = frame.job_of(frame.load(place), job)
    answer = frame.ask(place, "trigger", job=job, params=frame.given(spec, params))
    if as_json:
        frame.print_json(answer)
    else:
        click.echo(str(answer["run"]))
