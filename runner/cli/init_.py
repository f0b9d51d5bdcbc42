from __future__ import annotations

from pathlib import Path

import click

from runner.errors import RunnerError

FIRST_FILE = """\
# Start it with: runner serve        Check it with: runner validate
jobs:
  hello:
    schedule: every 5m
    run: echo hello
"""


@click.command("init")
@click.argument("path", default="jobs.yaml")
def command(path: str) -> None:
    """Write a first jobs.yaml, where there is none."""
    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(FIRST_FILE)
    except FileExistsError:
        raise RunnerError(f"{path} is there already", hint="runner validate checks it") from None
    except OSError as error:
        raise RunnerError(f"{path} cannot be written: {error.strerror}") from None
    click.echo(f"wrote {path}; start it with: runner serve -f {path}")
