from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runner.cli import frame

if TYPE_CHECKING:
    from runner.schedulers.taking import Taken


@click.command("apscheduler", short_help="Take over the jobs of an APScheduler 3 store.")
@click.argument("url")
@click.option("--into", metavar="URL", help="the store the jobs are written to [the one they come from]")
@click.option(
    "--as-source",
    "name",
    metavar="NAME",
    default="default",
    show_default=True,
    help="the `name` of the scheduler that will run them",
)
@click.option("--replace", "replacing", is_flag=True, help="write over jobs of the same id")
@click.option("--dry-run", is_flag=True, help="only say what would be done")
@click.option("--table", default="apscheduler_jobs", show_default=True, help="the table, in a SQL database")
@click.option("--key", default="apscheduler.jobs", show_default=True, help="the key of the jobs, in Redis")
@click.option(
    "--database",
    default="",
    help="the database, in MongoDB and RethinkDB [that of the URL, else apscheduler]",
)
@click.option("--collection", default="jobs", show_default=True, help="the collection, in MongoDB")
@frame.json_option
def command(
    url: str,
    into: str | None,
    name: str,
    replacing: bool,
    dry_run: bool,
    table: str,
    key: str,
    database: str,
    collection: str,
    as_json: bool,
) -> None:
    """Read the jobs of an APScheduler 3 store and write them to one of ours.

    URL: sqlite:///jobs.db and other SQL databases, redis://host:6379/0, mongodb://host, rethinkdb://host:28015,
    zookeeper://host:2181/path, etcd://host:2379/path; what it does not say is what APScheduler had by itself.

    The old store is only read, and nothing in it is executed: jobs with anything but APScheduler's own triggers and
    plain values are named and left out. Exit 1 where there is one.
    """
    from runner.clock import SystemClock
    from runner.jobstores.apscheduler import TABLE, place_of
    from runner.jobstores.urls import store_of, without_password
    from runner.schedulers import taking

    place = place_of(url, table=table, key=key, database=database, collection=collection)
    scope = f"/{table}" if place.kind == "SQL" and table != TABLE else ""
    taken = taking.look(place, source=f"api:{name}{scope}")
    if not dry_run:
        store = store_of(into or place.ours)
        taking.write(taken, store, now=SystemClock().now(), replacing=replacing)
    if as_json:
        frame.print_json(_document(taken, dry_run))
    else:
        _show(taken, place.kind, without_password(into or url), dry_run)
    if taken.refused:
        raise SystemExit(frame.EXIT_FAILED)


def _document(taken: Taken, dry_run: bool) -> dict[str, Any]:
    from runner.moment import iso

    return {
        "written": not dry_run,
        "jobs": [
            {
                "id": each.spec.id,
                "name": each.spec.name,
                "schedule": each.spec.schedule,
                "function": taken.function(each),
                "next_at": None if each.next_at is None else iso(each.next_at),
                "state": "paused" if each.next_at is None else "scheduled",
                "result": taken.results.get(each.spec.id, ""),
            }
            for each in taken.jobs
        ],
        "refused": [
            {"id": id, "reason": error.fact, "help": error.hint} for id, error in taken.refused.items()
        ],
    }


def _show(taken: Taken, kind: str, into: str, dry_run: bool) -> None:
    from runner.cli import reading
    from runner.views.table import Cell, Column, Table

    names = ("JOB", "SCHEDULE", "FUNCTION", "NEXT", "RESULT")
    rows = [
        (
            each.spec.id,
            each.spec.schedule,
            taken.function(each),
            "paused" if each.next_at is None else taken.when(each),
            taken.results.get(each.spec.id, "would be added"),
        )
        for each in taken.jobs
    ]
    columns = tuple(Column(name, gives=name in ("SCHEDULE", "FUNCTION")) for name in names)
    reading.show(
        Table(columns, tuple(tuple(map(Cell, row)) for row in rows), empty="there is no job to take over")
    )
    for id, error in taken.refused.items():
        click.echo(f"{id}: refused: {error.fact}" + (f" ({error.hint})" if error.hint else ""), err=True)
    count = len(taken.jobs)
    done = f"{count} job{'' if count == 1 else 's'} of APScheduler ({kind})"
    if dry_run:
        click.echo(f"{done} would be written to {into} for {taken.source}")
    else:
        click.echo(f"{done} read for {taken.source}; start the program whose scheduler has this name")
