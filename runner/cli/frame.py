"""What several verbs share: which file, where its state is, asking the leader, and how results are printed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from runner.errors import RunnerError

if TYPE_CHECKING:
    from runner.config import Cache, Config
    from runner.jobstores.base import JobStore
    from runner.moment import Moment
    from runner.service.place import Place
    from runner.spec import JobSpec

F = TypeVar("F", bound=Callable[..., Any])

EXIT_FAILED, EXIT_USAGE, EXIT_CONFIG, EXIT_UNREACHABLE, EXIT_UNKNOWN = 1, 2, 3, 4, 5
EXIT_TIMEOUT, EXIT_STUCK = 124, 70


def file_option(function: F) -> F:
    return click.option(
        "-f",
        "--file",
        "file",
        metavar="FILE",
        multiple=True,
        callback=lambda _context, _param, given: os.pathsep.join(given) or None,
        help="the jobs file, or a directory of them; repeatable [$RUNNER_FILE, ./jobs.yaml, /etc/runner/jobs.yaml]",
    )(function)


def json_option(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="one JSON document on stdout")(function)


def params_option(function: F) -> F:
    return click.option(
        "-p",
        "--param",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        help="a parameter of the run; repeatable",
    )(function)


def local_zone() -> str:
    """The machine's zone, by name."""
    from runner.machine_zone import machine_zone

    return machine_zone()[0]


def job_of(config: Config, job: str) -> JobSpec:
    """The job of this id; exit 5 where there is none, naming the nearest."""
    for spec in config.jobs:
        if spec.id == job:
            return spec
    from difflib import get_close_matches

    ids = [spec.id for spec in config.jobs]
    near = get_close_matches(job, ids, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(ids[:10])}"
    raise fault(EXIT_UNKNOWN, f"there is no job {job!r} in {config.path}", hint=hint)


def given(spec: JobSpec, params: tuple[str, ...]) -> dict[str, Any]:
    """The run's parameters from NAME=VALUE texts; exit 2 with the list of right ones where one is wrong."""
    from runner.spec.params import check

    pairs: dict[str, Any] = {}
    for text in params:
        name, equals, value = text.partition("=")
        if not equals:
            raise fault(EXIT_USAGE, f"{text!r} is not NAME=VALUE", hint="write -p date=2026-12-24")
        pairs[name] = value
    try:
        return check(spec.params, pairs)
    except RunnerError as error:
        raise fault(EXIT_USAGE, error.fact, hint=error.hint) from None


def place_of(file: str | None, *, shared: bool = False) -> Place:
    """The jobs file and its state; with `shared`, a store that RUNNER_DATABASE_URL names is enough."""
    from runner.service.place import NoJobsFile, Place, find_files

    try:
        return Place.of(find_files(file, os.environ), os.environ)
    except NoJobsFile:
        if (gone := _gone(file)) is not None:
            return gone
        if shared and file is None and os.environ.get("RUNNER_DATABASE_URL"):
            return Place.of(Path("jobs.yaml").absolute(), os.environ)
        raise


def _gone(file: str | None) -> Place | None:
    """The place of a jobs file that is not there any more, and which a runner serves all the same."""
    from runner.service.leader import Leader
    from runner.service.place import DEFAULT_FILES, Place

    given = file or os.environ.get("RUNNER_FILE")
    for name in given.split(os.pathsep) if given else DEFAULT_FILES:
        place = Place.of(Path(name).absolute(), os.environ)
        leader = Leader.read(place.state)
        if leader is not None and leader.file == str(place.file):
            return place
    return None


def load(place: Place, cache: Cache | None = None) -> Config:
    """The configuration, or every problem on stderr and exit 3."""
    from runner import config
    from runner.errors import ConfigError

    try:
        return config.load(place.files, cache=cache)
    except ConfigError as error:
        click.echo(str(error), err=True)
        raise SystemExit(EXIT_CONFIG) from None


def open_store(place: Place) -> JobStore:
    from runner.jobstores.urls import store_of

    place.make()
    store = store_of(place.url, mark=place.mark)
    store.open()
    return store


