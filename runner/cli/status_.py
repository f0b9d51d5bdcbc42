from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runner.cli import frame, reading
from runner.errors import StoreError

if TYPE_CHECKING:
    from runner.service.place import Place


@click.command("status")
@frame.file_option
@click.option("--check", is_flag=True, help="say whether it is well, quickly and without the store")
@frame.json_option
def command(file: str | None, check: bool, as_json: bool) -> None:
    """Who runs this file, since when, and how it is. Exit 4 where nobody does.

    With --check, for health checks of containers and services: exit 0 where a runner on this machine is well, 1 where
    one is there and is not (its store fails, its loop does not turn), 4 where none is. It reads one small file.
    """
    place = frame.place_of(file)
    if check:
        _check(place, as_json)
        return
    answer = {**_answer(place), "here": _here(place)}
    if as_json:
        frame.print_json(answer)
        return
    from runner.clock import SystemClock
    from runner.views import status
    from runner.views.when import zone_of

    reading.show(status.table(answer, now=SystemClock().now(), zone=zone_of(frame.local_zone())))


def _answer(place: Place) -> dict[str, Any]:
    """What the leader says; where the store cannot carry the question, what it last wrote of itself."""
    try:
        return frame.ask(place, "status")
    except StoreError as error:
        from runner.clock import SystemClock
        from runner.service.health import Health

        known = Health.read(place.state)
        if known is None or known.alive(SystemClock()):
            raise
        own = known.status.get("store") or {}
        store = own if not own.get("ok", True) else {"ok": False, "error": str(error)}
        return {**known.status, "store": store}


def _here(place: Place) -> dict[str, Any] | None:
    """The runner of this state directory: whether it leads or stands by; None where none is well."""
    from runner.clock import SystemClock
    from runner.service.health import Health

    known = Health.read(place.state)
    if known is None or known.alive(SystemClock()):
        return None
    return {"pid": known.pid, "host": known.host, "leading": bool(known.status.get("leading"))}


def _check(place: Place, as_json: bool) -> None:
    from runner.clock import SystemClock
    from runner.service.health import Health, why_unknown

    known = Health.read(place.state)
    gone = "" if known is not None else why_unknown(place.state)
    dead = known.alive(SystemClock()) if known is not None else ""
    problems = [*([dead] if dead else []), *(known.problems if known is not None else ())]
    stuck = bool(dead) and "has not turned" in dead
    code = frame.EXIT_UNREACHABLE if gone or (dead and not stuck) else frame.EXIT_FAILED if problems else 0
    if as_json:
        frame.print_json({"ok": code == 0, "problems": [*([gone] if gone else []), *problems]})
    elif code == 0 and known is not None:
        click.echo(f"well: process {known.pid}, seen {known.at}")
    else:
        for problem in [gone] if gone else problems:
            click.echo(problem, err=True)
    raise SystemExit(code)
