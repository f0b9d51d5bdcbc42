from __future__ import annotations

import click

from runner.cli import frame


@click.command("reload")
@frame.file_option
@click.option("--allow-shrink", is_flag=True, help="accept a file that lost most of its jobs")
@frame.json_option
def command(file: str | None, allow_shrink: bool, as_json: bool) -> None:
    """Make the running service read its file again, and say what changed or what is wrong."""
    place = frame.place_of(file)
    answer = frame.ask(place, "reload", allow_shrink=allow_shrink)
    if as_json:
        frame.print_json(answer)
        return
    parts = [
        f"{word}: {', '.join(answer[word])}" for word in ("added", "changed", "removed") if answer.get(word)
    ]
    click.echo("; ".join([*parts, f"{answer.get('unchanged', 0)} unchanged"]))
