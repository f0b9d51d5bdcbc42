from __future__ import annotations

import logging
import os
import sys

import click

from runner.cli import frame
from runner.errors import RunnerError


class Length(click.ParamType[int]):
    """A duration such as `20s`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from runner.duration import parse_duration

        if isinstance(value, int):
            return value
        try:
            return parse_duration(str(value))
        except RunnerError as error:
            self.fail(str(error), param, ctx)


@click.command("serve")
@frame.file_option
@click.option(
    "--grace", type=Length(), default="20s", show_default=True, help="how long a stop waits for runs"
)
@click.option(
    "--on-shutdown",
    type=click.Choice(["leave", "stop"]),
    default="leave",
    show_default=True,
    help="after the grace: leave commands to the next runner, or stop their processes",
)
@click.option("--allow-shrink", is_flag=True, help="accept a file that lost most of its jobs")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    envvar="RUNNER_LOG_FORMAT",
    default="text",
    show_default=True,
    show_envvar=True,
)
def command(file: str | None, grace: int, on_shutdown: str, allow_shrink: bool, log_format: str) -> None:
    """Run the jobs of a file until stopped.

    An edit of the file is live within a second, or refused with the reason while the last good file keeps running.
    SIGTERM or Ctrl-C stops: nothing new starts, what runs gets the grace; once more ends at once. SIGHUP reloads,
    or stops as well where the terminal it was started in was closed.
    """
    import signal

    from runner.service import signals

    # Before all that takes time: it means to read the file again, and would end a process that does not know it yet.
    signals.hold(signal.SIGHUP)
    from typing import Literal, cast

    from runner.clock import SystemClock
    from runner.config import Cache
    from runner.jobstores.urls import store_of
    from runner.service import first
    from runner.service.drain import Options
    from runner.service.report import Report
    from runner.service.serve import Service
    from runner.service.systemd import Systemd
    from runner.service.twin import twin
    from runner.views.when import zone_of

    first.split()
    first.keep_descriptors()
    systemd = Systemd(os.environ)
    place = frame.place_of(file)
    cache = Cache()
    loaded = frame.load(place, cache)
    if (other := twin(place)) is not None:
        raise frame.fault(
            frame.EXIT_FAILED,
            f"process {other.pid} serves {place.file} already, by another path: each job would run twice",
            hint=f"give its path: -f {other.file}",
        )
    place.make()
    clock = SystemClock()
    report = Report(clock, zone_of(loaded.timezone), log_format)
    logging.basicConfig(handlers=[_Lines(report)], level=logging.WARNING)
    # A connection that was lost is told as trouble of the store: not also with a traceback of its pool.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    options = Options(grace, cast(Literal["leave", "stop"], on_shutdown), allow_shrink)
    store = store_of(place.url, mark=place.mark)
    service = Service(place, loaded, store, report, clock, options, cache, systemd)
    sys.exit(service.run())


class _Lines(logging.Handler):
    """Log records of the house, as lines of the report."""

    def __init__(self, report: object) -> None:
        from runner.service.report import Report

        super().__init__()
        assert isinstance(report, Report)
        self._report = report
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "announced", False):
            return
        level = "bad" if record.levelno >= logging.ERROR else "warn"
        self._report.say("log", self.format(record), level, logger=record.name)
