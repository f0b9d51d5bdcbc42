from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.cli import frame
from runner.cli.frame import Note


@click.command("dagu", short_help="Write the workflows of Dagu as a jobs file.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "-o", "--output", metavar="FILE", help="write the jobs file here [stdout]; it must not be there yet"
)
@frame.json_option
def command(paths: tuple[str, ...], output: str | None, as_json: bool) -> None:
    """Write the workflows of Dagu as a jobs file: files, directories of them, or - for stdin.

    Each becomes a job of its own. Keys that cannot be taken over are named on stderr and in the file; a job that
    cannot do without one is not enabled.
    """
    from runner.config.dagu import as_yaml, read
    from runner.errors import RunnerError

    try:
        found = read([each for path in paths for each in _texts(path)])
    except RunnerError as error:
        raise frame.fault(frame.EXIT_FAILED, error.fact, hint=error.hint) from None
    text = as_yaml(found, name=", ".join("stdin" if path == "-" else path for path in paths))
    notes = [Note({"job": job}, job, note) for job, note in found.notes]
    frame.give(text, output, as_json, jobs=len(found.jobs), notes=notes)


def _texts(path: str) -> list[tuple[str, str]]:
    """(name, text) of each file."""
    if path == "-":
        return [("stdin", sys.stdin.read())]
    place = Path(path)
    files = [place]
    if place.is_dir():
        files = sorted(each for each in place.rglob("*") if each.suffix in (".yaml", ".yml"))
        if not files:
            raise frame.fault(frame.EXIT_FAILED, f"{path} holds no file of Dagu's", hint="they end in .yaml")
    try:
        return [(each.stem, each.read_text(encoding="utf-8")) for each in files]
    except (OSError, UnicodeDecodeError) as error:
        raise frame.fault(frame.EXIT_FAILED, f"{path} cannot be read: {error}") from None
