"""Whose job somebody means: one of the jobs file, or one that a program keeps in the same store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from runner.cli import frame
from runner.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.core.run import Job
    from runner.service.place import Place
    from runner.spec import JobSpec

F = TypeVar("F", bound=Callable[..., object])


def source_option(function: F) -> F:
    return click.option(
        "--source",
        metavar="SOURCE",
        help="whose job: a file's path, or api:NAME [the file's, else the only one]",
    )(function)


def owner(place: Place, job: str, source: str | None) -> str | None:
    """The source of a job; None for the file's own, and for one that nobody knows: its leader says so.

    Exit 2 where programs share a store, several have a job of this id, and no source is given.
    """
    if source is not None or _in_file(place, job):
        return source
    others = sorted({each.spec.source for each in stored(place) if each.spec.id == job})
    if place.source in others or not others:
        return None
    if len(others) > 1:
        raise frame.fault(
            frame.EXIT_USAGE,
            f"there are several jobs {job!r}, of {', '.join(others)}",
            hint=f"say which: --source {others[0]}",
        )
    return others[0]


def spec_of(place: Place, job: str, source: str | None) -> JobSpec:
    """The definition of a stored job; exit 5 where there is none."""
    for each in stored(place):
        if each.spec.id == job and each.spec.source == source:
            return each.spec
    raise frame.fault(
        frame.EXIT_UNKNOWN, f"there is no job {job!r} of {source}", hint="runner list names them"
    )


def stored(place: Place) -> Sequence[Job]:
    """The jobs of all sources in the store."""
    from runner.cli.reading import opened

    with opened(place) as history:
        return history.jobs() if history is not None else []


def _in_file(place: Place, job: str) -> bool:
    from runner import config

    try:
        return any(spec.id == job for spec in config.load(place.files).jobs)
    except (ConfigError, OSError):
        return False
