from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli import frame
from runner.errors import StoreError

if TYPE_CHECKING:
    from runner.service.place import Place


@click.group("db")
def command() -> None:
    """Look after the database: check it, copy it, move it to another kind."""


def _place(file: str | None, *, made: bool = True) -> Place:
    """Where the database is; RunnerError where the store is another kind of server."""
    from runner.jobstores.urls import in_sql, without_password

    place = frame.place_of(file)
    if not in_sql(place.url):
        raise StoreError(
            f"{without_password(place.url)} is no SQL database",
            hint="look after that server with its own tools; runner db purge works on every store",
        )
    if made:
        place.make()
    return place


def _say(counts: dict[str, int], as_json: bool, done: str) -> None:
    rows = {name.removeprefix("runner_"): count for name, count in counts.items()}
    if as_json:
        frame.print_json({"rows": rows})
    else:
        click.echo(
            f"{done}: {', '.join(f'{count:,} {name}' for name, count in rows.items() if count) or 'nothing'}"
        )


def _tell(document: dict[str, Any], as_json: bool, words: str) -> None:
    if as_json:
        frame.print_json(document)
    else:
        click.echo(words)


@command.command("check")
@frame.file_option
@frame.json_option
def check_(file: str | None, as_json: bool) -> None:
    """Read everything, and list what is damaged. Nothing is changed. Exit 1 where something is."""
    from runner.history import check

    place = _place(file, made=False)
    found = check(place.url, place.mark)
    if as_json:
        rows = {name.removeprefix("runner_"): count for name, count in found.rows.items()}
        frame.print_json(
            {"ok": found.good, "schema": found.version, "rows": rows, "problems": found.problems}
        )
    elif found.good:
        _say(found.rows, False, f"good, schema {found.version}")
    else:
        for problem in found.problems[:100]:
            click.echo(problem, err=True)
        if len(found.problems) > 100:
            click.echo(f"... and {len(found.problems) - 100} more", err=True)
        click.echo("  help: nothing was changed; restore a backup with: runner db restore FILE", err=True)
    raise SystemExit(0 if found.good else frame.EXIT_FAILED)


@command.command("upgrade")
@frame.file_option
@frame.json_option
def upgrade(file: str | None, as_json: bool) -> None:
    """Bring the schema to this version's, as a start of `serve` does by itself."""
    from runner.jobstores.sqlalchemy.database import HEAD

    place = _place(file)
    frame.open_store(place).close()
    _tell({"database": _name(place), "schema": HEAD}, as_json, f"{_name(place)} is up to date")


@command.command("backup")
@click.argument("dest", metavar="DEST", type=click.Path(path_type=Path))
@frame.file_option
@frame.json_option
def backup_(dest: Path, file: str | None, as_json: bool) -> None:
    """Write a whole copy into a new SQLite file, while runners go on writing."""
    from runner.history import backup

    place = _place(file, made=False)
    backup(place.url, dest)
    size = dest.stat().st_size
    _tell({"file": str(dest), "bytes": size}, as_json, f"{dest}: {size:,} bytes")


