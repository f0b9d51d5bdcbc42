from __future__ import annotations

import os
import sys

import click

from runner import __version__
from runner.cli import frame
from runner.errors import ConfigError, Problem


@click.command("validate")
@click.argument("paths", nargs=-1, metavar="[FILE]...")
@frame.file_option
@click.option("--strict", is_flag=True, help="warnings are errors")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
)
@frame.json_option
def command(paths: tuple[str, ...], file: str | None, strict: bool, form: str, as_json: bool) -> None:
    """Check a jobs file, and say everything that is wrong with it.

    Nothing is executed, and nothing is imported. Exit 0 where it is good, 3 where it is not. A warning is about what
    is allowed and yet doubtful; a note says what a sound file will do, and is never an error.

    \b
    runner validate                             # ./jobs.yaml
    runner validate team-a/ team-b/             # directories, each by itself
    runner validate --strict --format github    # for a pull request
    runner validate --format sarif > log.sarif  # for a code scanner
    """
    from runner import config
    from runner.clock import SystemClock

    now = SystemClock().now()
    form = "json" if as_json else form
    errors: list[Problem] = []
    doubts: list[Problem] = []
    for path in paths or (file,):
        place = frame.place_of(path)
        try:
            loaded = config.load(place.files, address=_address, now=now)
        except ConfigError as error:
            errors += error.problems
        else:
            doubts += loaded.warnings
            if form == "text":
                count = len(loaded.jobs)
                click.echo(f"{place.file}: {count} job{'s' if count != 1 else ''}, good")
    doubts.sort(key=lambda problem: problem.level == "note")
    _print(form, [*errors, *doubts], strict)
    if errors or (strict and any(problem.level == "warning" for problem in doubts)):
        sys.exit(frame.EXIT_CONFIG)


def _address(url: str) -> str:
    """Loaded where a file has channels: it knows a hundred services."""
    from runner.notify.targets import check

    return check(url)


def _print(form: str, found: list[Problem], strict: bool) -> None:
    from runner.views import problems

    if form == "json":
        frame.print_json(problems.document(found))
    elif form == "sarif":
        frame.print_document(problems.sarif(found, version=__version__, base=os.getcwd(), strict=strict))
    elif form == "github":
        for line in problems.github(found, base=os.getcwd(), strict=strict):
            click.echo(line)
    elif found:
        for problem in found:
            click.echo(f"{problem}\n", err=True)
        click.echo(problems.counted(found, strict=strict), err=True)