def ask(place: Place, verb: str, *, source: str | None = None, **args: Any) -> dict[str, Any]:
    """Ask the leader of this file, or of another source in its store, wake it, and wait for its answer.

    Exit 4 where nobody answers, 5 where it knows no such job or run, 1 where it refuses otherwise.
    """
    from runner.service.asking import ask as ask_leader
    from runner.service.control import knock
    from runner.service.leader import Leader
    from runner.service.twin import twin

    store = open_store(place)
    try:
        answer = ask_leader(store, place, verb, args, source=source)
    finally:
        store.close()
    if answer is None:
        if source is not None and source != place.source:
            raise fault(
                EXIT_UNREACHABLE,
                f"no scheduler answers for {source}",
                hint="its jobs are commanded while the program runs that added them"
                if source.startswith("api:")
                else f"start one with: runner serve -f {source}",
            )
        if knock(place.socket):
            who = Leader.read(place.state) or "its process"
            raise fault(
                EXIT_UNREACHABLE,
                f"the runner of {place.file} does not answer ({who})",
                hint="it is busy, stopped or stuck; if it stays so, end it with SIGTERM and start it again",
            )
        other = twin(place)
        raise fault(
            EXIT_UNREACHABLE,
            f"no runner answers for {place.file}",
            hint=f"one serves it by another path: -f {other.file}"
            if other is not None
            else f"start one with: runner serve -f {place.file}",
        )
    if answer.state == "refused":
        reason = str(answer.answer.get("error", "refused"))
        code = EXIT_UNKNOWN if answer.answer.get("unknown") else EXIT_FAILED
        raise fault(code, reason, hint=str(answer.answer.get("hint", "")))
    return dict(answer.answer)


def fault(code: int, fact: str, *, hint: str = "") -> RunnerError:
    """An error with the exit code it ends the program with."""
    error = RunnerError(fact, hint=hint)
    error.exit_code = code
    return error


def print_json(document: dict[str, Any]) -> None:
    """The verb's one document, with the version of its form, which nothing in it may hide."""
    print_document({"version": 1} | document | {"version": 1})


def print_document(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))


class Note(NamedTuple):
    """What could not be taken over from a file of another tool: where, for programs and for people, and what."""

    key: dict[str, Any]
    place: str
    note: str


def give(text: str, output: str | None, as_json: bool, *, jobs: int, notes: Sequence[Note]) -> None:
    """A jobs file made of another tool's: into a new file, or to stdout, with what it leaves out on stderr."""
    if output is not None:
        write_new(output, text)
    if as_json:
        print_json({"yaml": text, "jobs": jobs, "notes": [{**each.key, "note": each.note} for each in notes]})
        return
    if output is None:
        click.echo(text, nl=False)
    for each in notes:
        click.echo(f"{each.place}: {each.note}", err=True)


def write_new(path: str, text: str) -> None:
    """Into a file that is not there yet."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        hint = "name another file, or take it away first"
        raise fault(EXIT_FAILED, f"{path} is there already", hint=hint) from None


def write_text(path: str, text: str) -> None:
    """Into a file, or to stdout where the path is `-`."""
    if path == "-":
        click.echo(text, nl=False)
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise fault(EXIT_FAILED, f"{path} cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def progress(total: int, word: str) -> Iterator[Callable[[], None]]:
    """A bar on stderr for work that takes longer than a second, where stderr is a terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda: None
        return
    from runner.clock import SystemClock
    from runner.moment import SECOND

    clock = SystemClock()
    began, done, width = clock.elapsed(), 0, 0

    def step() -> None:
        nonlocal done, width
        done += 1
        if clock.elapsed() - began >= SECOND:
            line = f"{word} {done} of {total}"
            width = max(width, len(line))
            click.echo(f"\r{line:{width}}", nl=False, err=True)

    try:
        yield step
    finally:
        if width:
            click.echo(f"\r{'':{width}}\r", nl=False, err=True)


_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_TIME = re.compile(r"([01]?\d|2[0-3])(:[0-5]\d){1,2}")


def moment_of(text: str, zone: str, now: Moment) -> Moment:
    """A moment a person typed: ISO 8601, or as the runner shows it: `08:00`, `yesterday 23:59:55`, `tomorrow`.

    On the wall clock of `zone` where it names no offset: a time that does not exist there means the end of the gap,
    one that comes twice the first.
    """
    from runner.errors import TriggerError
    from runner.triggers.times import moment_of

    try:
        found = moment_of(_dated(text, zone, now), zone)
    except TriggerError:
        found = None
    if found is None:
        raise fault(
            EXIT_USAGE,
            f"{text!r} is not a moment",
            hint="write 2026-12-24T08:00, 08:00, yesterday 08:00, or a length of time such as 2h",
        )
    return found


def _dated(text: str, zone: str, now: Moment) -> str:
    """With the date, where the text names the day by its distance from today, or not at all."""
    from datetime import timedelta
    from zoneinfo import ZoneInfo

    from runner.moment import to_datetime

    day, _, time = text.partition(" ")
    if _TIME.fullmatch(text):
        day, time = "today", text
    if day not in _DAYS or (time and not _TIME.fullmatch(time)):
        return text
    date = to_datetime(now, ZoneInfo(zone)).date() + timedelta(days=_DAYS[day])
    return f"{date}T{time:0>5}" if time.count(":") == 1 else f"{date}T{time:0>8}" if time else str(date)
