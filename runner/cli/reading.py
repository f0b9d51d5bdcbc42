"""What the verbs that show something share: the jobs as they stand, the history, the reader's zone, the terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli import frame
from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.core.event import Maintenance
    from runner.core.run import Job
    from runner.history import History, Remembered
    from runner.moment import Moment
    from runner.service.place import Place
    from runner.spec import JobSpec
    from runner.views.table import Table


@dataclass(frozen=True, slots=True)
class Desk:
    """What a verb looks at. `history` is None where nothing was ever written down."""

    place: Place
    jobs: tuple[Job, ...]
    history: History | Remembered | None
    now: Moment
    zone: tzinfo
    maintenance: tuple[Maintenance, ...] = ()

    def job(self, id: str) -> Job:
        """The job of this id, this file's first; exit 5 where there is none, naming the nearest."""
        for job in self.jobs:
            if job.spec.id == id:
                return job
        raise unknown(id, [job.spec.id for job in self.jobs], self.place)


@contextlib.contextmanager
def desk(file: str | None, *, past_only: bool = False) -> Iterator[Desk]:
    """Read the file and what the store knows, beside a running service or without one. Nothing is made or changed.

    `past_only`: as of `opened`.

    Where the file is broken the last good schedule is shown, with a word on stderr; where there is none either, the
    problems are printed, with exit 3.
    """
    from runner.clock import SystemClock
    from runner.views.current import current
    from runner.views.when import zone_of

    place = frame.place_of(file, shared=True)
    now = SystemClock().now()
    with opened(place, past_only=past_only) as history:
        stored = history.jobs() if history is not None else []
        specs, zone, maintenance = _specs(place, stored)
        yield Desk(place, current(specs, stored, now=now), history, now, zone_of(zone), maintenance)
        if history is not None and history.unreadable:
            click.echo(f"{history.unreadable} records cannot be read and are not shown", err=True)


def _specs(place: Place, stored: list[Job]) -> tuple[list[JobSpec], str, tuple[Maintenance, ...]]:
    from runner import config

    if not place.file.exists():  # a store without a jobs file: programs keep their jobs in it
        if known := [job.spec for job in stored if job.spec.source == place.source]:
            click.echo(f"{place.file} is gone; this is the last good schedule", err=True)
        return known, frame.local_zone(), ()
    try:
        loaded = config.load(place.files)
    except ConfigError as error:
        known = [job.spec for job in stored if job.spec.source == place.source]
        if not known:
            click.echo(str(error), err=True)
            raise SystemExit(frame.EXIT_CONFIG) from None
        click.echo(f"{place.file} is broken (runner validate); this is the last good schedule", err=True)
        return known, frame.local_zone(), ()
    return list(loaded.jobs), loaded.timezone, loaded.maintenance


@contextlib.contextmanager
def opened(place: Place, *, past_only: bool = False) -> Iterator[History | Remembered | None]:
    """The history, where there is a database; a file that is not there is not made for being looked at.

    One that is not the database it was is not looked into: it holds nothing of what people ask for, and that is said.
    `past_only`: nothing else is asked for, so that is the end, with exit 1; an empty answer would be a wrong one.
    """
    from functools import partial

    from runner.jobstores.urls import in_sql, path_in, store_of

    database = ""
    if place.url.startswith("sqlite:///"):
        database = path_in(place.url)
        try:
            os.stat(database)
        except (FileNotFoundError, NotADirectoryError):
            # Where there never was one, nothing of a database need be loaded.
            if os.path.exists(f"{database}.mark"):
                from runner.jobstores.sqlalchemy.mark import Mark

                _is_right(place, lambda mark: Mark(mark).look(Path(database)), must=past_only)
            yield None
            return
        except OSError as error:
            raise frame.fault(
                frame.EXIT_FAILED,
                f"the state in {place.state} cannot be read: {error.strerror}",
                hint="only the user whose runner it is may read it",
            ) from error
    from runner.history import history_of
    from runner.history.move import recognise

    with _readable(place.url) as url:
        if in_sql(url) and not _is_right(place, partial(recognise, url, name=database), must=past_only):
            yield None
            return
        store = store_of(url)
        store.open()
        try:
            yield history_of(store)
        finally:
            store.close()


def _is_right(place: Place, find: Callable[[Path], None], *, must: bool) -> bool:
    """Whether it is the database it was; a word on stderr where it is not, and exit 1 where it `must` be.

    `find` is given what remembers.
    """
    from runner.errors import StoreReplaced

    try:
        find(place.mark)
    except StoreReplaced as error:
        if must:
            raise frame.fault(frame.EXIT_FAILED, error.fact, hint=error.hint) from None
        click.echo(f"{error.fact}: nothing of its history is shown\n  help: {error.hint}", err=True)
        return False
    return True


@contextlib.contextmanager
def _readable(url: str) -> Iterator[str]:
    """The database; on a disk that takes no writes, which SQLite needs to read what is not yet in the file, a copy."""
    from runner.jobstores.sqlalchemy.database import file_of
    from runner.jobstores.urls import in_sql, sqlite_at

    database = file_of(url) if in_sql(url) else None
    if database is None or not os.statvfs(database).f_flag & os.ST_RDONLY:
        yield url
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="runner-") as aside:
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{database}{suffix}", f"{aside}/runner.db{suffix}")
        yield sqlite_at(Path(aside) / "runner.db")


def unknown(id: str, ids: list[str], place: Place) -> Exception:
    from difflib import get_close_matches

    near = get_close_matches(id, ids, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(ids[:10])}"
    return frame.fault(
        frame.EXIT_UNKNOWN, f"there is no job {id!r} in {place.file}", hint=hint if ids else ""
    )


def show(table: Table) -> None:
    """Print a table as wide as the terminal; whole, and without colours, into a pipe or a file."""
    from runner.views.table import text

    click.echo(text(table, width=width(), colour=coloured()))


def coloured() -> bool:
    """Whether colours are shown: somebody sees them, and did not say otherwise."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int | None:
    """The columns of the terminal; None into a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def since(text: str | None, desk: Desk) -> Moment | None:
    """A moment that is past: as `moment`, but a length of time is one back, with a sign or without."""
    from runner.duration import parse_duration
    from runner.errors import DurationError

    with contextlib.suppress(DurationError):
        return None if text is None else desk.now - parse_duration(text.removeprefix("-"))
    return moment(text, desk, str(desk.zone))


def moment(text: str | None, desk: Desk, zone: str) -> Moment | None:
    """A moment a person typed: `now`, a length of time ahead or back (`2h`, `-1d`), or a time in `zone`."""
    return None if text is None else moment_at(text, desk.now, zone, base=desk.now)


def moment_at(text: str | None, now: Moment, zone: str, *, base: Moment) -> Moment:
    """The same without a desk: a length of time counts from `base`, and nothing at all is `base`."""
    from runner.duration import parse_duration
    from runner.errors import DurationError

    if text is None:
        return base
    if text == "now":
        return now
    sign = -1 if text.startswith("-") else 1
    with contextlib.suppress(DurationError):
        return base + sign * parse_duration(text.lstrip("+-"))
    return frame.moment_of(text, zone, now)
