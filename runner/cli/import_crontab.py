from __future__ import annotations

from typing import TextIO

import click

from runner.cli import frame
from runner.cli.frame import Note


@click.command("crontab", short_help="Write a crontab as a jobs file.")
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
    found = read(file.read(), system=system, user=owner_of(name))
    homes = {user: home_of(user) for user in {line.user for line in found.lines}}
    text = as_yaml(found, name="a crontab" if name in ("-", "<stdin>") else name, homes=homes)
    notes = [Note({"line": number}, f"{name}:{number}", note) for number, note in found.notes]
    frame.give(text, output, as_json, jobs=len(found.lines), notes=notes)


def owner_of(file: str) -> str:
    """Whose crontab a file is that lies where cron keeps them; "" for one's own, and for any other file."""
    import getpass
    from contextlib import suppress
    from pathlib import Path

    place = Path(file).absolute()
    spooled = str(place.parent) in ("/var/spool/cron", "/var/spool/cron/crontabs", "/var/spool/cron/tabs")
    with suppress(KeyError, OSError):  # a user without a name
        if place.name == getpass.getuser():
            return ""
    return place.name if spooled else ""


def home_of(user: str) -> str:
    """The home directory of a user, of oneself for ""; empty where there is none."""
    import os
    import pwd

    try:
        place = (pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())).pw_dir
    except KeyError:
        return ""
    return place if os.path.isdir(place) else ""
