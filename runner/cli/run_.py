from __future__ import annotations

import getpass
import signal
import sys
from collections.abc import Callable
from typing import Any

import click

from runner.cli import completing, frame, owner


@click.command("run")
@click.argument("job", shell_complete=completing.jobs)
@frame.file_option
@owner.source_option
@frame.params_option
@click.option("--quiet", "-q", is_flag=True, help="only the output of the commands")
@frame.json_option
def command(
    job: str, file: str | None, source: str | None, params: tuple[str, ...], quiet: bool, as_json: bool
) -> None:
    """Run one job now, in the foreground, and end with its success.

    Where a service runs the file, the run is handed to it and followed here; so is one of a job that a program keeps
    in the same store. Exit 0 where it succeeded, 1 where it
    failed, 124 where its timeout ended it, 130 where it was cancelled. Ctrl-C, SIGTERM and the end of the terminal
    cancel the run.
    """
    from runner.clock import SystemClock
    from runner.history import history_of
    from runner.service.follow import Follower, follow_elsewhere
    from runner.service.foreground import Foreground

    place = frame.place_of(file, shared=True)
    whose = owner.owner(place, job, source) or place.source
    ours = whose == place.source
    loaded = frame.load(place) if ours else None
    spec = frame.job_of(loaded, job) if loaded is not None else owner.spec_of(place, job, whose)
    values = frame.given(spec, params)
    store = frame.open_store(place)
    clock = SystemClock()
    follower = Follower(place.state, sys.stderr if as_json else sys.stdout, None if quiet else sys.stderr)
    here = None
    if loaded is not None:
        here = Foreground(
            place,
            loaded,
            spec,
            store,
            clock,
            follower.hear,
            lambda text: click.echo(text, err=True),
            values,
            _me(),
        )
    asked: list[int] = []

    def cancel() -> None:
        asked.append(1)
        if here is not None:
            here.cancel()

    previous = _on_signals(cancel)
    try:
        run = here.run() if here is not None else None
        if run is None:
            id = str(frame.ask(place, "trigger", source=whose, job=job, params=values, by=_me())["run"])
            hand_on = _cancelling(place, whose, id, asked)
            run = follow_elsewhere(history_of(store), whose, id, follower, hand_on)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        follower.close()
        store.close()
    _finish(run, as_json)


def _on_signals(call: Callable[[], None]) -> dict[int, Any]:
    """Have the signals that end a command call this; what they did before. One that is ignored (nohup) stays so."""
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[int(number)] = signal.signal(number, lambda _number, _frame: call())
    return before


def _cancelling(place: Any, source: str, run_id: str, asked: list[int]) -> Callable[[], None]:
    """Hands the wish to cancel on to the leader, once for each time it was asked."""

    def hand_on() -> None:
        if asked:
            asked.clear()
            frame.ask(place, "cancel", source=source, run=run_id, by=_me())

    return hand_on


def _finish(run: Any, as_json: bool) -> None:
    from runner.core.run import Status
    from runner.views import run as view

    if as_json:
        frame.print_json(view.document(run))
    codes = {Status.SUCCEEDED: 0, Status.TIMED_OUT: frame.EXIT_TIMEOUT, Status.CANCELLED: 130}
    sys.exit(codes.get(run.status, frame.EXIT_FAILED))


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
