from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import click

from runner.cli import completing, frame, reading

if TYPE_CHECKING:
    from runner.core.run import AttemptKey, Run
    from runner.executors.output import Line
    from runner.history import History, Remembered
    from runner.moment import Moment
    from runner.service.place import Place

Form = Callable[["AttemptKey", "Line", str], str]
_MARKS = {"stdout": " ", "stderr": "!", "note": "~"}


@click.command("logs")
@click.argument("runs", metavar="JOB|RUN", nargs=-1, required=True, shell_complete=completing.jobs)
@click.option("--follow", "-f", "growing", is_flag=True, help="go on until the run has ended")
@click.option("--step", metavar="STEP", help="only this step")
@click.option("--since", metavar="T", help="only lines since this moment, or this long ago: 08:00, 10m")
@click.option(
    "--times/--no-times", "-t", default=None, help="say when each line came, and mark stderr with ! [with -f]"
)
@click.option(
    "--raw", is_flag=True, help="the bytes as they were printed; control characters reach the terminal"
)
@click.option(
    "--file", metavar="FILE", help="the jobs file [$RUNNER_FILE, ./jobs.yaml, /etc/runner/jobs.yaml]"
)
@frame.json_option
def command(
    runs: tuple[str, ...],
    growing: bool,
    step: str | None,
    since: str | None,
    times: bool | None,
    raw: bool,
    file: str | None,
    as_json: bool,
) -> None:
    """The output of a run, by its id, or of a job's newest run. Works with or without a running service.

    With -f it follows a run that is under way, over restarts of the service too. With --json: one document, or with
    -f a line of JSON for each line of output.
    """
    if len(runs) > 1:
        hint = "here -f follows; name the jobs file with --file" if growing else ""
        raise frame.fault(frame.EXIT_USAGE, "one job or run at a time", hint=hint)
    from runner.views.when import zone_of

    place = frame.place_of(file, shared=True)
    with reading.opened(place, past_only=True) as history:
        found = None
        if history is not None:
            found = history.find(runs[0], source=place.source) or history.find(runs[0])
        if history is None or found is None:
            hint = "runner history lists them"
            raise frame.fault(frame.EXIT_UNKNOWN, f"there is no run {runs[0]!r}", hint=hint)
        if step is not None:
            _there(found, step)
        zone = zone_of(frame.local_zone())
        start = _moment(since)
        stamped = growing if times is None else times
        form = _as_json if growing and as_json else _form(zone) if stamped else _plain
        if found.key.job.source.startswith("api:") and not as_json:
            _of_a_program(found)
        if growing:
            _follow(history, place, found, step, form, start, as_json)
        elif raw:
            _raw(place, found, step)
        elif as_json:
            entries = [_entry(attempt, line) for attempt, line, _ in _lines(place, found, step, start)]
            frame.print_json({"run": found.id, "lines": entries})
        else:
            _print(place, found, step, form, start)


def _there(run: Run, step: str) -> None:
    """Exit 5 where the run has no such step."""
    ids = [each.id for each in run.spec.steps]
    if step not in ids and step not in run.steps:
        raise frame.fault(
            frame.EXIT_UNKNOWN,
            f"{run.key.job.id} has no step {step!r}",
            hint=f"there are: {', '.join(ids[:10])}",
        )


def _of_a_program(run: Run) -> None:
    """A Python job prints where its program prints; what is on record is how it went."""
    for state in run.steps.values():
        if state.outcome is not None and state.outcome.traceback:
            click.echo(state.outcome.traceback, nl=False)
        elif state.outcome is not None and state.outcome.error:
            click.echo(state.outcome.error)
    click.echo(f"what {run.key.job.id} printed went where its program prints", err=True)


def _attempts(run: Run, step: str | None) -> Iterator[tuple[AttemptKey, str]]:
    """Every attempt of the steps that are wanted, with the label of its lines."""
    from runner.core.run import AttemptKey

    for state in run.steps.values():
        if step is not None and step not in (state.step, state.id):
            continue
        label = f"{state.id} | " if len(run.steps) > 1 and step is None else ""
        for number in range(1, state.attempt + 1):
            yield AttemptKey(run.key, state.id, number), label


def _lines(place: Place, run: Run, step: str | None, since: Moment) -> Iterator[tuple[AttemptKey, Line, str]]:
    from runner.executors.output import lines, path_of

    for attempt, label in _attempts(run, step):
        for line in lines(path_of(place.state, attempt)):
            if line.at >= since:
                yield attempt, line, label


def _print(place: Place, run: Run, step: str | None, form: Form, since: Moment) -> None:
    said = None
    for attempt, line, label in _lines(place, run, step, since):
        if attempt != said and run.steps[attempt.step].attempt > 1:
            click.echo(f"── {attempt.step}, attempt {attempt.attempt}", err=True)
        said = attempt
        click.echo(form(attempt, line, label))
    if said is None and not since:
        _on_record(run, step)


def _on_record(run: Run, step: str | None) -> None:
    """Where no output is kept (it is too old, or the disk was full): the last lines, which the record holds."""
    for state in run.steps.values():
        if state.outcome is None or (step is not None and step not in (state.step, state.id)):
            continue
        if state.outcome.tail:
            click.echo(f"of the output of {state.id} only this is on record:", err=True)
            click.echo(state.outcome.tail)
        else:
            click.echo(f"{state.id} printed nothing", err=True)


def _raw(place: Place, run: Run, step: str | None) -> None:
    from runner.executors.output import path_of, read

    for attempt, _ in _attempts(run, step):
        sys.stdout.buffer.write(read(path_of(place.state, attempt)))


def _follow(
    history: History | Remembered,
    place: Place,
    run: Run,
    step: str | None,
    form: Form,
    since: Moment,
    as_json: bool,
) -> None:
    from runner.service.follow import Follower, follow_elsewhere

    notes = None if as_json else sys.stderr
    follower = Follower(place.state, sys.stdout, notes, step=step, form=form, since=since)
    try:
        ended = follow_elsewhere(history, run.key.job.source, run.id, follower)
    except KeyboardInterrupt:
        return
    finally:
        follower.close()
    if as_json:
        click.echo(json.dumps({"run": ended.id, "status": str(ended.status)}))


def _plain(_attempt: AttemptKey, line: Line, label: str) -> str:
    return f"{label}{line.text}"


def _form(zone: tzinfo) -> Form:
    from runner.moment import to_datetime

    def form(_attempt: AttemptKey, line: Line, label: str) -> str:
        when = to_datetime(line.at, zone)
        stamp = f"{when:%H:%M:%S}.{when.microsecond // 1000:03d}"
        return f"{stamp} {_MARKS[line.stream]} {label}{line.text}"

    return form


def _as_json(attempt: AttemptKey, line: Line, _label: str) -> str:
    return json.dumps(_entry(attempt, line), ensure_ascii=False)


def _entry(attempt: AttemptKey, line: Line) -> dict[str, Any]:
    from runner.moment import iso

    return {
        "step": attempt.step,
        "attempt": attempt.attempt,
        "at": iso(line.at),
        "stream": line.stream,
        "text": line.text,
    }


def _moment(text: str | None) -> Moment:
    """A moment, or a length of time ago."""
    if text is None:
        return 0
    from runner.clock import SystemClock
    from runner.duration import parse_duration
    from runner.errors import DurationError

    now = SystemClock().now()
    try:
        return now - parse_duration(text.removeprefix("-"))
    except DurationError:
        return frame.moment_of(text, frame.local_zone(), now)
