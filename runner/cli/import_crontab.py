from __future__ import annotations

from typing import TextIO

import click

from runner.cli import frame


@click.command("crontab")
@click.argument("file", type=click.File("r"))
@click.option(
    "--system",
    is_flag=True,
    help="each line names a user, as in /etc/crontab [such files: known by their path]",
)
@click.option(
    "-o", "--output", metavar="FILE", help="write the jobs file here [stdout]; it must not be there yet"
)
@frame.json_option
def command(file: TextIO, system: bool, output: str | None, as_json: bool) -> None:
    """Write a crontab (a file, or - as in `crontab -l | runner import crontab -`) as a jobs file.

    Lines that cannot be taken over are named on stderr and in the file.
    """
    from runner.config.crontabs import as_yaml, read

    name = getattr(file, "name", "-")
    system = system or name == "/etc/crontab" or name.startswith("/etc/cron.d/")
    found = read(file.read(), system=system)
    text = as_yaml(found, name="a crontab" if name in ("-", "<stdin>") else name)
    if output is not None:
        frame.write_new(output, text)
    if as_json:
        notes = [{"line": number, "note": note} for number, note in found.notes]
        frame.print_json({"yaml": text, "jobs": len(found.lines), "notes": notes})
        return
    if output is None:
        click.echo(text, nl=False)
    for number, note in found.notes:
        click.echo(f"{name}:{number}: {note}", err=True)
