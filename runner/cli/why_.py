from __future__ import annotations

import click

from runner.cli import completing, frame, reading


@click.command("why")
@click.argument("job", shell_complete=completing.jobs)
@click.option(
    "--at", metavar="T", required=True, help="the moment: 2026-12-24T08:00, or a length of time back: -2h"
)
@frame.file_option
@frame.json_option
def command(job: str, at: str, file: str | None, as_json: bool) -> None:
    """Why a job did or did not run at a moment: its rule, field by field, and what is written down."""
    from runner.moment import MINUTE, SECOND
    from runner.views import why
    from runner.views.when import zone_of

    with reading.desk(file) as desk:
        found = desk.job(job)
        zone = zone_of(found.spec.timezone)
        asked = reading.moment(at, desk, found.spec.timezone) or desk.now
        asked -= asked % SECOND
        note = _clock_change(at, found.spec.timezone)
        runs, others, clock = [], [], []
        if desk.history is not None:
            source, id = found.key.source, found.key.id
            until = asked + MINUTE
            runs = desk.history.runs(source=source, job=id, since=asked, until=until)
            others = desk.history.occurrences(source=source, job=id, since=asked, until=until)
            clock = desk.history.clock_changes(source=source)
        made = why.answer(
            found,
            asked,
            now=desk.now,
            zone=zone,
            runs=runs,
            others=others,
            maintenance=desk.maintenance,
            clock=clock,
        )
        if as_json:
            frame.print_json(why.document(made, note))
        else:
            click.echo(why.text(made, now=desk.now, zone=zone, note=note))


def _clock_change(text: str, zone: str) -> str:
    """What a clock change makes of the time that was typed, where it is one of the wall clock."""
    from datetime import datetime

    from runner.triggers.explain import clock_change

    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return "" if wall.tzinfo is not None else clock_change(wall, zone)
