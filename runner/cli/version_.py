from __future__ import annotations

import json

import click

from runner import __version__


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="one JSON document on stdout")
def command(as_json: bool) -> None:
    """The version of this program."""
    click.echo(json.dumps({"version": 1, "runner": __version__}) if as_json else f"runner {__version__}")
