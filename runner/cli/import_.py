from __future__ import annotations

import click

from runner.cli.import_apscheduler import command as apscheduler
from runner.cli.import_crontab import command as crontab
from runner.cli.import_dagu import command as dagu
from runner.cli.import_yacron import command as yacron


@click.group("import")
def command() -> None:
    """Take over what another scheduler has: a crontab, files of yacron or Dagu, a store of APScheduler 3."""


command.add_command(apscheduler)
command.add_command(crontab)
command.add_command(yacron)
command.add_command(dagu)
