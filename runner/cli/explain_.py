from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from runner.cli import completing, frame
from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.config.explain import Row

WIDEST = 44
"""Where the places stand at most; a longer line pushes its own aside."""


@click.command("explain")
@click.argument("job", shell_complete=completing.jobs)
@frame.file_option
@frame.json_option
def command(job: str, file: str | None, as_json: bool) -> None:
    """A job as it is after defaults, templates, matrix and includes, and where each value came from.

    It is YAML: after each value its file and line, and whether it came from a template, from defaults, from vars or
    env of all jobs, or is what holds where nobody says anything.

    \b
    runner explain etl
    runner explain 'backup[orders]'
    """
    from runner.config.explain import explain

    place = frame.place_of(file)
    try:
        rows = explain(place.files, job)
    except ConfigError as error:
        click.echo(str(error), err=True)
        raise SystemExit(frame.EXIT_CONFIG) from None
    except KeyError:
        frame.job_of(frame.load(place), job)
        raise
    if as_json:
        keys = [
            {
                "path": row.path,
                "value": row.value,
                "file": row.file or None,
                "line": row.line or None,
                "column": row.column or None,
                "origin": row.origin,
            }
            for row in rows
            if row.path
        ]
        frame.print_json({"job": job, "keys": keys})
        return
    width = min(WIDEST, max(len(row.text) for row in rows if row.path))
    for row in rows:
        click.echo(f"{row.text:{width}}  # {_from(row)}" if row.path else row.text)


def _from(row: Row) -> str:
    if not row.file:
        return f"{row.origin}: {row.note}" if row.note else row.origin
    place = f"{os.path.relpath(row.file)}:{row.line}"
    return place if row.origin == "job" else f"{place} ({row.origin})"
