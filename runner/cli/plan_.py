from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli import frame, reading
from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.service.place import Place
    from runner.spec import JobSpec


@click.command("plan")
@click.option(
    "--against",
    metavar="FILE|REF|running",
    help="what to compare with: another file, a commit of the repository, or what is running  [running, else HEAD]",
)
@click.option(
    "--days", type=click.IntRange(1, 366), default=7, show_default=True, help="how far to compare times"
)
@click.option("--exit-code", is_flag=True, help="end with 1 where something changes")
@click.option("--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
@frame.file_option
@frame.json_option
def command(
    against: str | None, days: int, exit_code: bool, form: str, file: str | None, as_json: bool
) -> None:
    """What the edit of a jobs file does: jobs, keys, fire times, alerts, and live runs it meets."""
    from runner.clock import SystemClock
    from runner.moment import DAY
    from runner.views import plan
    from runner.views.when import zone_of

    place = frame.place_of(file)
    new = frame.load(place)
    now = SystemClock().now()
    live = []
    with reading.opened(place) as history:
        running = [job.spec for job in history.jobs() if job.spec.source == place.source] if history else []
        if history is not None:
            live = history.runs(source=place.source, statuses=("pending", "running", "waiting"), limit=1_000)
    old = _old(place, against, running)
    made = plan.plan(old, new.jobs, now=now, until=now + days * DAY, live=live)
    if as_json:
        frame.print_json(plan.document(made))
    else:
        zone = zone_of(new.timezone)
        click.echo(plan.text(made, now=now, zone=zone, markdown=form == "markdown"))
    if exit_code and made:
        sys.exit(frame.EXIT_FAILED)


def _old(place: Place, against: str | None, running: list[JobSpec]) -> list[JobSpec]:
    if against == "running" or (against is None and running):
        if not running:
            raise frame.fault(frame.EXIT_FAILED, f"nothing of {place.file} was ever run here")
        return running
    if against is not None and Path(against).is_file():
        return _loaded(Path(against).absolute(), against)
    with _checked_out(place.file, against or "HEAD") as path:
        return _loaded(path, f"{place.file.name} at {against or 'HEAD'}")


def _loaded(path: Path, name: str) -> list[JobSpec]:
    from runner import config

    try:
        return list(config.load(path).jobs)
    except ConfigError as error:
        click.echo(str(error), err=True)
        raise frame.fault(frame.EXIT_CONFIG, f"{name} cannot be compared with: it is broken") from None


@contextlib.contextmanager
def _checked_out(file: Path, ref: str) -> Iterator[Path]:
    """The file's directory as it was at a commit, with all that it includes."""
    done = subprocess.run(
        ["git", "-C", str(file.parent), "archive", "--format=tar", ref, "."], capture_output=True, check=False
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise frame.fault(
            frame.EXIT_USAGE,
            f"{ref!r} is neither a file nor a commit of the repository of {file}",
            hint=said[0] if said else "",
        )
    with tempfile.TemporaryDirectory(prefix="runner-plan-") as directory:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(directory, members=[member for member in archive if _plain(member)])
        path = Path(directory) / file.name
        if not path.is_file():
            raise frame.fault(frame.EXIT_USAGE, f"there is no {file.name} at {ref}")
        yield path


def _plain(member: tarfile.TarInfo) -> bool:
    """Files and directories that stay below the directory: no links, no devices."""
    parts = Path(member.name).parts
    return (member.isfile() or member.isdir()) and ".." not in parts and not Path(member.name).is_absolute()
