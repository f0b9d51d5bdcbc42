from __future__ import annotations

import click

from runner.cli import frame


@click.command("schema")
@click.argument("path", required=False)
@frame.json_option
def command(path: str | None, as_json: bool) -> None:
    """What may stand in a jobs file: its JSON Schema, or with PATH what stands at a place of it, in words.

    `*` is any name that you choose, such as a job's id; the items of a list stand where the list does.

    \b
    runner schema jobs.*                  # every key of a job
    runner schema 'jobs.*.retry'          # one key, and the keys below it
    runner schema 'jobs.*.steps.foreach'
    runner schema > jobs.schema.json      # for editors
    """
    from runner.config import schema, words
    from runner.errors import RunnerError

    if path is None:
        click.echo(schema.text(), nl=False)
        return
    try:
        said = words.describe(path)
    except RunnerError as error:
        raise frame.fault(frame.EXIT_UNKNOWN, error.fact, hint=error.hint) from None
    if as_json:
        frame.print_json({"path": path, "text": said})
    else:
        click.echo(said)
