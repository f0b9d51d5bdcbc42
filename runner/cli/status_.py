from __future__ import annotations

import click

from runner.cli import frame, reading


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
    from runner.clock import SystemClock
    from runner.views import status
    from runner.views.when import zone_of

    reading.show(status.table(answer, now=SystemClock().now(), zone=zone_of(frame.local_zone())))