@command.command("restore")
@click.argument("backup", metavar="BACKUP", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@frame.file_option
@frame.json_option
def restore_(backup: Path, file: str | None, as_json: bool) -> None:
    """Use a backup from now on. What was there is kept beside it, under another name; stop the runner first.

    Output is not part of a backup. What the backup does not know counts as missed: catch-up policies decide.
    """
    from runner.executors.boots import doubt
    from runner.history import restore

    place = _place(file)
    kept = restore(backup, place.url, place.mark)
    doubt(place.state)
    said = f"{_name(place)} is the backup now" + (f"; what was there is kept in {kept}" if kept else "")
    _tell({"database": _name(place), "kept": str(kept) if kept else None}, as_json, said)


@command.command("export")
@click.argument("dest", metavar="[DEST]", required=False, type=click.Path(path_type=Path))
@frame.file_option
@frame.json_option
def export_(dest: Path | None, file: str | None, as_json: bool) -> None:
    """Write everything as lines of JSON, to DEST or to stdout. With --json, to DEST only."""
    from runner.history import export

    place = _place(file, made=False)
    if dest is None and as_json:
        raise click.UsageError("with --json, name the file to write: stdout has the counts")
    if dest is None:
        export(place.url, sys.stdout)
        return
    try:
        out = open(dest, "x", encoding="utf-8", opener=_private)  # noqa: SIM115
    except FileExistsError:
        raise StoreError(f"{dest} is there already", hint="name a file that is not") from None
    except OSError as error:
        raise StoreError(f"{dest} cannot be written: {error.strerror}") from None
    try:
        with out:
            counts = export(place.url, out)
    except OSError as error:
        dest.unlink(missing_ok=True)
        raise StoreError(f"{dest} cannot be written: {error.strerror}") from error
    except BaseException:
        # Only a whole export ever bears the name.
        dest.unlink(missing_ok=True)
        raise
    _say(counts, as_json, str(dest))


@command.command("import")
@click.argument(
    "source", metavar="SOURCE", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
)
@frame.file_option
@frame.json_option
def import_command(source: Path, file: str | None, as_json: bool) -> None:
    """Read what `export` wrote into an empty database; all or nothing. `-` reads stdin."""
    from runner.history import import_

    place = _place(file)
    if str(source) == "-":
        counts = import_(sys.stdin, place.url)
    else:
        with source.open(encoding="utf-8") as lines:
            counts = import_(lines, place.url)
    place.mark.unlink(missing_ok=True)
    _say(counts, as_json, f"into {_name(place)}")


@command.command("copy")
@click.argument("url", metavar="URL")
@frame.file_option
@frame.json_option
def copy_(url: str, file: str | None, as_json: bool) -> None:
    """Copy everything into an empty database of any kind: postgresql+psycopg://..., mariadb+pymysql://..., sqlite:///...

    Stop the runner first, then start it with RUNNER_DATABASE_URL=URL.
    """
    from runner.history import copy
    from runner.history.move import in_use

    place = _place(file, made=False)
    if in_use(place.url):
        click.echo(
            "a runner is at work: what it does from now on is not in the copy, and would be done again",
            err=True,
        )
    _say(copy(place.url, url), as_json, f"copied from {_name(place)}")


@command.command("purge")
@frame.file_option
@frame.json_option
def purge_(file: str | None, as_json: bool) -> None:
    """Forget now what each job's `retention` and `storage` no longer cover; `serve` does it every hour."""
    from runner.clock import SystemClock
    from runner.service.housekeeping import tidy

    place = frame.place_of(file)
    loaded = frame.load(place)
    store = frame.open_store(place)
    try:
        purged, trimmed = tidy(store, place.state, SystemClock(), loaded)
    finally:
        store.close()
    if as_json:
        output = {"attempts": trimmed.attempts, "bytes": trimmed.bytes, "kept": trimmed.kept}
        frame.print_json({"runs": len(purged.runs), "occurrences": purged.occurrences, "output": output})
        return
    click.echo(
        f"forgot {len(purged.runs)} runs and {purged.occurrences} occurrences, and the output of {trimmed.attempts} "
        f"attempts ({trimmed.bytes:,} bytes); {trimmed.kept:,} bytes of output are left"
    )


@command.command("accept")
@frame.file_option
@frame.json_option
def accept(file: str | None, as_json: bool) -> None:
    """Go on with the database that is there now, even where it is empty or another one than before."""
    place = _place(file)
    place.mark.unlink(missing_ok=True)
    frame.open_store(place).close()
    _tell({"database": _name(place)}, as_json, f"{_name(place)} is taken as it is")


def _name(place: Place) -> str:
    from runner.jobstores.sqlalchemy.database import url_of

    url = url_of(place.url)
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
