from __future__ import annotations

import click

from runner.cli import completing, frame, owner


@click.command("stop")
@click.argument("run", shell_complete=completing.jobs)
@frame.file_option
@owner.source_option
@frame.json_option
def command(run: str, file: str | None, source: str | None, as_json: bool) -> None:
    """Cancel a run: its stop signal, its grace, then SIGKILL for the whole tree. RUN is a run's id or a job's."""
    place = frame.place_of(file, shared=True)
    answer = frame.ask(place, "cancel", source=owner.owner(place, _job(run), source), run=run)
    if as_json:
        frame.print_json(answer)
    else:
        click.echo(f"{answer.get('run', run)}: stopping")


def _job(run: str) -> str:
    """The job of a run's id."""
    from runner.history.finding import parse_run_id

    parsed = parse_run_id(run)
    return run if parsed is None else parsed[0]
