from __future__ import annotations

import click

from runner.cli.import_apscheduler import command as apscheduler
from runner.cli.import_crontab import command as crontab
from runner.cli.import_yacron import command as yacron


@click.group("import")
def command() -> None:
    """Take over what another scheduler has: a store of APScheduler 3, a crontab, or a file of yacron."""


command.add_command(apscheduler)
command.add_command(crontab)
command.add_command(yacron)
