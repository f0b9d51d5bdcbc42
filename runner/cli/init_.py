from __future__ import annotations

from pathlib import Path

import click

from runner.cli import frame
from runner.errors import RunnerError

FIRST_FILE = """\
# Check it with: runner validate        Start it with: runner serve
channels:
  ops: "log:"          # prints where the runner prints; any Apprise URL goes here: mailto://, slack://, ntfy:// ...

defaults:              # what every job below has, unless it says otherwise
  timeout: 10m
  notify: {on_failure: ops, on_recovery: ops}

jobs:
  hello:
    schedule: every 5m
    run: echo hello
"""


@click.command("init")
@click.argument("path", default="jobs.yaml")
@frame.json_option
def command(path: str, as_json: bool) -> None:
    """Write a first jobs.yaml, where there is none."""
    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(FIRST_FILE)
    except FileExistsError:
        raise RunnerError(f"{path} is there already", hint="runner validate checks it") from None
    except OSError as error:
        raise RunnerError(f"{path} cannot be written: {error.strerror}") from None
    if as_json:
        frame.print_json({"file": path})
        return
    click.echo(f"wrote {path}; start it with: runner serve -f {path}")
