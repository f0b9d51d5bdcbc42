from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from runner.cli import completing, frame, reading
from runner.collector import held

if TYPE_CHECKING:
    from runner.config import Config
    from runner.config.expected import Fail
    from runner.moment import Moment, Span
    from runner.testing.script import Of

MOST_LINES = 200
"""Events that are listed one by one where nobody asks for all."""


@click.command("simulate")
@click.argument("job", required=False, shell_complete=completing.jobs)
@click.option("--from", "start", metavar="T", help="from this moment on: 2026-12-24, or -7d  [now]")
@click.option("--to", "end", metavar="T", help="up to this moment: 2026-12-31, or 30d")
@click.option("--days", type=click.IntRange(1, 3660), help="how many days, instead of --to  [7]")
@click.option(
    "--fail",
    "fails",
    multiple=True,
    metavar="JOB.STEP=N",
    help="the first N attempts of the step fail, or `always`; repeatable",
)
@click.option(
    "--took", multiple=True, metavar="JOB.STEP=TIME", help="each attempt takes so long  [1s]; repeatable"
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="JOB.STEP.NAME=VALUE",
    help="an output of the step, as JSON or text; repeatable",
)
@click.option("--down", multiple=True, metavar="FROM..TO", help="the machine is off meanwhile; repeatable")
@click.option("--all", "everything", is_flag=True, help=f"list every event, even more than {MOST_LINES}")
@frame.file_option
@frame.json_option
@held()  # Everything that is made stays until the end: to look for garbage among it takes half of the time.
def command(
    job: str | None,
    start: str | None,
    end: str | None,
    days: int | None,
    fails: tuple[str, ...],
    took: tuple[str, ...],
    outputs: tuple[str, ...],
    down: tuple[str, ...],
    everything: bool,
    file: str | None,
    as_json: bool,
) -> None:
    """What the jobs of a file would do in a stretch of time, failures and downtime included.

    Nothing is run and nobody is told: the same scheduler decides, with a clock that jumps from one moment to the
    next. With JOB, only what happens to that job is shown. An output nobody says is the text <STEP.NAME>.
    Times are in the zone of the jobs where they share one, else in the machine's.

    \b
    runner simulate --days 365                           # a year
    runner simulate etl --fail etl.extract=2             # and what follows
    runner simulate --from 2026-03-28 --to 2026-03-31    # the clocks change
    runner simulate --down 2026-03-28T01:00..2026-03-28T09:00
    """
    from runner.clock import SystemClock
    from runner.moment import DAY
    from runner.testing.playing import settings, upstream
    from runner.testing.script import Script
    from runner.testing.stretch import stretch
    from runner.views import played as view
    from runner.views.when import zone_of

    place = frame.place_of(file)
    loaded = frame.load(place)
    wanted = frame.job_of(loaded, job).id if job is not None else None
    if end is not None and days is not None:
        raise frame.fault(frame.EXIT_USAGE, "--to and --days stand side by side", hint="keep one")
    now = SystemClock().now()
    specs = tuple(upstream(loaded.jobs, wanted)) if wanted is not None else loaded.jobs
    zones = {spec.timezone for spec in specs}
    zone = zones.pop() if len(zones) == 1 else loaded.timezone
    first = reading.moment_at(start, now, zone, base=now)
    last = reading.moment_at(end, now, zone, base=first) if end is not None else first + (days or 7) * DAY
    if last <= first:
        raise frame.fault(
            frame.EXIT_USAGE, f"it ends before it begins: --to {end}", hint="--to is a later moment"
        )
    script = Script(
        fail={
            key: _fail(value, text)
            for key, value, text in _pairs(fails, loaded, wanted, "--fail etl.extract=2")
        },
        took={
            key: _span(value, text)
            for key, value, text in _pairs(took, loaded, wanted, "--took etl.extract=5m")
        },
        outputs=_outputs(outputs, loaded, wanted),
    )
    off = [_off(text, now, zone, first, last) for text in down]
    with frame.progress(100, "simulating, per cent:") as step:
        played = stretch(
            specs, start=first, end=last, script=script, settings=settings(loaded), off=off, step=step
        )
    if wanted is not None:
        played = view.of_job(played, wanted)
    if as_json:
        frame.print_json(view.document(played, {spec.key: spec.timezone for spec in specs}))
    elif everything or view.count(played) <= MOST_LINES:
        reading.show(view.table(played, zone=zone_of(zone)))
    else:
        reading.show(
            view.summary(played, [spec.id for spec in specs if wanted in (None, spec.id)], zone=zone_of(zone))
        )


