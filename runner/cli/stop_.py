from __future__ import annotations

import click

from runner.cli import completing, frame


@click.command("stop")
@click.argument("run", shell_complete=completing.jobs)
@frame.file_option
@frame.json_option
def command(run: str, file: str | None, as_json: bool) -> None:
    """Cancel a run: its stop signal, its grace, then SIGKILL for the whole tree. RUN is a run's id or a job's."""
    place = frame.place_of(file)
    answer = frame.ask(place, "cancel", run=run)
    if as_json:
        frame.print_json(answer)
    else:
        click.echo(f"{answer.get('run', run)}: stopping")
