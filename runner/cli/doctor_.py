from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from runner.amounts import count
from runner.cli import frame, reading

if TYPE_CHECKING:
    from runner.doctor import Finding
    from runner.service.place import Place

_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}
_LEVEL, _ABOUT = 9, 17


@click.command("doctor")
@frame.file_option
@click.option("-q", "--quiet", is_flag=True, help="only what is not ok")
@frame.json_option
def command(file: str | None, quiet: bool, as_json: bool) -> None:
    """Look at everything a runner stands on, and say what is wrong and what to do about it.

    The file and what the runner at work makes of it; the state directory and its disk; the database, whether it is
    the one it was and whole; runs and alerts that nobody follows; clock and time zones; programs, users, directories,
    secrets and limits that jobs need. It works beside a runner, without one, and where any of these is broken.

    It only looks: it takes no lead, writes nothing, runs nothing of the file, sends no message, and waits for a silent
    server or disk some seconds. Exit 1 where there is a problem; a note is none.

    \b
    runner doctor                     # on a new machine, or at two at night
    sudo -u runner runner doctor -q   # as the service; only what is not ok
    """
    place = _place(file)
    findings = _findings(place)
    if as_json:
        found = list(findings)
        frame.print_json({"ok": not _failed(found), "findings": [_row(each) for each in found]})
    else:
        found = []
        for finding in findings:
            found.append(finding)
            if not quiet or finding.level != "ok":
                _print(finding)
        if not quiet or any(finding.level != "ok" for finding in found):
            click.echo(_summary(found))
    sys.stdout.flush()
    raise SystemExit(frame.EXIT_FAILED if _failed(found) else 0)


def _place(file: str | None) -> Place:
    """As every verb's, but a file that is named and not there is one of the findings."""
    from pathlib import Path

    from runner.service.place import NoJobsFile, Place

    try:
        return frame.place_of(file, shared=True)
    except NoJobsFile:
        named = file or os.environ.get("RUNNER_FILE")
        if not named:
            raise
        return Place.of([Path(each).absolute() for each in named.split(os.pathsep) if each], os.environ)


def _findings(place: Place) -> Iterator[Finding]:
    from runner.clock import SystemClock
    from runner.doctor import Case, examine

    clock = SystemClock()
    return examine(Case(place, dict(os.environ), clock, clock.now()))


def _failed(found: list[Finding]) -> bool:
    return any(finding.level == "problem" for finding in found)


def _row(finding: Finding) -> dict[str, str]:
    return {key: getattr(finding, key) for key in ("level", "about", "fact", "help", "detail")}


def _print(finding: Finding) -> None:
    from runner.service.report import plain

    level = f"{finding.level:{_LEVEL}}"
    if reading.coloured():
        level = click.style(level, fg=_COLOURS[finding.level])
    _say(f"{level}{finding.about:{_ABOUT}}", plain(finding.fact))
    for line in finding.detail.splitlines():
        click.echo((" " * (_LEVEL + 2) + plain(line)).rstrip())
    if finding.help:
        _say(" " * (_LEVEL + 2), f"help: {plain(finding.help)}")


def _say(head: str, text: str) -> None:
    """On a terminal broken between words, with what follows below what was begun; else one line for programs."""
    import textwrap

    width, indent = reading.width(), len(click.unstyle(head))
    lines = (
        textwrap.wrap(text, max(30, width - indent), break_on_hyphens=False, break_long_words=False)
        if width
        else [text]
    )
    first, *rest = lines or [""]
    click.echo(head + first)
    for line in rest:
        click.echo(" " * indent + line)


def _summary(found: list[Finding]) -> str:
    problems, notes = (sum(each.level == level for each in found) for level in ("problem", "note"))
    if problems:
        return f"{count(problems, 'problem')}, {count(notes, 'note')}"
    return f"no problem, {count(notes, 'note')}" if notes else "no problem"
