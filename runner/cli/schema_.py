from __future__ import annotations

import click


@click.command("schema")
@click.argument("path", required=False)
def command(path: str | None) -> None:
    """The JSON Schema of the jobs file; with PATH (such as `jobs.retry`) what stands there, in words."""
    from runner.config.schema import describe, text

    click.echo(describe(path) if path else text(), nl=path is not None)
