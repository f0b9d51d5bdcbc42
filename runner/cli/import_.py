from __future__ import annotations

import click

from runner.cli.import_apscheduler import command as apscheduler
from runner.cli.import_crontab import command as crontab


@click.group("import")
def command() -> None:
    """Take over what another scheduler has: a store of APScheduler 3, or a crontab."""


command.add_command(apscheduler)
command.add_command(crontab)
