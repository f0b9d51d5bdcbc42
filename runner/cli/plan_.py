from __future__ import annotations

import contextlib
import io
import secrets
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli import frame, reading
from runner.errors import ConfigError, RunnerError

if TYPE_CHECKING:
    from runner.config import Config
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
    """What the edit of a jobs file does: jobs, keys, fire times, alerts, and live runs it meets.

    It compares the file as it is now with what is running, else with the last commit. Nothing is changed.

    \b
    runner plan                                 # before a reload
    runner plan --against main --days 30        # what a branch does
    runner plan --against HEAD~1 --format markdown > comment.md
    runner plan --exit-code                     # 1 where anything changes
    """
    from runner.clock import SystemClock
    from runner.config import Config
    from runner.moment import DAY
    from runner.views import plan
    from runner.views.beside import beside, sections
    from runner.views.when import zone_of

    place = frame.place_of(file)
    new = frame.load(place)
    now = SystemClock().now()
    live = []
    with reading.opened(place) as history:
        known = [job for job in history.jobs() if job.spec.source == place.source] if history else []
        if history is not None:
            live = history.runs(source=place.source, statuses=("pending", "running", "waiting"), limit=1_000)
    running = [job.spec for job in known]
    old = _old(place, against, running)
    salt = secrets.token_hex(8)
    there = sections(old, salt) if isinstance(old, Config) else _running(place, salt)
    made = plan.plan(
        old.jobs if isinstance(old, Config) else old,
        new.jobs,
        now=now,
        until=now + days * DAY,
        live=live,
        beside=beside(there, sections(new, salt)) if there is not None else (),
        paused=() if isinstance(old, Config) else [job.spec.id for job in known if job.state == "paused"],
        whole=there is not None,
    )
    if as_json:
        frame.print_json(plan.document(made))
    else:
        zone = zone_of(new.timezone)
        click.echo(plan.text(made, now=now, zone=zone, markdown=form == "markdown"))
    if exit_code and made:
        sys.exit(frame.EXIT_FAILED)


def _old(place: Place, against: str | None, running: list[JobSpec]) -> list[JobSpec] | Config:
    if against == "running" or (against is None and running):
        if not running:
            hint = "compare with a file or a commit: runner plan --against HEAD"
            raise frame.fault(frame.EXIT_FAILED, f"nothing of {place.file} was ever run here", hint=hint)
        return running
    if against is not None and Path(against).exists():
        return _loaded([Path(against).absolute()], against)
    ref = against or "HEAD"
    home = place.file if place.file.is_dir() else place.file.parent
    outside = [path for path in place.files if not path.is_relative_to(home)]
    if outside:
        hint = f"name files below {home}"
        raise frame.fault(frame.EXIT_USAGE, f"{outside[0]} is not of the same directory", hint=hint)
    with _checked_out(home, ref, place.file) as directory:
        paths = [directory / path.relative_to(home) for path in place.files]
        for path in paths:
            if not path.exists():
                raise frame.fault(frame.EXIT_USAGE, f"there is no {path.name} at {ref}")
        return _loaded(paths, f"{place.file.name} at {ref}")


def _running(place: Place, salt: str) -> dict[str, str] | None:
    """What the running configuration has beside its jobs; None where no runner answers."""
    from runner.service.leader import Leader

    if Leader.read(place.state) is None:
        return None
    try:
        found: dict[str, str] = frame.ask(place, "sections", salt=salt)
    except RunnerError:
        return None
    return found


def _loaded(paths: list[Path], name: str) -> Config:
    from runner import config

    try:
        return config.load(paths)
    except ConfigError as error:
        click.echo(str(error), err=True)
        raise frame.fault(frame.EXIT_CONFIG, f"{name} cannot be compared with: it is broken") from None


@contextlib.contextmanager
def _checked_out(home: Path, ref: str, file: Path) -> Iterator[Path]:
    """The directory as it was at a commit, with all that is included from there."""
    # A name that begins with a dash would be an option of git.
    command = ["git", "-C", str(home), "archive", "--format=tar", ref, "."]
    try:
        done = subprocess.run(command, capture_output=True, check=False) if not ref.startswith("-") else None
    except FileNotFoundError:
        raise frame.fault(
            frame.EXIT_FAILED, "git is not installed", hint="compare with a file instead"
        ) from None
    if done is None or done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() if done is not None else []
        raise frame.fault(
            frame.EXIT_USAGE,
            f"{ref!r} is neither a file nor a commit of the repository of {file}",
            hint=said[0] if said else "",
        )
    with tempfile.TemporaryDirectory(prefix="runner-plan-") as directory:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(directory, members=[member for member in archive if _plain(member)])
        yield Path(directory)


def _plain(member: tarfile.TarInfo) -> bool:
    """Files and directories that stay below the directory: no links, no devices."""
    parts = Path(member.name).parts
    return (member.isfile() or member.isdir()) and ".." not in parts and not Path(member.name).is_absolute()
