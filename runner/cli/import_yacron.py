from __future__ import annotations

from typing import TextIO

import click

from runner.cli import frame
from runner.cli.frame import Note


@click.command("yacron", short_help="Write a file of yacron or cronstable as a jobs file.")
@click.argument("file", type=click.File("r"))
@click.option(
    "-o", "--output", metavar="FILE", help="write the jobs file here [stdout]; it must not be there yet"
)
@frame.json_option
def command(file: TextIO, output: str | None, as_json: bool) -> None:
    """Write a file of yacron or cronstable (or - for stdin) as a jobs file.

    Keys that cannot be taken over are named on stderr and in the file.
    """
    from runner.config.yacron import as_yaml, read
    from runner.errors import RunnerError

    name = getattr(file, "name", "-")
    try:
        found = read(file.read())
    except RunnerError as error:
        raise frame.fault(frame.EXIT_FAILED, f"{name}: {error.fact}", hint=error.hint) from None
    text = as_yaml(found, name=name)
    notes = [Note({"job": job}, f"{name}: {job}" if job else name, note) for job, note in found.notes]
    frame.give(text, output, as_json, jobs=len(found.jobs), notes=notes)
