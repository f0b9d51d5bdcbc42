from __future__ import annotations

import click


@click.command("schema")
@click.argument("path", required=False)
def command(path: str | None) -> None:
    """The JSON Schema of the jobs file; with PATH (such as `jobs.retry`) what stands there, in words."""
    from runner.config import schema

    click.echo(schema.describe(path) if path else schema.text())