def _pairs(
    texts: tuple[str, ...], loaded: Config, job: str | None, example: str
) -> list[tuple[Of, str, str]]:
    """(job, step), value and the text itself, of JOB.STEP=VALUE."""
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise frame.fault(frame.EXIT_USAGE, f"{text!r} is not JOB.STEP=VALUE", hint=f"write {example}")
        found.append((_step(name, loaded, job), value, text))
    return found


def _step(name: str, loaded: Config, job: str | None) -> Of:
    """The job and the step that are meant by `job.step`, by `job` where it has one step, by `step` where the verb
    is about one job."""
    specs = {spec.id: spec for spec in loaded.jobs}
    if name in specs:
        steps = specs[name].steps
        if len(steps) > 1:
            hint = f"name a step: {', '.join(f'{name}.{step.id}' for step in steps[:5])}"
            raise frame.fault(frame.EXIT_USAGE, f"the job {name!r} has {len(steps)} steps", hint=hint)
        return name, steps[0].id
    base = name[: name.rindex("[")] if name.endswith("]") and "[" in name else name
    owner, dot, _ = base.rpartition(".")
    id, step = (owner, name[len(owner) + 1 :]) if dot else (job or name, name)
    known = [each.id for each in frame.job_of(loaded, id).steps]
    if step.partition("[")[0] not in known:
        hint = f"it has: {', '.join(known)}"
        raise frame.fault(frame.EXIT_UNKNOWN, f"the job {id!r} has no step {step!r}", hint=hint)
    return id, step


def _fail(value: str, text: str) -> Fail:
    from runner.config.expected import Fail

    if value == "always":
        return Fail(None)
    if not value.isdecimal():
        raise frame.fault(
            frame.EXIT_USAGE, f"--fail {text}: {value!r} is not a number", hint="a number, or `always`"
        )
    return Fail(int(value))


def _span(value: str, text: str) -> Span:
    from runner.duration import parse_duration
    from runner.errors import DurationError

    try:
        return parse_duration(value)
    except DurationError as error:
        raise frame.fault(frame.EXIT_USAGE, f"--took {text}: {error.fact}", hint=error.hint) from None


def _outputs(texts: tuple[str, ...], loaded: Config, job: str | None) -> dict[Of, dict[str, Any]]:
    found: dict[Of, dict[str, Any]] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        owner, dot, name = path.rpartition(".")
        if not equals or not dot:
            hint = "write --output etl.extract.rows=5"
            raise frame.fault(frame.EXIT_USAGE, f"{text!r} is not JOB.STEP.NAME=VALUE", hint=hint)
        try:
            said = json.loads(value)
        except ValueError:
            said = value
        found.setdefault(_step(owner, loaded, job), {})[name] = said
    return found


def _off(text: str, now: Moment, zone: str, first: Moment, last: Moment) -> tuple[Moment, Moment]:
    begin, dots, end = text.partition("..")
    if not dots:
        hint = "write --down 2026-12-24T08:00..2026-12-24T17:00"
        raise frame.fault(frame.EXIT_USAGE, f"{text!r} is not FROM..TO", hint=hint)
    start, stop = (reading.moment_at(each, now, zone, base=first) for each in (begin, end))
    if not first <= start < stop < last:
        hint = "the downtime lies between --from and --to"
        raise frame.fault(frame.EXIT_USAGE, f"--down {text} is not within what is simulated", hint=hint)
    return start, stop
