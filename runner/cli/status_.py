from __future__ import annotations

import click

from runner.cli import frame


@click.command("status")
@frame.file_option
@frame.json_option
def command(file: str | None, as_json: bool) -> None:
    """Who runs this file, since when, and how it is. Exit 4 where nobody does."""
    place = frame.place_of(file)
    answer = frame.ask(place, "status")
    if as_json:
        frame.print_json(answer)
        return
    leader, config, store = answer["leader"], answer["config"], answer["store"]
    commit = f" at commit {answer['commit']}" if answer.get("commit") else ""
    lines = [
        f"{answer['file']}{commit}",
        f"  led by process {leader['pid']} on {leader['host']} since {leader['since']} (runner {answer['version']})",
        f"  state   {answer['state_dir']}",
        f"  config  {'good, read ' + answer['loaded_at'] if config['ok'] else 'broken since ' + config['since']}",
        f"  store   {'good' if store['ok'] else store['error']}",
        f"  jobs    {answer['jobs']}",
        f"  running {', '.join(answer['running']) or 'nothing'}",
    ]
    if answer["waiting"]:
        lines.append(f"  waiting {', '.join(answer['waiting'])}")
    if answer["draining"]:
        lines.append("  stopping: nothing new starts")
    click.echo("\n".join(lines))
    if not config["ok"]:
        click.echo(config["error"])
